#!/usr/bin/env bash
# The experiments of coded products run over a lab: every strategy's rounds are spread, decode right
# but for the published Vandermonde code, and cost at least what their workers slept.
. "$(dirname "$0")/common.sh"
command -v gnuplot >/dev/null || { echo "no gnuplot: skipped"; exit 77; }

expect 2 "usage" "$COVEY" lab paper
expect 2 "scheme is" "$COVEY" lab paper training "$dir/p.md" --scheme c
expect 2 "at least --blocks" "$COVEY" lab paper training "$dir/p.md" --tasks 4
expect 2 "ending in .md" "$COVEY" lab paper training "$dir/p.txt"

# So few rounds may miss the gains that are asked of them: then the exit status is 1.
run() {
    status=0
    "$COVEY" lab paper training "$dir/p.md" --json "$@" >"$dir/out" 2>"$dir/err" || status=$?
    [ "$status" -le 1 ] || wrong "covey lab paper ended with $status: $(cat "$dir/err")"
}
check() {
    python3 - "$dir/out" "$@" <<'END' || wrong "the document is not as it should be: $(head -c 2000 "$dir/out")"
import json, sys
document = json.load(open(sys.argv[1]))
rounds = int(sys.argv[2])
assert document["settings"] and not document["simulated"]
for setting in document["settings"]:
    assert len(setting["strategies"]) == 5
    for s in setting["strategies"]:
        assert s["rounds"] == rounds and s["failed"] == 0, s
        assert s["answers"] >= 4, s
        assert s["strategy"] == "Vandermonde" or s["error"] <= 2e-5, s
        if s["strategy"] == "uncoded":  # who sleeps is not woken early
            assert s["mean_ms"] >= 0.9 * s["simulated_ms"], s
END
}
small=(--workers 4 --blocks 4 --tasks 8 --points 1 --scale 0.002)
run --scheme b --law exponential --rounds 3 "${small[@]}"
check 3
for end in md json dat gp; do
    [ -s "$dir/p.$end" ] || wrong "no p.$end"
done
[ -s "$dir/p-b-exponential.png" ] || wrong "no picture"
run --scheme vgg --law uniform --steps 1 "${small[@]}"
check 22
grep -q "22 coded products" "$dir/p.md" || wrong "the page does not say what a step is"
