#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# weir is installed, and a program outside the tree is built against it in each way that is offered,
# and run against a server.

. "$(dirname "$0")/tap.sh" "$1"

here="$root/tests/meta/outside"
prefix="$scratch/prefix"

install_weir() { "$cmake" --install "$release" --prefix "$prefix"; }

start_server() {
    "$cc" -o "$scratch/answer" "$here/answer.c" || return 1
    coproc server { exec "$scratch/answer"; }
    read -r -t 10 port <&"${server[0]}"
}

# answers PROGRAM: runs it; it must have got the answer.
answers() {
    local out
    out=$("$1" "http://127.0.0.1:$port/")
    echo "$out"
    [ "$out" = "200 hello WEIR_END" ]
}

cmake_project() { # cmake_project NAME TARGET
    "$cmake" -S "$here" -B "$scratch/$1" -G "$generator" "-DCMAKE_C_COMPILER=$cc" \
        "-DCMAKE_PREFIX_PATH=$prefix" "-DWEIR_LINK=$2" >"$scratch/configure.log" 2>&1 ||
        { cat "$scratch/configure.log"; return 1; }
    "$cmake" --build "$scratch/$1" && answers "$scratch/$1/get"
}

pc() { PKG_CONFIG_PATH="$prefix/$libdir/pkgconfig" pkg-config "$@" weir; }

# -lweir takes libweir.so where both are installed; the static one is asked for by its name.
static_flags() { pc --static --cflags --libs | sed 's/-lweir\b/-l:libweir.a/'; }

# shellcheck disable=SC2046 # flags are words
shared_by_pc() {
    "$cc" -std=c11 -Wall -Wextra -Werror "$here/get.c" -o "$scratch/get-shared" $(pc --cflags --libs) &&
        LD_LIBRARY_PATH="$prefix/$libdir" answers "$scratch/get-shared"
}

# shellcheck disable=SC2046
static_by_pc() {
    "$cc" -std=c11 -Wall -Wextra -Werror "$here/get.c" -o "$scratch/get-static" $(static_flags) &&
        ! readelf -d "$scratch/get-static" | grep 'NEEDED.*libweir' && answers "$scratch/get-static"
}

# A tree with the static library alone, which is then what weir.pc means.
# shellcheck disable=SC2046
static_alone() {
    local alone="$scratch/alone"
    "$cmake" -S "$root" -B "$scratch/off" -G "$generator" "-DCMAKE_C_COMPILER=$cc" -DWEIR_SHARED=OFF \
        -DWEIR_BUILD_TESTS=OFF -DWEIR_BUILD_INTEROP=OFF -DWEIR_BUILD_BENCH=OFF \
        "-DWEIR_WOLFSSL_PREFIX=$wolfssl_prefix" &&
        cp -R "$prefix" "$alone" && rm "$alone/$libdir"/libweir.so* &&
        cp "$scratch/off/weir.pc" "$alone/$libdir/pkgconfig/weir.pc" &&
        "$cc" -std=c11 "$here/get.c" -o "$scratch/get-alone" \
            $(PKG_CONFIG_PATH="$alone/$libdir/pkgconfig" pkg-config --cflags --libs weir) &&
        answers "$scratch/get-alone"
}

# shellcheck disable=SC2046
as_cxx() {
    "$cxx" -std=c++17 -Wall -Wextra -Werror -x c++ "$here/get.c" -x none -o "$scratch/get-cxx" \
        $(static_flags) && answers "$scratch/get-cxx"
}

# Every function by its name: one that was not declared extern "C" is not found.
# shellcheck disable=SC2046
cxx_links_all() {
    local names
    names=$(nm -D --defined-only "$prefix/$libdir/libweir.so" | sed -nE 's/.* T (weir_[a-z0-9_]+)(@.*)?$/\1/p')
    [ "$(wc -l <<<"$names")" -gt 100 ] || return 1
    {
        printf '#include <weir/weir.h>\nstatic void (*volatile at)();\nint main()\n{\n'
        sed 's/.*/    at = reinterpret_cast<void (*)()>(\&&);/' <<<"$names"
        printf '    return at == nullptr;\n}\n'
    } >"$scratch/all.cc"
    "$cxx" -std=c++17 -Wall -Wextra -Wno-cast-function-type "$scratch/all.cc" -o "$scratch/all-cxx" $(static_flags) &&
        "$scratch/all-cxx"
}

# shellcheck disable=SC2046,SC2086
with_clashing_names() {
    local inside=
    nm "$prefix/$libdir/libweir.a" | grep -q ' [Tt] llhttp_execute$' && inside=-DLLHTTP_IS_INSIDE
    "$cc" -std=c11 $inside "$here/get.c" "$here/clash.c" -o "$scratch/get-clash" $(static_flags) &&
        answers "$scratch/get-clash"
}

# What is installed must not lead back to where it was built.
leads_nowhere() {
    ! grep -rlF -e "$root" -e "$release" "$prefix" --include='*.cmake' --include='*.pc' --include='*.h'
}

soname() { readelf -d "$prefix/$libdir/libweir.so" | grep 'SONAME.*\[libweir.so.0\]'; }

check "an optimised build succeeds" release_build
check "it installs" install_weir
libdir=$(cd "$prefix" 2>/dev/null && dirname "$(find . -name libweir.a | head -n 1)" | sed 's|^\./||')
check "a server is there" start_server
check "find_package(weir) links the shared library" cmake_project shared weir::weir
check "find_package(weir COMPONENTS static) links the static one" cmake_project static weir::static
check "pkg-config weir links the shared library" shared_by_pc
check "pkg-config --static weir links the static one" static_by_pc
check "pkg-config weir links the static one where it is alone" static_alone
check "the program is C++ too" as_cxx
check "every function links from C++" cxx_links_all
check "a program's own names do not clash with those inside libweir.a" with_clashing_names
check "what is installed does not name where it was built" leads_nowhere
check "the shared library has its name" soname
[ -n "${server_PID:-}" ] && kill "$server_PID"
tap_done
