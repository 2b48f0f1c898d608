# SPDX-License-Identifier: MIT
#
# What `cmake --install` leaves behind: the libraries, include/weir, a CMake package and weir.pc.
#
# The shared and the static library are exported apart, because loading the static one's targets
# needs the libraries it links, which a user of the shared one need not have.

include(CMakePackageConfigHelpers)

set(weir_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/weir")

install(DIRECTORY include/weir DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
    FILES_MATCHING PATTERN "*.h")

install(TARGETS weir_static EXPORT weir-static-targets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT weir-static-targets NAMESPACE weir:: DESTINATION "${weir_package_dir}")
if(TARGET weir)
    install(TARGETS weir EXPORT weir-shared-targets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
    install(EXPORT weir-shared-targets NAMESPACE weir:: DESTINATION "${weir_package_dir}")
endif()

set(weir_needs_llhttp TRUE)
if(Llhttp_FROM_SOURCES)
    set(weir_needs_llhttp FALSE)
endif()
configure_package_config_file(cmake/weir-config.cmake.in weir-config.cmake
    INSTALL_DESTINATION "${weir_package_dir}")
# Until 1.0 a minor version may break its users.
write_basic_package_version_file(weir-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
        "${CMAKE_CURRENT_BINARY_DIR}/weir-config.cmake"
        "${CMAKE_CURRENT_BINARY_DIR}/weir-config-version.cmake"
        cmake/WeirDependencies.cmake
        cmake/FindLlhttp.cmake
        cmake/FindWolfSSL.cmake
        cmake/wolfssl-feature.c
    DESTINATION "${weir_package_dir}")

# --- pkg-config -----------------------------------------------------------------------------------
# A wolfSSL of its own prefix is named by path: the module "wolfssl" may be the system's, which is
# another library.

set(weir_pc_requires "libnghttp2 libcares")
set(weir_pc_libs "-pthread")
if(WEIR_WOLFSSL_PREFIX)
    get_filename_component(wolfssl_libdir "${WolfSSL_LIBRARY}" DIRECTORY)
    string(APPEND weir_pc_libs " -L${wolfssl_libdir} -Wl,-rpath,${wolfssl_libdir} -lwolfssl -lm")
else()
    string(APPEND weir_pc_requires " wolfssl")
endif()
if(Llhttp_ORIGIN STREQUAL "pkg-config")
    string(APPEND weir_pc_requires " libllhttp")
elseif(Llhttp_ORIGIN STREQUAL "package")
    string(APPEND weir_pc_libs " -lllhttp")
endif()
# Where there is no shared library, who asks for weir without --static gets the static one.
set(weir_pc_static_requires "")
set(weir_pc_static_libs "")
if(NOT TARGET weir)
    set(weir_pc_static_requires "${weir_pc_requires}")
    set(weir_pc_static_libs "${weir_pc_libs}")
    set(weir_pc_requires "")
    set(weir_pc_libs "")
endif()
# Relative to the file itself, so that the tree may be installed, or moved, anywhere.
file(RELATIVE_PATH weir_pc_up "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
string(REGEX REPLACE "/$" "" weir_pc_up "${weir_pc_up}")
set(weir_pc_prefix "\${pcfiledir}/${weir_pc_up}")
configure_file(cmake/weir.pc.in weir.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/weir.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
