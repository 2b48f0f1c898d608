# SPDX-License-Identifier: MIT
#
# Finds wolfSSL: in WEIR_WOLFSSL_PREFIX (a variable, or the environment's) if that is set, and there
# only; otherwise by pkg-config. Defines WolfSSL::WolfSSL and WolfSSL_VERSION.

if(NOT WEIR_WOLFSSL_PREFIX AND DEFINED ENV{WEIR_WOLFSSL_PREFIX})
    set(WEIR_WOLFSSL_PREFIX "$ENV{WEIR_WOLFSSL_PREFIX}")
endif()

# Another prefix than last time: what was found there is not to be remembered.
if(DEFINED WolfSSL_SEARCHED AND NOT WolfSSL_SEARCHED STREQUAL "prefix:${WEIR_WOLFSSL_PREFIX}")
    unset(WolfSSL_INCLUDE_DIR CACHE)
    unset(WolfSSL_LIBRARY CACHE)
endif()
set(WolfSSL_SEARCHED "prefix:${WEIR_WOLFSSL_PREFIX}" CACHE INTERNAL "")

if(WEIR_WOLFSSL_PREFIX)
    set(wolfssl_hints PATHS "${WEIR_WOLFSSL_PREFIX}" PATH_SUFFIXES include lib lib64 NO_DEFAULT_PATH)
else()
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
        pkg_check_modules(PC_WOLFSSL QUIET wolfssl)
    endif()
    set(wolfssl_hints HINTS ${PC_WOLFSSL_INCLUDEDIR} ${PC_WOLFSSL_LIBDIR})
endif()
find_path(WolfSSL_INCLUDE_DIR wolfssl/ssl.h ${wolfssl_hints})
find_library(WolfSSL_LIBRARY wolfssl ${wolfssl_hints})
mark_as_advanced(WolfSSL_INCLUDE_DIR WolfSSL_LIBRARY)

set(WolfSSL_VERSION "")
if(WolfSSL_INCLUDE_DIR AND EXISTS "${WolfSSL_INCLUDE_DIR}/wolfssl/version.h")
    file(STRINGS "${WolfSSL_INCLUDE_DIR}/wolfssl/version.h" wolfssl_version_line
        REGEX "LIBWOLFSSL_VERSION_STRING")
    string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" WolfSSL_VERSION "${wolfssl_version_line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(WolfSSL
    REQUIRED_VARS WolfSSL_LIBRARY WolfSSL_INCLUDE_DIR
    VERSION_VAR WolfSSL_VERSION
    REASON_FAILURE_MESSAGE "install libwolfssl-dev, or set WEIR_WOLFSSL_PREFIX")

if(WolfSSL_FOUND AND NOT TARGET WolfSSL::WolfSSL)
    add_library(WolfSSL::WolfSSL UNKNOWN IMPORTED)
    set_target_properties(WolfSSL::WolfSSL PROPERTIES
        IMPORTED_LOCATION "${WolfSSL_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${WolfSSL_INCLUDE_DIR}")
endif()
