#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Comments and pages speak of what is there: every weir_name and WEIR_NAME in a comment, in README.md
# or in docs/ stands in code too, and every source file that a comment names exists. A name that ends
# in an underscore or a star stands for all that begin so. Planted names of nothing must be found.

. "$(dirname "$0")/tap.sh" "$1"

folders=("$root"/{include,proto,pool,engine,tests,interop,bench})
word='\b(weir|WEIR)_[A-Za-z0-9_]+\*?'

# code FILE...: the files without their comments; what looks like one inside quotes is none.
code() {
    awk '
        {
            rest = $0
            for (line = ""; rest != "";) {
                if (inside) {
                    end = index(rest, "*/")
                    rest = end ? substr(rest, end + 2) : ""
                    inside = !end
                } else if (match(rest, /"([^"\\]|\\.)*"|\047([^\047\\]|\\.)*\047|\/\*/)) {
                    inside = substr(rest, RSTART, 2) == "/*"
                    line = line substr(rest, 1, RSTART - 1) (inside ? " " : substr(rest, RSTART, RLENGTH))
                    rest = substr(rest, RSTART + RLENGTH)
                } else {
                    line = line rest
                    rest = ""
                }
            }
            print line
        }' "$@"
}

# beyond KNOWN FILE...: names in the files that are not among those known.
beyond() {
    local known=$1 name bad=0
    shift
    while read -r name; do
        case "$name" in
        *[_*]) grep -q "^${name%\*}" "$known" && continue ;;
        esac
        echo "$name is nowhere in code:"
        grep -nwF -- "$name" "$@" | head -n 3
        bad=1
    done < <(grep -ohE "$word" "$@" | sort -u | comm -23 - "$known")
    [ "$bad" = 0 ]
}

# absent FILE...: sources that comments name by a path from the root, and that are not there.
absent() {
    local path bad=0
    while read -r path; do
        [ -e "$root/$path" ] && continue
        echo "$path is named and is not there:"
        grep -nF -- "$path" "$@" | head -n 3
        bad=1
    done < <(grep -ohE '(^|[^a-z0-9_./-])(include|proto|pool|engine|tests|interop|bench)/[a-z0-9_/]+\.[ch]\b' "$@" |
        sed -E 's/^[^a-z]//' | sort -u)
    [ "$bad" = 0 ]
}

mapfile -t all < <(find "${folders[@]}" -name '*.[ch]' | sort)
# Of code is also what the build and its scripts name: options, targets, variables.
known=$scratch/known
{
    code "${all[@]}"
    find "$root/CMakeLists.txt" "$root/cmake" "${folders[@]}" -type f ! -name '*.[ch]' ! -name '*.md' \
        ! -path "$0" -exec cat {} +
} | grep -aoE "$word" | sort -u >"$known"
pages=("$root/README.md" "$root"/docs/*.md)

check "the names of code are found" test "$(wc -l <"$known")" -gt 2000
check "names in comments are names in code" beyond "$known" "${all[@]}"
check "names in pages are names in code" beyond "$known" "${pages[@]}"
check "files that comments name are there" absent "${all[@]}"
check "files that pages name are there" absent "${pages[@]}"
printf '/* see weir_pool_%s() in pool/%s.c */\n' nothing nowhere >"$scratch/planted.c"
check_fails "a name of nothing is found" beyond "$known" "$scratch/planted.c"
check_fails "a file that is not there is found" absent "$scratch/planted.c"
tap_done
