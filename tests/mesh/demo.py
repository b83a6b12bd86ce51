#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demo's summary keeps what it promises: usage demo.py loopback|netns."""
import json
import subprocess
import sys

from lab_common import COVEY, DATA, DIGITS, NO_NETNS, needs_root, skip

FIELDS = {"name", "answers", "lost", "accuracy", "argmax_equal", "max_rel_diff", "recovered_dead",
          "recovered_late", "median_ms", "max_ms", "killed", "coordinator", "term"}
mode = sys.argv[1]
if mode == "netns":
    needs_root()
run = subprocess.run([COVEY, "lab", "demo", "--json", "--mode", mode, "--model",
                      f"{DATA}/digits.onnx", "--data", DIGITS],
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=500)
print(run.stderr)
if NO_NETNS in run.stderr:
    skip(NO_NETNS)
summary = json.loads(run.stdout)
print(json.dumps(summary, indent=1))
assert run.returncode == 0
assert set(summary) == {"nodes", "digits", "phases", "ok"}
assert summary["nodes"] == 6 and summary["digits"] == 360 and summary["ok"] is True
phases = summary["phases"]
names = ["steady", "worker-killed", "coordinator-killed", "restarted"]
assert [p["name"] for p in phases] == names
for p in phases:
    assert set(p) == FIELDS
    assert p["answers"] == 360 and p["lost"] == 0
    assert p["accuracy"] >= 0.97
    assert p["argmax_equal"] is True and p["max_rel_diff"] < 1e-4
    assert 0 < p["median_ms"] <= p["max_ms"]
steady, worker, coordinator, restarted = phases
assert worker["recovered_dead"] > 0 and coordinator["recovered_dead"] > 0
assert steady["killed"] is None and restarted["killed"] is None
assert worker["killed"] not in (None, worker["coordinator"])
assert coordinator["killed"] not in (None, coordinator["coordinator"])
assert coordinator["term"] > worker["term"]
assert restarted["coordinator"] and restarted["term"] >= coordinator["term"]
