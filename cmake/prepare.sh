# SPDX-License-Identifier: MIT
#
# Sourced by the scripts that build weir and then run something: tests/run, interop/run, bench/run.
#
#   weir_set_up KIND [OPTION...]        packages and wolfSSL (cmake/setup); KIND is tuned or distribution.
#                                       Leaves `wolfssl`, the kind there is, and `wolfssl_prefix`.
#   weir_build PRESET FOLDER [ARG...]   configures and builds in FOLDER/PRESET, with "-distribution"
#                                       after it for the distribution's wolfSSL, and says why if it
#                                       fails. Leaves `build`. Arguments with -D go to the
#                                       configuration, the others to the build (--target x).

weir_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
weir_jobs=$(nproc)

weir_say() { printf '%s\n' "$*" >&2; }

weir_set_up() {
    local answer kind=$1
    shift
    answer=$("$weir_root/cmake/setup" --wolfssl "$kind" "$@") || return 1
    wolfssl_prefix=$(tail -n 1 <<<"$answer")
    wolfssl=$kind
    if [ "$wolfssl_prefix" = distribution ]; then
        wolfssl_prefix=""
        wolfssl=distribution
    fi
}

weir_build() {
    local preset=$1 folder=$2 log argument
    local -a definitions=() rest=()
    shift 2
    for argument in "$@"; do
        case "$argument" in
        -D*) definitions+=("$argument") ;;
        *) rest+=("$argument") ;;
        esac
    done
    build="$folder/$preset"
    [ "$wolfssl" = distribution ] && build+=-distribution
    mkdir -p "$build" || return 1
    log="$build/build.log"
    weir_say "building $preset with the $wolfssl wolfSSL in $build"
    if ! (cd "$weir_root" && env -u WEIR_WOLFSSL_PREFIX cmake --preset "$preset" -B "$build" \
        "-DWEIR_WOLFSSL_PREFIX=$wolfssl_prefix" "${definitions[@]}") >"$log" 2>&1 ||
        ! cmake --build "$build" -j "$weir_jobs" "${rest[@]}" >>"$log" 2>&1; then
        tail -n 60 "$log" >&2
        weir_say "the build failed; all of it: $log"
        return 1
    fi
}
