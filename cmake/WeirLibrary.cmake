# SPDX-License-Identifier: MIT
#
# The libraries a user links: weir::weir, from the objects of the three layers.
#
#   weir         libweir.so. Exported is what carries WEIR_API, under the node of cmake/weir.map.
#   weir_static  libweir.a. One object: the layers, and llhttp where it was built from sources, are
#                joined with ld -r, and every hidden symbol is made local. So a program that brings
#                its own llhttp, or has a function with the name of one of our internals, still links.

set(weir_objects "")
set(weir_layers "")
foreach(layer IN ITEMS proto pool engine)
    get_target_property(type weir_${layer} TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
        list(APPEND weir_layers weir_${layer})
        list(APPEND weir_objects $<TARGET_OBJECTS:weir_${layer}>)
    endif()
endforeach()
if(NOT weir_objects)
    return()
endif()

set(weir_private_links PkgConfig::NGHTTP2 PkgConfig::CARES WolfSSL::WolfSSL Threads::Threads)
set(weir_joined_objects ${weir_objects})
if(Llhttp_FROM_SOURCES)
    list(APPEND weir_layers weir_llhttp)
    list(APPEND weir_joined_objects $<TARGET_OBJECTS:weir_llhttp>)
else()
    list(APPEND weir_private_links Llhttp::Llhttp)
endif()

# --- static ---------------------------------------------------------------------------------------

set(weir_joined "${CMAKE_CURRENT_BINARY_DIR}/weir-joined.o")
add_custom_command(
    OUTPUT "${weir_joined}"
    COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -o "${weir_joined}" ${weir_joined_objects}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden --wildcard "--keep-global-symbol=weir_*"
            "${weir_joined}"
    DEPENDS ${weir_joined_objects}
    COMMENT "Joining the layers of libweir.a"
    COMMAND_EXPAND_LISTS
    VERBATIM)
add_library(weir_static STATIC "${weir_joined}")
set_target_properties(weir_static PROPERTIES
    OUTPUT_NAME weir
    EXPORT_NAME static
    LINKER_LANGUAGE C)
target_link_libraries(weir_static PRIVATE ${weir_private_links})
# Make knows the objects of other targets only as files: they have to be there first.
add_dependencies(weir_static ${weir_layers})
set(weir_libraries weir_static)
add_library(weir::static ALIAS weir_static)

# --- shared ---------------------------------------------------------------------------------------

if(WEIR_SHARED)
    add_library(weir SHARED ${weir_objects})
    set_target_properties(weir PROPERTIES
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}
        LINKER_LANGUAGE C
        LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/weir.map")
    target_link_options(weir PRIVATE
        "LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/weir.map")
    if(NOT WEIR_SANITIZE)
        target_link_options(weir PRIVATE LINKER:--no-undefined)
    endif()
    target_link_libraries(weir PRIVATE ${weir_private_links} Llhttp::Llhttp)
    if(WEIR_WOLFSSL_PREFIX)
        set_target_properties(weir PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
    endif()
    list(APPEND weir_libraries weir)
    add_library(weir::weir ALIAS weir)
else()
    add_library(weir::weir ALIAS weir_static)
endif()

foreach(library IN LISTS weir_libraries)
    target_include_directories(${library} INTERFACE
        "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
        "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
endforeach()

include(WeirInstall)
