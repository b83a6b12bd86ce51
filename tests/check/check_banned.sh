#!/usr/bin/env bash
# Calls that overrun, misread numbers or are not random stay out of the product; the clock is read
# only where a loop or a person is.
. "$(dirname "$0")/lib.sh"

calls='strcpy|strcat|sprintf|vsprintf|strncpy|strncat|gets|atoi|atol|atof|alloca|rand|srand'

findings() {
    # shellcheck disable=SC2046,SC2086
    awk -f "$here/code_only.awk" $(c_files $code_folders) |
        grep -E ":[0-9]+:(.*[^A-Za-z0-9_])?($calls)[[:space:]]*\(" | sed 's/$/  (banned call)/' || true
    # shellcheck disable=SC2046,SC2086
    awk -f "$here/code_only.awk" $(c_files $code_folders) |
        grep -E ":[0-9]+:(.*[^A-Za-z0-9_])?(time|clock_gettime|gettimeofday)[[:space:]]*\(" |
        grep -vE '^(runtime/io|apps)/' | sed 's/$/  (reads the clock)/' || true
}

plant() {
    local call n=0
    for call in ${calls//|/ }; do
        n=$((n + 1))
        plant_line "codec/planted_$n.c" "int planted_$n(char *p) { return (int)$call(p); }"
    done
    plant_line runtime/core/planted.c 'long planted(void) { return time (0); }'
    plant_line nn/planted.h 'static inline int planted(void) { return clock_gettime(0, 0); }'
}

check_main "$@"
