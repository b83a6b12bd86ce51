#!/usr/bin/env bash
# A function longer than 70 lines, or a file longer than 600, is split by what a reader looks for.
. "$(dirname "$0")/lib.sh"

findings() {
    # shellcheck disable=SC2046,SC2086
    awk '
        function file_ends() { if (lines > 600) print name ":1: file of " lines " lines, at most 600" }
        FNR == 1 { file_ends(); name = FILENAME; start = 0 }
        { lines = FNR }
        /^\{/ { start = FNR }
        /^\}/ {
            if (start && FNR - start + 1 > 70)
                print name ":" start ": function of " FNR - start + 1 " lines, at most 70"
            start = 0
        }
        END { file_ends() }' $(c_files $code_folders tests fuzz)
}

plant() {
    {
        echo 'void planted(void)'
        echo '{'
        seq -f '    planted_call(%g);' 69
        echo '}'
    } >nn/planted_function.c
    echo nn/planted_function.c:2:
    seq -f 'int planted_%g;' 601 >nn/planted_file.c
    echo nn/planted_file.c:1:
}

check_main "$@"
