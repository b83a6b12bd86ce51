#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A node is lost at some moment while requests stream: usage losses.py kill|freeze|cut ROUNDS.

No request is lost, none is answered wrongly, and the one that was hit takes hardly longer. Each
round loses another node than the one that is asked, at another moment, and brings it back.
"""
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time

from lab_common import COVEY, DATA, DIGITS, at, lab, sanitized, stream, torn_down, up

NODES = 5
LIMIT = 250
MODEL = f"{DATA}/digits.onnx"

way, rounds = sys.argv[1], int(sys.argv[2])
seed = int(os.environ.get("COVEY_SEED", time.time_ns() % 10**6))
rng = random.Random(seed)
print(f"COVEY_SEED={seed}")


def nodes():
    return json.loads(lab("list", "--json"))


def lose(known, node):
    """Without another program's start in between, which would take longer than a request."""
    if way == "cut":
        link = f"cvy{known['id']}-{node}"
        subprocess.run(["ip", "link", "set", link, "down"], check=True)
    else:
        number = signal.SIGKILL if way == "kill" else signal.SIGSTOP
        os.kill(known["nodes"][node - 1]["pid"], number)


def bring_back(known, node):
    if way == "cut":
        subprocess.run(["ip", "link", "set", f"cvy{known['id']}-{node}", "up"], check=True)
    else:
        lab("restart" if way == "kill" else "thaw", str(node))


def local_classes():
    lines = stream([COVEY, "infer", MODEL, DIGITS, "--local", "--stream", "--limit", str(LIMIT)])
    return [line["argmax"] for line in lines]


def answers(lose_at=None, node=None):
    """Streams the digits; loses `node` at some moment of a request after answer `lose_at`. The
    lines, and the time of the loss."""
    known = nodes()
    lost_at = []

    def lose_soon():
        time.sleep(rng.random() * 0.004)
        lost_at.append(time.monotonic())
        lose(known, node)

    thread = threading.Thread(target=lose_soon)
    lines = stream(at(1, "infer", MODEL, DIGITS, "--stream", "--limit", str(LIMIT), "--coded",
                      "all"), lambda count: thread.start() if count == lose_at else None)
    if lose_at:
        thread.join()
    return lines, lost_at[0] if lose_at else None


def check(lines, classes):
    assert len(lines) == LIMIT, f"{len(lines)} answers of {LIMIT}"
    for i, line in enumerate(lines):
        assert "error" not in line, f"digit {i} is lost: {line}"
        assert line["argmax"] == classes[i], f"digit {i} is answered wrongly"


def lose_them():
    classes = local_classes()
    steady, hit, dead = [], [], 0
    for number in range(rounds):
        lines, _ = answers()
        check(lines, classes)
        steady += [line["elapsed_ms"] for line in lines[20:]]
        node = rng.randint(2, NODES)
        lines, lost_at = answers(rng.randint(30, 60), node)
        check(lines, classes)
        # Hit: the request in flight, and the next, which is sent before anything is known.
        after = [line["elapsed_ms"] for line in lines if line["at"] >= lost_at][:2]
        hit += after
        dead += sum(line["recovered_dead"] + line["recovered_late"] for line in lines)
        print(f"{number}: {way} node{node}: {after} ms", flush=True)
        bring_back(nodes(), node)
        lab("wait", "--wait", "120")
    # Where this machine is busy, no later than one in twenty of those that nothing hit. With
    # sanitizers the end of a process, and making up for it, take tens of milliseconds of it.
    usual, late = statistics.median(steady), statistics.quantiles(steady, n=20)[-1]
    limit = max(4 * usual + 30 if sanitized else 1.5 * usual + 5, late)
    print(f"steady median {usual:.2f} ms, hit median {statistics.median(hit):.2f} ms, allowed "
          f"{limit:.2f} ms, {dead} units recovered")
    assert dead > 0
    assert statistics.median(hit) <= limit


with torn_down(NODES):
    up(NODES, mode="netns" if way == "cut" else "loopback")
    lose_them()
