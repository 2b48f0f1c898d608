# SPDX-License-Identifier: MIT
#
# weir_add_layer(<layer> [LEFT <layer>...] [LINKS <target>...] SOURCES <file>...)
#
# makes weir_<layer>, a static archive of position independent, hidden code. Its include path holds
# include/ and one include root for each layer to its left and itself. A root is a folder of the
# build tree with one link in it, include-proto/proto -> proto/: so `#include "proto/buf.h"` is how
# every internal header is named, and proto/ cannot name pool/ or engine/ at all.

# weir_include_root(<layer>): the include root of a layer, made if it is not there.
function(weir_include_root layer folder out)
    set(root "${PROJECT_BINARY_DIR}/include-${layer}")
    file(MAKE_DIRECTORY "${root}")
    file(CREATE_LINK "${folder}" "${root}/${layer}" SYMBOLIC)
    set(${out} "${root}" PARENT_SCOPE)
endfunction()

function(weir_add_layer layer)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LEFT;LINKS;SOURCES")
    weir_include_root(${layer} "${CMAKE_CURRENT_SOURCE_DIR}" root)
    set(left_targets ${arg_LEFT})
    list(TRANSFORM left_targets PREPEND weir_)

    if(NOT arg_SOURCES)
        # A folder that has headers only: its users still need the include root.
        add_library(weir_${layer} INTERFACE)
        target_include_directories(weir_${layer} INTERFACE "${PROJECT_SOURCE_DIR}/include" "${root}")
        target_link_libraries(weir_${layer} INTERFACE ${left_targets} ${arg_LINKS})
        return()
    endif()

    add_library(weir_${layer} STATIC ${arg_SOURCES})
    target_include_directories(weir_${layer} PUBLIC "${PROJECT_SOURCE_DIR}/include" "${root}")
    target_link_libraries(weir_${layer} PUBLIC ${left_targets} ${arg_LINKS} PRIVATE weir_compile)

    # os_*.c are the only files that may ask the system headers for more than ISO C.
    foreach(source IN LISTS arg_SOURCES)
        if(source MATCHES "^os_")
            set_source_files_properties(${source} PROPERTIES COMPILE_DEFINITIONS _GNU_SOURCE=)
        endif()
    endforeach()
endfunction()
