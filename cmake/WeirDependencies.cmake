# SPDX-License-Identifier: MIT
#
# What weir links. The installed package uses this file too: a user of the static library needs the
# same libraries, found in the same way.

find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2>=1.43)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares>=1.16)
# A libweir.a that was joined with llhttp's objects needs no other llhttp.
if(NOT DEFINED weir_needs_llhttp OR weir_needs_llhttp)
    find_package(Llhttp REQUIRED)
endif()
find_package(WolfSSL 5.5 REQUIRED)
