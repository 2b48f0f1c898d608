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

# Not every wolfSSL will do. What weir needs is tried, once for each library: see wolfssl-feature.c.
function(weir_wolfssl_features)
    if("${WolfSSL_FEATURES_OF}" STREQUAL "${WolfSSL_LIBRARY} ${WolfSSL_VERSION}")
        return()
    endif()
    set(source "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/wolfssl-feature.c")
    set(where "${CMAKE_BINARY_DIR}/CMakeFiles/wolfssl-feature")
    set(arguments
        CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${WolfSSL_INCLUDE_DIR}"
        LINK_LIBRARIES "${WolfSSL_LIBRARY}")
    unset(wolfssl_feature_compiled CACHE)
    unset(wolfssl_feature_verdict CACHE)
    if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
        try_compile(wolfssl_feature_compiled "${where}" "${source}" ${arguments}
            OUTPUT_VARIABLE output)
        set(verdict 0)
        message(WARNING "wolfSSL's verify callback cannot be tried when cross compiling; weir needs "
            "a build with -DWOLFSSL_ALWAYS_VERIFY_CB in its CFLAGS")
    else()
        try_run(wolfssl_feature_verdict wolfssl_feature_compiled "${where}" "${source}" ${arguments}
            COMPILE_OUTPUT_VARIABLE output)
        set(verdict "${wolfssl_feature_verdict}")
    endif()

    set(lacks_10 "TLS 1.3: build it with --enable-tls13")
    set(lacks_11 "ALPN: build it with --enable-alpn")
    set(lacks_12 "SNI: build it with --enable-sni")
    set(lacks_13 "session tickets: build it with --enable-session-ticket")
    set(lacks_14 "a verify callback that runs on success: build it with -DWOLFSSL_ALWAYS_VERIFY_CB in CFLAGS")
    set(lacks_15 "the peer's chain in the verify callback")
    set(lacks_16 "a TLS 1.3 handshake that succeeds")
    set(lacks_17 "a TLS 1.3 context with ALPN, SNI and tickets")
    if(NOT wolfssl_feature_compiled)
        message(FATAL_ERROR
            "${WolfSSL_LIBRARY} lacks a function that weir needs; the feature test says:\n${output}")
    elseif(NOT verdict STREQUAL "0")
        if(DEFINED lacks_${verdict})
            message(FATAL_ERROR "${WolfSSL_LIBRARY} lacks ${lacks_${verdict}}")
        endif()
        message(FATAL_ERROR "${WolfSSL_LIBRARY}: the feature test ended with ${verdict}")
    endif()
    message(STATUS "wolfSSL passes the feature test")
    set(WolfSSL_FEATURES_OF "${WolfSSL_LIBRARY} ${WolfSSL_VERSION}" CACHE INTERNAL "")
endfunction()

if(WolfSSL_FOUND)
    weir_wolfssl_features()
endif()
