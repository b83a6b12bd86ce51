#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One mesh of devices of this processor and of another: they find one another, answers of coded
layers that both had a part in are those of one process of either, also after a device was killed.
Run by tests/cross/run, within tests/cross/emulated: usage mixed.py BIN OTHER_BIN."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(f"{HERE}/../mesh")
from npy import difference, read_tensor, write_tensor

DATA = os.path.join(HERE, "../../apps/demo-data")
MODEL = f"{DATA}/digits.onnx"
ours, theirs = (os.path.abspath(folder) for folder in sys.argv[1:3])
NODES = {"own1": ours, "own2": ours, "other1": theirs, "other2": theirs}
INPUTS, WAIT_S, BOUND = 60, 120, 1e-4
base = tempfile.mkdtemp(prefix="covey-cross-")


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=300)
    assert done.returncode == 0, f"{command} gave {done.returncode}: {done.stderr}"
    return done.stdout


def covey(name, *words):
    return run(f"{NODES[name]}/covey", "--state", f"{base}/{name}", *words)


def wait(what, ready):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        with contextlib.suppress(AssertionError):
            found = ready()
            if found:
                return found
        time.sleep(0.1)
    raise AssertionError(f"in {WAIT_S} s: not {what}")


def alive(name, count):
    peers = json.loads(covey(name, "peers", "--json"))["peers"]
    return sum(peer["state"] == "alive" for peer in peers) == count


def ask(name, devices):
    """The answers that came of so many devices, all at once."""
    out = f"{base}/{name}.npy"
    document = json.loads(covey(name, "infer", MODEL, f"{base}/in.npy", "--batch", str(INPUTS),
                                "--coded", "all", "--output", out, "--json"))
    return document["devices"] == devices and read_tensor(out)


def check(right, names, devices):
    for name in names:
        numbers = wait(f"{name}: {devices} devices", lambda name=name: ask(name, devices))
        found = difference(numbers, right)
        print(f"{name}, {devices} devices: {found:.2g} from one process")
        assert found < BOUND, (name, found)


def mesh(nodes):
    run(f"{ours}/covey", "mesh", "init", f"{base}/authority", "--name", "mixed")
    for name, folder in NODES.items():
        run(f"{ours}/covey", "mesh", "enrol", f"{base}/authority", "--device", name, "--tier",
            "edge", "--trust", "full", "--out", f"{base}/{name}")
        with open(f"{base}/{name}.log", "wb") as log:
            nodes[name] = subprocess.Popen(
                [f"{folder}/coveyd", "--state", f"{base}/{name}", "--interface", "lo"],
                stdout=log, stderr=log)
    write_tensor(f"{base}/in.npy", (INPUTS, 1, 8, 8),
                 ((i * 7919 % 1000) / 1000 for i in range(INPUTS * 64)))
    single = []
    for folder in (ours, theirs):
        run(f"{folder}/covey", "infer", MODEL, f"{base}/in.npy", "--batch", str(INPUTS), "--local",
            "--output", f"{base}/right.npy")
        single.append(read_tensor(f"{base}/right.npy"))
    assert len(single[0]) == INPUTS * 10, len(single[0])
    found = difference(*single)
    print(f"one process of each: {found:.2g} apart")
    assert found < BOUND, found
    for name in NODES:
        wait(f"{name} sees all", lambda name=name: alive(name, len(NODES)))
    check(single[0], NODES, len(NODES))
    nodes["other2"].kill()
    nodes["other2"].wait()
    rest = [name for name in NODES if name != "other2"]
    for name in rest:
        wait(f"{name} knows of the loss", lambda name=name: alive(name, len(rest)))
    check(single[0], rest, len(rest))
    for name in rest:
        nodes[name].terminate()
        assert nodes[name].wait(timeout=60) == 0, f"{name} did not end cleanly"


started = {}
try:
    mesh(started)
    print("a mesh of both processors answers as one process of either")
except BaseException:
    for node in NODES:
        with contextlib.suppress(OSError), open(f"{base}/{node}.log", encoding="utf-8") as file:
            print(f"--- {node}", file.read()[-2000:], sep="\n")
    raise
finally:
    for process in started.values():
        if process.poll() is None:
            process.kill()
            process.wait()
    shutil.rmtree(base, ignore_errors=True)
