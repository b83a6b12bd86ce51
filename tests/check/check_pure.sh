#!/usr/bin/env bash
# codec and runtime/core allocate nothing, read no clock and do no I/O: what their objects leave
# undefined is only covey's own, memory and string functions, and pure mathematics.
#   check_pure.sh ROOT COMPILER LIBCOVEY_CODEC LIBCOVEY_CRYPTO LIBCOVEY_CORE
. "$(dirname "$0")/lib.sh"

always='mem(cpy|move|set|cmp|chr)|str(n?len|n?cmp|r?chr)|snprintf|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail'
always="$always|__(asan|ubsan|tsan|sanitizer|sancov)_.*|__[a-z]+[sdt]i[234]"
mathematics='fmaxf?|fminf?|log10|log|sqrtf?|ceilf?|floorf?'

# undefined LIBRARY: "member symbol" for each
undefined() {
    nm -u "$1" 2>/dev/null | awk '/^[^ ].*:$/ { sub(":", ""); member = $1 } $1 == "U" { print member, $2 }' |
        sort -u
}

# layer NAME LIBRARY ALLOWED LIBRARY...: the last ones define the covey_ names that it may use
layer() {
    local name=$1 library=$2 allowed=$3 own member symbol
    shift 3
    own=$(nm --defined-only "$library" "$@" 2>/dev/null | awk 'NF == 3 { print $3 }')
    [ -n "$own" ] || { echo "$library: no symbols"; return; }
    undefined "$library" | while read -r member symbol; do
        [[ $symbol =~ ^($always|$allowed)$ ]] && continue
        if [[ $symbol =~ ^covey_ && ! $symbol =~ ^covey_(random|loop|wall|clock) ]] &&
            grep -qxF "$symbol" <<<"$own"; then
            continue
        fi
        echo "$name/${member%.o}: uses $symbol"
    done
}

# A library that a violation was planted in takes the place of the built one.
library() {
    local planted=planted_$(basename "$1")
    if [ -f "$planted" ]; then echo "$planted"; else echo "$1"; fi
}

findings() {
    local codec crypto=${extra[2]} core
    codec=$(library "${extra[1]}")
    core=$(library "${extra[3]}")
    layer codec "$codec" 'cbor_(encode|stream)_.*' "$codec" |
        grep -vxE 'codec/err\.c: uses (fprintf|abort|stderr)' || true
    layer runtime/core "$core" "$mathematics" "$core" "$codec" "$crypto"
}

# A copy of each library gets one more member.
plant() {
    local codec core
    codec=planted_$(basename "${extra[1]}")
    core=planted_$(basename "${extra[3]}")
    cp "${extra[1]}" "$codec"
    cp "${extra[3]}" "$core"
    printf '%s\n' '#include <stdlib.h>' '#include <time.h>' 'void *planted(void);' \
        'long planted_time(void);' 'void *planted(void) { return malloc(3); }' \
        'long planted_time(void) { return (long)time(0); }' >planted.c
    printf '%s\n' 'void covey_random(void *p, unsigned long n);' 'int covey_tensor_planted(void);' \
        'int planted_2(void);' \
        'int planted_2(void) { int x; covey_random(&x, 4); return x + covey_tensor_planted(); }' >planted_2.c
    "${extra[0]}" -c planted.c -o planted.c.o
    "${extra[0]}" -c planted_2.c -o planted_2.c.o
    ar r "$codec" planted.c.o
    ar r "$core" planted_2.c.o
    echo 'codec/planted.c: uses malloc'
    echo 'codec/planted.c: uses time'
    echo 'runtime/core/planted_2.c: uses covey_random'
    echo 'runtime/core/planted_2.c: uses covey_tensor_planted'
}

check_main "$@"
