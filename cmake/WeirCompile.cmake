# SPDX-License-Identifier: MIT
#
# How everything in this tree is compiled. weir_compile is linked, privately, by every target that
# holds code of ours; it never reaches a user of the installed library.

add_library(weir_compile INTERFACE)

target_compile_options(weir_compile INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wswitch-enum -Wcast-qual -Wundef -Wvla -Wwrite-strings -Wformat=2)
if(WEIR_WERROR)
    # A newer library may deprecate what the oldest supported one needs.
    target_compile_options(weir_compile INTERFACE -Werror -Wno-error=deprecated-declarations)
endif()

# WEIR_CHECK is always defined, because -Wundef refuses an #if on a name that is not.
target_compile_definitions(weir_compile INTERFACE WEIR_CHECK=$<BOOL:${WEIR_CHECK}>)

# The static library is one object file (cmake/WeirLibrary.cmake). Sections of their own let a
# user's linker drop what the program does not call all the same.
target_compile_options(weir_compile INTERFACE -ffunction-sections -fdata-sections)

# A sanitizer or a line counter has to see every object, llhttp's too: directory-wide.
if(WEIR_SANITIZE)
    string(REPLACE ";" "," weir_sanitize "${WEIR_SANITIZE}")
    add_compile_options(-fsanitize=${weir_sanitize} -fno-sanitize-recover=all
                        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${weir_sanitize})
endif()
if(WEIR_FUZZ)
    # Coverage feedback for all code; only the fuzz programs themselves link libFuzzer's main.
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(WEIR_COVERAGE)
    add_compile_options(--coverage -fprofile-update=atomic)
    add_link_options(--coverage)
endif()
