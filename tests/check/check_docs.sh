#!/usr/bin/env bash
# Each `file:function` and each `file` that a page of docs/ names exists.
. "$(dirname "$0")/lib.sh"

# Definition, not a call: starts in the first column and is followed by a body before any semicolon.
defines() {
    awk -v name="$2" '
        $0 ~ "^[A-Za-z].*[^A-Za-z0-9_]" name "\\(" { open = 1 }
        open && /^\{/ { found = 1; exit }
        open && /;[[:space:]]*$/ { open = 0 }
        END { exit !found }' "$1"
}

findings() {
    local page at name file function folders='(cmake|codec|crypto|nn|runtime|apps|tests|fuzz|docs)'
    for page in docs/*.md; do
        [ -e "$page" ] || continue
        grep -noE '`[A-Za-z0-9_./-]+\.[ch]:[A-Za-z_][A-Za-z0-9_]*`' "$page" | tr -d '`' |
            while IFS=: read -r at file function; do
                if [ ! -f "$file" ]; then
                    echo "$page:$at: $file does not exist"
                elif ! defines "$file" "$function"; then
                    echo "$page:$at: $file defines no $function"
                fi
            done
        grep -noE "\`$folders/[A-Za-z0-9_./-]+\`" "$page" | tr -d '`' |
            while IFS=: read -r at file; do
                [ -e "$file" ] || echo "$page:$at: $file does not exist"
            done
    done
    name=docs/way-of-data.md
    if [ ! -f "$name" ]; then
        echo "$name:1: is missing"
    elif [ "$(grep -cE '`[A-Za-z0-9_./-]+\.c:' "$name")" -lt 20 ]; then
        echo "$name:1: names fewer than 20 functions"
    fi
}

plant() {
    {
        echo 'A function that is only called: `codec/err.c:abort`.'
        echo 'A function that is gone: `codec/err.c:covey_planted`.'
        echo 'A file that is gone: `codec/planted.c:covey_strerror`.'
        echo 'Another: `tests/mesh/planted.sh`.'
    } >docs/planted.md
    printf 'docs/planted.md:%s:\n' 1 2 3 4
}

check_main "$@"
