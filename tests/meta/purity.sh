#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The protocol layer and the pool have no clock, socket, thread, allocator or random source that did
# not come in as an argument. So the objects of an optimised build may leave undefined only what is
# listed here and what the layers to the left define.

. "$(dirname "$0")/tap.sh" "$1"

allowed='mem[a-z]*|str[a-z]*|__(mem|str)[a-z]*_chk|__stack_chk_fail|nghttp2_hd_[a-z0-9_]*'
allowed+='|llhttp_[a-z0-9_]*|wslay_frame_[a-z0-9_]*|inflate[A-Za-z0-9_]*|deflate[A-Za-z0-9_]*'
allowed+='|weir_assert_fail'
# Not a call: how position independent code finds its data.
allowed+='|_GLOBAL_OFFSET_TABLE_'

undefined_in() { nm -u "$@" | sed -n 's/^ *U //p' | sort -u; }
defined_in() { nm -g --defined-only "$@" | sed -n 's/^[0-9a-f]* [A-Z] //p' | sort -u; }

# is_pure ARCHIVE [LEFT...]: names what it may not call.
is_pure() {
    undefined_in "$1" >"$scratch/undefined"
    [ -s "$scratch/undefined" ] || { echo "$1 calls nothing at all: is it the right file?"; return 1; }
    defined_in "$@" >"$scratch/defined"
    comm -23 "$scratch/undefined" "$scratch/defined" | grep -vxE "$allowed" >"$scratch/impure"
    sed "s|^|${1##*/} calls |" "$scratch/impure"
    [ ! -s "$scratch/impure" ]
}

# with_planted ARCHIVE SOURCE [LEFT...]: is_pure of a copy to which an object was added.
with_planted() {
    local archive=$1 source=$2
    shift 2
    printf '%s\n' "$source" >"$scratch/planted.c"
    "$cc" -std=c11 -O2 -fPIC -c -o "$scratch/planted.o" "$scratch/planted.c" &&
        cp "$archive" "$scratch/planted.a" && ar r "$scratch/planted.a" "$scratch/planted.o" ||
        return 0 # which check_fails does not take for an answer
    is_pure "$archive" "$@" >"$scratch/ignored"
    mv "$scratch/impure" "$scratch/before"
    is_pure "$scratch/planted.a" "$@" && return 0
    # It must have failed for the planted call, and for no other that was not there before.
    [ "$(comm -13 "$scratch/before" "$scratch/impure")" = "$planted_call" ] || return 0
    return 1
}

check "an optimised build of both layers succeeds" release_build weir_proto weir_pool
proto="$release/proto/libweir_proto.a"
pool="$release/pool/libweir_pool.a"
check "weir_proto calls only what it may" is_pure "$proto"
check "weir_pool calls only what it may" is_pure "$pool" "$proto"

clock='#include <time.h>
long weir_planted(void); long weir_planted(void) { return (long)time(NULL); }'
output='#include <stdio.h>
void weir_planted(void); void weir_planted(void) { puts("x"); }'
memory='#include <stdlib.h>
void *weir_planted(void); void *weir_planted(void) { return malloc(7); }'
planted_call="time"
check_fails "a planted time() in weir_proto is found" with_planted "$proto" "$clock"
check_fails "a planted time() in weir_pool is found" with_planted "$pool" "$clock" "$proto"
planted_call=puts
check_fails "a planted puts() in weir_proto is found" with_planted "$proto" "$output"
planted_call=malloc
check_fails "a planted malloc() in weir_proto is found" with_planted "$proto" "$memory"
tap_done
