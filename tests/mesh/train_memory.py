#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trainings keep to --memory: a node with no room for one refuses it with one line and goes on, as
the owner and as a worker, where others train without it; sessions that nobody uses make room, and
so does a training that ends, also for one that waits for it."""
import json
import math
import os

from lab_common import (COVEY, DIGITS, ask, at, base, lab_dir, labs_nodes, read, run, torn_down, up,
                        train, wait, write_tensor)

MEMORY = 40000000  # of node 3
PROGRAM = 20000000  # of usual size; with sanitizers it is several times that
TRAINED = 20  # bytes for each parameter: the model, its values, gradient and two moments
WORDS = ["train", "--data", DIGITS, "--model", "mlp", "--out", f"{base}/out.onnx"]


def units(parameters):
    """Of an mlp of 8 x 8 digits with three layers of so many units: 2 u^2 + 77 u + 10."""
    return int((math.sqrt(77 ** 2 + 8 * parameters) - 77) / 4)


def status(what):
    """Of node 3, bytes."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith(what + ":"))


def refused(text, *options):
    said = run(at(3, *WORDS, *options), 1)
    assert text in said and "(coveyd --memory)" in said and said.count("\n") == 1, said


def seen(name, what):
    """Of a training at node 3."""
    wait(name, lambda: what(ask(3, "session", "show", name)))


def one_after_the_other(units):
    """There is no room for both."""
    words = [*WORDS[:-2], "--units", str(units), "--detach"]
    run(at(3, *words, "--epochs", "10000", "--name", "first"))
    seen("first", lambda s: s["total_steps"] > 0)
    run(at(3, *words, "--epochs", "1", "--name", "second"))
    run(at(3, "session", "stop", "first"))
    seen("second", lambda s: s["state"] == "done")


def closed():
    """Whether node 3 has no session but trainings."""
    return all(s.get("training") for s in ask(3, "sessions")["sessions"])


with torn_down(3):
    up(3, "--memory", f"1000000000,1000000000,{MEMORY}")
    pid = labs_nodes()[2]["pid"]
    usual = status("VmRSS") < PROGRAM
    room = next(p["memory_bytes"] for p in ask(3, "peers")["peers"] if p["name"] == "node3")
    large, fits = units(3 * room / TRAINED), units(0.6 * room / TRAINED)
    print(f"{room:.0f} bytes are left to node 3: {large} and {fits} units", flush=True)

    refused("no memory for this training", "--units", str(large))
    refused("no memory for gradients over the mesh", "--units", str(fits), "--mode", "data")
    run(at(3, *WORDS, "--units", "16", "--epochs", "1"))

    words = [*WORDS, "--units", str(large), "--epochs", "1", "--mode", "data", "--json"]
    report = json.loads(train(1, words, "beside"))
    assert report["mesh"]["mode"] == "data" and report["mesh"]["rounds"]["answers"] > 0, report
    log = read(f"{lab_dir}/node3.log").decode()
    assert "node1 trains without this device: no memory for gradients of a training" in log, log

    idle = units(0.6 * room / 4)
    run([COVEY, "model", "build", "mlp", "--input", "1x8x8", "--classes", "10", "--units",
         str(idle), "--seed", "1", "--out", f"{base}/idle.onnx"])
    write_tensor(f"{base}/in.npy", (1, 1, 8, 8), ((i * 37 % 101) / 101 for i in range(64)))
    run(at(3, "model", "add", f"{base}/idle.onnx", "--name", "idle"))
    run(at(3, "infer", "idle", f"{base}/in.npy", "--devices", "1"))
    assert not closed()
    os.remove(f"{base}/out.onnx")
    run(at(3, *WORDS, "--units", str(fits), "--epochs", "1"))
    assert closed() and os.path.exists(f"{base}/out.onnx")
    one_after_the_other(fits)
    most = status("VmHWM")
    print(f"node 3 took {most} bytes at most", flush=True)
    assert not usual or most <= MEMORY, most
