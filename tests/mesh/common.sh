# Sourced: a folder that goes away, and how a failing command must look.
set -u
dir=$(mktemp -d)
lab="$dir/lab"
failures=0

# What the nodes said last, and which of them run: a check that failed is often their doing.
show_nodes() {
    [ -d "$lab" ] || return 0
    "$COVEY" lab list --dir "$lab" || true
    for log in "$lab"/*.log; do
        [ -f "$log" ] && echo "-- ${log#"$lab/"}" && tail -n 12 "$log"
    done
    free -m 2>/dev/null || true
}

finish() {
    [ "$failures" -eq 0 ] || show_nodes
    [ -d "$lab" ] && "$COVEY" lab down --dir "$lab" >/dev/null 2>&1
    rm -rf "$dir"
    if [ "$failures" -ne 0 ]; then
        echo "$failures checks failed"
        exit 1
    fi
}
trap finish EXIT

wrong() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect CODE PATTERN COMMAND...: the exit status, and one line on standard error that matches.
expect() {
    local code=$1 pattern=$2 status=0
    shift 2
    "$@" >"$dir/out" 2>"$dir/err" </dev/null || status=$?
    [ "$status" -eq "$code" ] || wrong "$* gave $status, not $code: $(cat "$dir/err")"
    [ "$(wc -l <"$dir/err")" -eq 1 ] || wrong "$* wrote not one line: $(cat "$dir/err")"
    grep -Eq -- "$pattern" "$dir/err" || wrong "$* said: $(cat "$dir/err")"
}

# expect_json CODE COMMAND...: the error is one JSON document as well.
expect_json() {
    local code=$1 status=0
    shift
    "$@" --json >"$dir/out" 2>/dev/null </dev/null || status=$?
    [ "$status" -eq "$code" ] || wrong "$* --json gave $status, not $code"
    python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); assert d["error"] and d["code"] == int(sys.argv[2])' \
        "$dir/out" "$code" || wrong "$* --json wrote: $(cat "$dir/out")"
}

succeed() {
    "$@" >"$dir/out" 2>"$dir/err" </dev/null || wrong "$* failed: $(cat "$dir/err")"
}
