#!/usr/bin/env bash
# Nothing that is kept says what is still to be done, or where one person's files are.
. "$(dirname "$0")/lib.sh"

# Written so that they do not match themselves.
words='\b(TOD[O]|FIXM[E]|HAC[K])\b|(^|[^.A-Za-z0-9])/(wor[k]|roo[t]|hom[e])/|/bash_job[s]'

findings() {
    find . -type f -not -path './build/*' -not -path './.git/*' -not -path './fuzz/seeds/*' |
        sed 's,^\./,,' | sort | xargs -d '\n' grep -HInE "$words" || true
}

plant() {
    plant_line docs/planted_1.md "$(printf 'TOD%s: describe it' O)"
    plant_line codec/planted_2.c "$(printf '/* FIXM%s */' E)"
    plant_line planted_3.txt "$(printf 'see /wor%s/main/docs' k)"
    plant_line tests/planted_4.sh "$(printf 'cd "/hom%s/someone"' e)"
}

check_main "$@"
