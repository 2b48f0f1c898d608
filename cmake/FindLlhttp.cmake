# SPDX-License-Identifier: MIT
#
# Finds llhttp: as a CMake package, by pkg-config, or as the C sources that Debian 12 ships in
# node-llhttp, in this order. Defines
#   Llhttp::Llhttp         what to link
#   Llhttp_FROM_SOURCES    true if the target weir_llhttp was made from those sources
#   Llhttp_ORIGIN          where it was found: package, pkg-config or sources
#
# Built from sources, llhttp is a private archive: its symbols are hidden, and its api.o (which names
# stdio, for a debugging callback) stays apart from weir_proto, which the purity test reads.

set(Llhttp_FROM_SOURCES FALSE)
set(Llhttp_ORIGIN "")

if(NOT TARGET Llhttp::Llhttp)
    find_package(llhttp CONFIG QUIET)
    foreach(candidate IN ITEMS llhttp::llhttp_shared llhttp::llhttp llhttp::llhttp_static)
        if(TARGET ${candidate} AND NOT TARGET Llhttp::Llhttp)
            add_library(Llhttp::Llhttp INTERFACE IMPORTED)
            set_target_properties(Llhttp::Llhttp PROPERTIES INTERFACE_LINK_LIBRARIES ${candidate})
            set(Llhttp_ORIGIN "package")
        endif()
    endforeach()
endif()

if(NOT TARGET Llhttp::Llhttp)
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
        pkg_check_modules(LLHTTP QUIET IMPORTED_TARGET libllhttp)
    endif()
    if(LLHTTP_FOUND)
        add_library(Llhttp::Llhttp INTERFACE IMPORTED)
        set_target_properties(Llhttp::Llhttp PROPERTIES
            INTERFACE_LINK_LIBRARIES PkgConfig::LLHTTP)
        set(Llhttp_ORIGIN "pkg-config")
    endif()
endif()

if(NOT TARGET Llhttp::Llhttp)
    find_path(LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp NO_DEFAULT_PATH)
    find_path(LLHTTP_SOURCE_INCLUDE_DIR llhttp.h PATHS /usr/share/include/llhttp NO_DEFAULT_PATH)
    mark_as_advanced(LLHTTP_SOURCE_DIR LLHTTP_SOURCE_INCLUDE_DIR)
    if(LLHTTP_SOURCE_DIR AND LLHTTP_SOURCE_INCLUDE_DIR)
        add_library(weir_llhttp STATIC
            "${LLHTTP_SOURCE_DIR}/api.c"
            "${LLHTTP_SOURCE_DIR}/http.c"
            "${LLHTTP_SOURCE_DIR}/llhttp.c")
        target_include_directories(weir_llhttp SYSTEM PUBLIC "${LLHTTP_SOURCE_INCLUDE_DIR}")
        target_compile_options(weir_llhttp PRIVATE -w -O2 -ffunction-sections -fdata-sections)
        set_target_properties(weir_llhttp PROPERTIES
            C_VISIBILITY_PRESET hidden
            POSITION_INDEPENDENT_CODE ON)
        add_library(Llhttp::Llhttp ALIAS weir_llhttp)
        set(Llhttp_ORIGIN "sources")
    endif()
endif()

if(TARGET weir_llhttp)
    set(Llhttp_FROM_SOURCES TRUE)
    set(Llhttp_ORIGIN "sources")
endif()
if(TARGET Llhttp::Llhttp AND NOT Llhttp_ORIGIN)
    set(Llhttp_ORIGIN "package")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Llhttp
    REQUIRED_VARS Llhttp_ORIGIN
    REASON_FAILURE_MESSAGE "install libllhttp-dev, or on Debian 12 node-llhttp")
