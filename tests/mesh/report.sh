#!/usr/bin/env bash
# A report holds its page, its numbers and its pictures, loses nothing, and leaves the lab as it was.
. "$(dirname "$0")/common.sh"
command -v gnuplot >/dev/null || exit 77

# What cannot be done is said before anything is started.
expect 2 "usage" "$COVEY" lab report
expect 2 "ending in .md" "$COVEY" lab report "$dir/page.txt"
expect 2 "ending in .md" "$COVEY" lab report "$dir/a'b.md"
expect 2 "give --devices" "$COVEY" lab report "$dir/page.md" --cpu 10
expect 2 "one of both" "$COVEY" lab report "$dir/page.md" --devices 3 --dir "$lab"
expect 2 "at most 2 for 8" "$COVEY" lab report "$dir/page.md" --requests 8 --kills 3
expect 4 "no lab there" "$COVEY" lab report "$dir/page.md" --dir "$lab"
expect 3 "apt-get install gnuplot" env PATH=/nonexistent "$COVEY" lab report "$dir/page.md"
expect 3 "COVEY_DEMO_DATA" env COVEY_DEMO_DATA=/nonexistent "$COVEY" lab report "$dir/page.md"
expect 1 "cannot be written" "$COVEY" lab report "$dir/none/page.md"
[ -z "$(ls "$dir" | grep -v '^out$\|^err$')" ] || wrong "a refused report wrote something: $(ls "$dir")"

# A lab of its own.
mkdir "$dir/of lab"
before=$(ls -d /tmp/covey-report-* 2>/dev/null)
succeed "$COVEY" lab report "$dir/of lab/page.md" --devices 4 --mode loopback --requests 40 \
    --slow 50 --seed 7 --json
[ "$before" = "$(ls -d /tmp/covey-report-* 2>/dev/null)" ] || wrong "the report left its lab behind"
cmp -s "$dir/out" "$dir/of lab/page.json" ||
    python3 -c 'import json, sys; a, b = (json.load(open(p)) for p in sys.argv[1:]); assert a == b' \
        "$dir/out" "$dir/of lab/page.json" || wrong "--json prints other numbers than page.json"
python3 - "$dir/of lab" <<'END' || wrong "the report is not whole"
import json, os, re, sys
folder = sys.argv[1]
names = sorted(os.listdir(folder))
pictures = [f"page-{p}.png" for p in ("cdf", "histogram", "kills", "straggler")]
assert names == sorted(pictures + ["page.dat", "page.gp", "page.json", "page.md"]), names
for name in pictures:
    data = open(f"{folder}/{name}", "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:-4] == b"IEND", name
report = json.load(open(f"{folder}/page.json"))
assert report["lost"] == 0 and report["wrong"] == 0 and report["seed"] == 7
assert [d["name"] for d in report["devices"]] == ["node1", "node2", "node3", "node4"]
assert all(d["mflops"] > 0 for d in report["devices"])
phases = {p["name"]: p for p in report["phases"]}
assert list(phases) == ["alone", "parity0", "parity1", "parity2", "kills", "slow-parity1",
                        "slow-parity0"]
for p in phases.values():
    assert p["answers"] == p["asked"] == 40 and p["lost"] == p["wrong"] == 0, p
    assert 0 < p["min_ms"] <= p["p50_ms"] <= p["p95_ms"] <= p["p99_ms"] <= p["max_ms"], p
# Of the last answer: without whoever was not heard of just then.
assert phases["alone"]["devices"] == 1 and 2 <= phases["parity1"]["devices"] <= 4
plans = {p["name"]: p for p in report["plans"]}
assert plans["parity1"]["coded_layers"] > 0 and plans["parity1"]["predicted_ms"] > 0
assert [plans[f"parity{r}"]["parity"] for r in range(3)] == [0, 1, 2]
kills = report["kills"]
assert kills["count"] == len(kills["events"]) == kills["hit"] == 2, kills
assert kills["lost"] == 0 and kills["hit_worst_ms"] >= kills["hit_median_ms"] > 0, kills
assert all(0 <= e["request"] < 40 and e["node"] != "node1" for e in kills["events"]), kills
slow = report["straggler"]
assert slow["slow_ms"] == 50 and slow["node"] != "node1"
a, b = phases["slow-parity0"]["p95_ms"], phases["slow-parity1"]["p95_ms"]
assert abs(slow["p95_improvement_percent"] - 100 * (a - b) / a) < 1e-6
page = open(f"{folder}/page.md").read()
for name in pictures:
    assert f"]({name})" in page, name
changes = re.findall(r"(\S+) % (?:lower|higher)", page)
assert len(changes) == 4 and all(float(c) >= 0 for c in changes), changes
assert "--requests 40 --slow 50 --seed 7" in page and f"'{folder}/page.md'" in page
END

# A lab that runs: stopped in the middle of the kills, it is as it was; node3 stays dead.
succeed "$COVEY" lab up --devices 5 --dir "$lab" --mode loopback --wait 120
succeed "$COVEY" lab slow 2 --delay 3 --dir "$lab"
succeed "$COVEY" lab kill 3 --dir "$lab"
states() { "$COVEY" lab list --dir "$lab" | sed 's, *pid *[0-9]* *, ,'; }
as_it_was=$(states)
python3 - "$COVEY" "$lab" "$dir/stopped.md" <<'END' || wrong "the report did not stop"
import json, signal, subprocess, sys, time
covey, lab, page = sys.argv[1:]
def pids():
    out = subprocess.run([covey, "lab", "list", "--dir", lab, "--json"], stdout=subprocess.PIPE,
                         check=True).stdout
    return [(n["pid"], n["running"]) for n in json.loads(out)["nodes"]]
before = pids()
report = subprocess.Popen([covey, "lab", "report", page, "--dir", lab, "--requests", "400", "--kills",
                           "100", "--timeout", "60"], stderr=subprocess.PIPE)
end = time.monotonic() + 240
while pids() == before and report.poll() is None:
    assert time.monotonic() < end, "nobody was killed"
report.send_signal(signal.SIGINT)
said = report.communicate(timeout=120)[1]
assert report.returncode not in (0, None) and b"interrupted" in said, (report.returncode, said)
END
[ "$as_it_was" = "$(states)" ] || wrong "the lab is not as it was: $as_it_was -> $(states)"
[ -z "$(ls "$dir" | grep stopped)" ] || wrong "a stopped report wrote something"
succeed "$COVEY" lab wait --dir "$lab" --wait 120

# And one to its end, of a model by name, with numbers of any kind; the page lies where one stands.
succeed at 1 model add "$model" --name net
mkdir "$dir/here"
(cd "$dir/here" && "$COVEY" lab report r.md --dir "$lab" --model net --requests 8 --slow 5) \
    >"$dir/out" 2>"$dir/err" || wrong "a report of a model by name failed: $(cat "$dir/err")"
[ -s "$dir/here/r-kills.png" ] || wrong "no pictures where one stands"
[ "$as_it_was" = "$(states)" ] || wrong "the lab is not as it was after a report"
succeed "$COVEY" lab down --dir "$lab"
