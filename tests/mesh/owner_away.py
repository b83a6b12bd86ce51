#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""While requests stream the node that is asked is cut off, then stopped, until the others take it
for dead: each request is answered, rightly, and the mesh is used again afterwards.
"""
import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

from lab_common import COVEY, DATA, DIGITS, ask, at, lab, pid_of, stream, torn_down, up, wait

NODES, ASKER, OTHER = 5, 1, 2
MODEL = f"{DATA}/digits.onnx"
WORDS = ["infer", MODEL, DIGITS, "--coded", "all"]


def state_of(seen_by, name):
    return next(p["state"] for p in ask(seen_by, "peers")["peers"] if p["name"] == name)


def link(state):
    lab_id = json.loads(lab("list", "--json"))["id"]
    subprocess.run(["ip", "link", "set", f"cvy{lab_id}-{ASKER}", state], check=True)


def cut_off():
    link("down")
    wait("all others gone", lambda: all(state_of(ASKER, f"node{other}") != "alive"
                                        for other in range(2, NODES + 1)))
    link("up")


def stop():
    pid = pid_of(ASKER)
    os.kill(pid, signal.SIGSTOP)
    try:
        wait("taken for dead", lambda: state_of(OTHER, f"node{ASKER}") != "alive")
    finally:
        os.kill(pid, signal.SIGCONT)


def together():
    wait("requests over all devices", lambda: ask(
        ASKER, *WORDS, "--limit", "1")["devices"] == NODES)


def streams(classes, loses_it, pool):
    """As many as it takes until it was lost and is back; the first request comes before."""
    lost, over = [], False
    while not over:
        over = any(done.done() for done in lost)
        lines = stream(at(ASKER, *WORDS, "--stream"),
                       lambda count: lost or lost.append(pool.submit(loses_it)))
        assert len(lines) == len(classes), f"{len(lines)} answers of {len(classes)}"
        for i, line in enumerate(lines):
            assert "error" not in line, f"digit {i} is lost: {line}"
            assert line["argmax"] == classes[i], f"digit {i} is answered wrongly"
        print(f"{loses_it.__name__}: {len(lines)} answers, slowest "
              f"{max(line['elapsed_ms'] for line in lines):.1f} ms", flush=True)
    lost[0].result()


with torn_down(NODES), ThreadPoolExecutor() as threads:
    up(NODES, mode="netns")
    right = [line["argmax"] for line in stream([COVEY, *WORDS, "--local", "--stream"])]
    for loses_it in (cut_off, stop):
        together()
        streams(right, loses_it, threads)
    together()
