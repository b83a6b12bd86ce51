# Sourced: a folder that goes away, and how a failing command must look.
set -u
dir=$(mktemp -d)
lab="$dir/lab"
model="$COVEY_DEMO_DATA/digits.onnx"
digits="digits:$COVEY_DEMO_DATA/digits.csv.gz"
failures=0

# at DEVICE COMMAND...: covey's command, at a device of the lab.
at() { "$COVEY" lab run "$1" --dir "$lab" -- "${@:2}"; }

# What the nodes said last, and which of them run: a check that failed is often their doing.
show_nodes() {
    [ -d "$lab" ] || return 0
    "$COVEY" lab list --dir "$lab" || true
    for log in "$lab"/*.log; do
        [ -f "$log" ] && echo "-- ${log#"$lab/"}" && tail -n 12 "$log"
    done
    free -m 2>/dev/null || true
}

# The programs that this shell runs, asked to end and waited for.
end_children() {
    local pids pid end=$((SECONDS + 30))
    read -r -a pids <"/proc/$$/task/$$/children"
    [ "${#pids[@]}" -eq 0 ] || kill "${pids[@]}" 2>/dev/null
    for pid in "${pids[@]}"; do
        while kill -0 "$pid" 2>/dev/null && [ "$SECONDS" -lt "$end" ]; do
            sleep 0.1
        done
    done
}

# Comes in the end, and when a signal ends the script.
finish() {
    local status=$?
    trap '' TERM INT HUP
    end_children
    [ "$failures" -eq 0 ] && [ "$status" -lt 128 ] || show_nodes
    [ -d "$lab" ] && "$COVEY" lab down --dir "$lab" >/dev/null 2>&1
    rm -rf "$dir"
    if [ "$failures" -ne 0 ]; then
        echo "$failures checks failed"
        exit 1
    fi
}
trap finish EXIT
# Once, however often it is asked: without this a second signal would end the shell within finish.
trap 'trap "" TERM INT HUP; exit 143' TERM INT HUP

wrong() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect CODE PATTERN COMMAND...: the exit status, and one line on standard error that matches and
# has nothing that a terminal would obey.
expect() {
    local code=$1 pattern=$2 status=0 lines line LC_ALL=C # bytes
    shift 2
    "$@" >"$dir/out$lane" 2>"$dir/err$lane" </dev/null || status=$?
    mapfile lines <"$dir/err$lane"
    [ "$status" -eq "$code" ] || wrong "$* gave $status, not $code: ${lines[*]}"
    line=${lines[0]-}
    [[ ${#lines[@]} -eq 1 && $line == *$'\n' ]] || wrong "$* wrote not one line: ${lines[*]}"
    [[ $line =~ $pattern ]] || wrong "$* said: ${lines[*]}"
    line=${line%$'\n'}
    [[ $line != *[[:cntrl:]]* && $line != *$'\xc2'[$'\x80'-$'\x9f']* ]] ||
        wrong "$* printed raw: $(cat -v "$dir/err$lane")"
}

# aside CHECK...: beside others that are begun so, until `settled`; with files of its own.
lane="" lanes=0 asides=()
aside() {
    lane=.$((++lanes))
    (
        failures=0
        "$@"
        exit "$((failures > 0))"
    ) &
    asides+=("$!")
    lane=""
    [ "${#asides[@]}" -lt 12 ] || settled
}

settled() {
    local pid
    for pid in "${asides[@]}"; do
        wait "$pid" || failures=$((failures + 1))
    done
    asides=()
}

# expect_json CODE COMMAND...: the error is one JSON document as well.
expect_json() {
    local code=$1 status=0
    shift
    "$@" --json >"$dir/out$lane" 2>/dev/null </dev/null || status=$?
    [ "$status" -eq "$code" ] || wrong "$* --json gave $status, not $code"
    python3 -S -c 'import json, sys; d = json.load(open(sys.argv[1])); assert d["error"] and d["code"] == int(sys.argv[2])' \
        "$dir/out$lane" "$code" || wrong "$* --json wrote: $(cat "$dir/out$lane")"
}

# same_numbers FILE FILE COUNT: of two .npy, within rounding.
same_numbers() {
    python3 - "$@" <<'END' || wrong "$1 is not $2"
import array, struct, sys
def load(path):
    data = open(path, "rb").read()
    return array.array("f", data[10 + struct.unpack("<H", data[8:10])[0]:])
a, b = load(sys.argv[1]), load(sys.argv[2])
assert len(a) == len(b) == int(sys.argv[3]), (len(a), len(b))
assert max(abs(x - y) for x, y in zip(a, b)) <= 1e-4 * max(map(abs, b))
END
}

# soon COMMAND...: succeeds within two minutes.
soon() {
    local end=$((SECONDS + 120))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

succeed() {
    "$@" >"$dir/out$lane" 2>"$dir/err$lane" </dev/null || wrong "$* failed: $(cat "$dir/err$lane")"
}
