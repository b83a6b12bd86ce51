#!/usr/bin/env bash
# No two libraries define the same name: a static linker takes whichever it meets first and says
# nothing.
#   check_names.sh ROOT COMPILER LIBRARY...
. "$(dirname "$0")/lib.sh"

# "name library" of what a library defines for others
defined() {
    local library
    library=$(basename "$1" .a)
    nm --defined-only --extern-only "$1" 2>/dev/null |
        awk -v library="$library" 'NF == 3 && $3 ~ /^covey_/ { print $3, library }' | sort -u
}

findings() {
    local library
    for library in "${extra[@]:1}"; do
        defined "$library"
    done | cat - planted_names 2>/dev/null | sort -u |
        awk '{ libraries[$1] = libraries[$1] " " $2; count[$1]++ }
             END { for (name in count) if (count[name] > 1) print name ": defined by" libraries[name] }' | sort
}

# One more library, which defines a name that another one has.
plant() {
    local name
    name=$(defined "${extra[1]}" | awk 'NR == 1 { print $1 }')
    printf 'void %s(void);\nvoid %s(void) {}\n' "$name" "$name" >planted.c
    "${extra[0]}" -c planted.c -o planted.o
    ar r libplanted.a planted.o 2>/dev/null
    defined libplanted.a >planted_names
    echo "$name: defined by"
}

check_main "$@"
