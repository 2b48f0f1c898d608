#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The pages: every link of README.md and docs/ to a file leads to one, every page that a comment names is there, and
# every page of docs/ can be reached from README.md. Planted links to nowhere must be found.

. "$(dirname "$0")/tap.sh" "$1"

# leads FILE: every relative link of a page exists.
leads() {
    local target folder bad=0
    folder=$(dirname "$1")
    while read -r target; do
        [ -e "$folder/${target%%#*}" ] && continue
        echo "$1 links to $target, which is not there"
        bad=1
    done < <(grep -oE '\]\([^)# ][^)]*\)' "$1" | sed -E 's/^\]\(//; s/\)$//' | grep -vE '^[a-z]+:' | sort -u)
    [ "$bad" = 0 ]
}

# named FOLDER...: pages named in comments.
named() {
    local page bad=0
    while read -r page; do
        [ -e "$root/$page" ] && continue
        echo "$page is named and is not there:"
        grep -rln "$page" "$@" | head -n 3
        bad=1
    done < <(grep -rhoE 'docs/[a-z0-9_-]+\.md' "$@" | sort -u)
    [ "$bad" = 0 ]
}

reached() {
    grep -qF "(docs/$1)" "$root/README.md" || { echo "README.md does not link to docs/$1"; return 1; }
}

check "the links of README.md lead somewhere" leads "$root/README.md"
for page in "$root"/docs/*.md; do
    check "the links of ${page##*/} lead somewhere" leads "$page"
    check "the page ${page##*/} is linked from README.md" reached "${page##*/}"
done
check "pages that comments name are there" named "$root"/{include,proto,pool,engine,interop,tests}
mkdir -p "$scratch/pages"
printf 'see [that](nowhere.md)\n' >"$scratch/pages/planted.md"
printf '/* see docs/%s */\n' nowhere.md >"$scratch/planted.c"
check_fails "a link to nowhere is found" leads "$scratch/pages/planted.md"
check_fails "a page that is named and not there is found" named "$scratch/planted.c"
check_fails "a page that nobody links to is found" reached planted.md
tap_done
