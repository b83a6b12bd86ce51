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
import tempfile
import threading
import time

from lab_end import torn_down

NODES = 5
DIGITS = 250
COVEY = os.environ["COVEY"]
DATA = os.environ["COVEY_DEMO_DATA"]
MODEL = f"{DATA}/digits.onnx"
DIGITS_SPEC = f"digits:{DATA}/digits.csv.gz"

way, rounds = sys.argv[1], int(sys.argv[2])
seed = int(os.environ.get("COVEY_SEED", time.time_ns() % 10**6))
rng = random.Random(seed)
print(f"COVEY_SEED={seed}")
base = tempfile.mkdtemp(prefix="covey-test-")
lab_dir = f"{base}/lab"


def lab(*args):
    subprocess.run([COVEY, "lab", *args, "--dir", lab_dir], check=True, timeout=90,
                   stdout=subprocess.DEVNULL)


def nodes():
    text = subprocess.run([COVEY, "lab", "list", "--json", "--dir", lab_dir], check=True,
                          stdout=subprocess.PIPE).stdout
    return json.loads(text)


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


def stream(command):
    """Runs a streaming command; its lines as they come, each with the time of its arrival."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        yield time.monotonic(), json.loads(line)
    assert process.wait() == 0, "the stream ended with an error"


def local_classes():
    lines = stream([COVEY, "infer", MODEL, DIGITS_SPEC, "--local", "--stream", "--limit",
                    str(DIGITS)])
    return [line["argmax"] for _, line in lines]


def answers(lose_at=None, node=None):
    """Streams the digits; loses `node` at some moment of a request after answer `lose_at`. The
    lines with the time of their arrival, and the time of the loss."""
    command = [COVEY, "lab", "run", "1", "--dir", lab_dir, "--", "infer", MODEL, DIGITS_SPEC,
               "--stream", "--limit", str(DIGITS), "--coded", "all"]
    known = nodes()
    lost_at = []

    def lose_soon():
        time.sleep(rng.random() * 0.004)
        lost_at.append(time.monotonic())
        lose(known, node)

    thread = threading.Thread(target=lose_soon)
    out = []
    for now, line in stream(command):
        out.append((now, line))
        if len(out) == lose_at:
            thread.start()
    if lose_at:
        thread.join()
    return out, lost_at[0] if lost_at else None


def check(out, classes):
    assert len(out) == DIGITS, f"{len(out)} answers of {DIGITS}"
    for i, (_, line) in enumerate(out):
        assert "error" not in line, f"digit {i} is lost: {line}"
        assert line["argmax"] == classes[i], f"digit {i} is answered wrongly"


def run():
    classes = local_classes()
    steady, hit, dead = [], [], 0
    for number in range(rounds):
        out, _ = answers()
        check(out, classes)
        steady += [line["elapsed_ms"] for _, line in out[20:]]
        node = rng.randint(2, NODES)
        out, lost_at = answers(rng.randint(30, 60), node)
        check(out, classes)
        # Hit: the request in flight, and the next, which is sent before anything is known.
        after = [line["elapsed_ms"] for now, line in out if now >= lost_at][:2]
        hit += after
        dead += sum(line["recovered_dead"] + line["recovered_late"] for _, line in out)
        print(f"{number}: {way} node{node}: {after} ms", flush=True)
        bring_back(nodes(), node)
        lab("wait", "--wait", "60")
    limit = 1.5 * statistics.median(steady) + 5
    print(f"steady median {statistics.median(steady):.2f} ms, hit median "
          f"{statistics.median(hit):.2f} ms, allowed {limit:.2f} ms, {dead} units recovered")
    assert dead > 0
    assert statistics.median(hit) <= limit


mode = "loopback"
if way == "cut":
    mode = "netns"
    if os.geteuid() != 0:
        print("needs root: skipped")
        sys.exit(77)
up = subprocess.run([COVEY, "lab", "up", "--devices", str(NODES), "--mode", mode, "--wait", "60",
                     "--dir", lab_dir], capture_output=True, text=True)
with torn_down(lab_dir, base, NODES):
    if up.returncode != 0:
        print(up.stderr)
        sys.exit(77 if "namespaces cannot be made here" in up.stderr else 1)
    run()
