# SPDX-License-Identifier: MIT
#
# Sourced by the tests of this folder, with the environment of the build as its argument: TAP, the
# compiler as a layer sees it, and an optimised build of the library.

set -u -o pipefail
# shellcheck source=/dev/null
. "$1"
export LC_ALL=C

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tap_count=0
tap_failed=0

# report STATUS NAME: one test; what is in $scratch/why is told if it failed.
report() {
    tap_count=$((tap_count + 1))
    if [ "$1" = 0 ]; then
        printf 'ok %d - %s\n' "$tap_count" "$2"
    else
        printf 'not ok %d - %s\n' "$tap_count" "$2"
        [ -s "$scratch/why" ] && tail -n 30 "$scratch/why" | sed "s/^/# /"
        tap_failed=$((tap_failed + 1))
    fi
    rm -f "$scratch/why"
}

# check NAME COMMAND...: passes if the command succeeds.
check() {
    local name=$1
    shift
    "$@" >"$scratch/why" 2>&1
    report $? "$name"
}

# check_fails NAME COMMAND...: passes if the command fails; for planted faults.
check_fails() {
    local name=$1
    shift
    if "$@" >"$scratch/why" 2>&1; then
        echo "this should have failed: $*" >"$scratch/why"
        report 1 "$name"
    else
        report 0 "$name"
    fi
}

tap_done() {
    printf '1..%d\n' "$tap_count"
    [ "$tap_failed" = 0 ] && [ "$tap_count" -gt 0 ]
    exit
}

# flags_of LAYER: the include path of a layer (include, proto, pool, engine), into the array `flags`.
# What lies outside the tree is somebody else's and not to be warned about.
flags_of() {
    local path_variable="$1_path" folder
    local -a folders
    IFS=';' read -ra folders <<<"${!path_variable}"
    flags=()
    for folder in "${folders[@]}"; do
        case "$folder" in
        "") ;;
        "$root"/* | "$build"/*) flags+=(-I "$folder") ;;
        *) flags+=(-isystem "$folder") ;;
        esac
    done
}

# headers_of LAYER: how its headers are named in an #include.
headers_of() {
    case "$1" in
    include) (cd "$root/include" && find weir -name '*.h' | sort) ;;
    *) (cd "$root" && find "$1" -name '*.h' | sort) ;;
    esac
}

# release_build [TARGET...]: weir as a user gets it, optimised and without sanitizers, and with make, which
# wants what Ninja finds by itself; its folder in `release`. The suites of this folder share it, and may
# run at once.
release_build() {
    release="$build/meta-make"
    mkdir -p "$release"
    exec 8>"$release/.lock"
    flock 8
    "$cmake" -S "$root" -B "$release" -G "Unix Makefiles" "-DCMAKE_C_COMPILER=$cc" \
        -DCMAKE_BUILD_TYPE=RelWithDebInfo -DWEIR_BUILD_TESTS=OFF -DWEIR_BUILD_INTEROP=OFF \
        -DWEIR_BUILD_BENCH=OFF "-DWEIR_WOLFSSL_PREFIX=$wolfssl_prefix" &&
        "$cmake" --build "$release" -j 2 ${1:+--target "$@"}
    local status=$?
    exec 8>&-
    return $status
}
