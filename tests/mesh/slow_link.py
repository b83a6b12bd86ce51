#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A model comes through a link of 100 kbit/s unit by unit, and goes on where it was when its only
holder was away."""
import json
import subprocess
import time

from lab_common import COVEY, ask, at, base, kill, lab, run, torn_down, up, wait, write_tensor

RATE = ["rate", "100kbit", "burst", "20000", "latency", "400ms"]
SOME, BESIDE = 60000, 20000  # of the weights; what comes beside them
GIVES, ASKS = 1, 2


def slow_down(word):
    """Both ends of a link, as `covey lab up --rate` does for whole megabits; or no more."""
    lab_id = json.loads(lab("list", "--json"))["id"]
    ends = ((["-n", f"cvy-{lab_id}-{GIVES}"], "eth0"), ([], f"cvy{lab_id}-{GIVES}"))
    for namespace, device in ends:
        rate = ["tbf", *RATE] if word == "add" else []
        subprocess.run(["tc", *namespace, "qdisc", word, "dev", device, "root", *rate], check=True)


def known():
    return next((m for m in ask(ASKS, "model", "list")["models"] if m["name"] == "slowly"), None)


def reaches():
    return any(p["channel"] for p in ask(ASKS, "peers")["peers"] if not p["self"])


def came():
    peers = ask(ASKS, "peers")
    return peers["fetched_from_owners"] + peers["fetched_from_others"]


with torn_down(2):
    write_tensor(f"{base}/in.npy", (1, 1, 28, 28), ((i * 37 % 101) / 101 for i in range(784)))
    run([COVEY, "model", "build", "mlp", "--input", "1x28x28", "--classes", "10", "--depth", "1",
         "--units", "1150", "--seed", "1", "--out", f"{base}/m.onnx"])
    up(2, mode="netns")
    run(at(GIVES, "model", "add", f"{base}/m.onnx", "--name", "slowly"))
    wait("the model known", known)
    size = known()["weights_bytes"]
    slow_down("add")
    begin = time.monotonic()
    asking = subprocess.Popen(at(ASKS, "infer", "slowly", f"{base}/in.npy", "--timeout", "120"),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait("whole units, long before all are", lambda: came() > SOME, 90)
        print(f"{came()} of {size} bytes in {time.monotonic() - begin:.1f} s", flush=True)
        kill(GIVES)
        wait("no channel", lambda: not reaches())
        before = came()
        assert before < size / 4, before
        assert asking.poll() is None, asking.stderr.read()
        slow_down("del")
        lab("restart", str(GIVES))
        assert asking.wait(timeout=120) == 0, asking.stderr.read()
    finally:
        asking.kill()
    print(f"{before} bytes, then {came() - before}", flush=True)
    assert came() < size + BESIDE, "something came twice"
