#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many sessions of several models at devices of little memory: every answer is right, and no device
takes more than its bound, whatever it holds for others and for itself."""
import itertools
import os
import threading

from lab_common import (COVEY, ask, at, base, difference, labs_nodes, read_tensor, run, torn_down, up,
                        write_tensor)

NODES, MEMORY = 3, 44000000
PROGRAM = 20000000  # of usual size; with sanitizers it is several times that
MODELS = {"lenet": ("lenet5",), "narrow": ("mlp", "--depth", "3", "--units", "256"),
          "wide": ("mlp", "--depth", "3", "--units", "768")}


def resident(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def look():
    while not over.wait(0.02):
        for node, pid in pids.items():
            most[node] = max(most[node], resident(pid))


with torn_down(NODES):
    write_tensor(f"{base}/in.npy", (1, 1, 28, 28), ((i * 37 % 101) / 101 for i in range(784)))
    right = {}
    for name, built in MODELS.items():
        file = f"{base}/{name}.onnx"
        run([COVEY, "model", "build", built[0], "--input", "1x28x28", "--classes", "10", "--seed",
             "1", *built[1:], "--out", file])
        run([COVEY, "infer", file, f"{base}/in.npy", "--local", "--output", f"{base}/local.npy"])
        right[name] = read_tensor(f"{base}/local.npy")
    up(NODES, "--memory", str(MEMORY))
    pids = {n["name"]: n["pid"] for n in labs_nodes()}
    usual = all(resident(pid) < PROGRAM for pid in pids.values())
    for name in MODELS:
        run(at(1, "model", "add", f"{base}/{name}.onnx", "--name", name))
    most, over = dict.fromkeys(pids, 0), threading.Event()
    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    ways = itertools.product((1, 2), MODELS, "012", "23", ("auto", "all"))
    for node, name, parity, devices, coded in ways:
        run(at(node, "infer", name, f"{base}/in.npy", "--parity", parity, "--devices", devices,
               "--coded", coded, "--output", f"{base}/got.npy", "--timeout", "120"))
        assert difference(read_tensor(f"{base}/got.npy"), right[name]) <= 1e-4, name
    over.set()
    watcher.join()
    print("most:", most, "sessions:", len(ask(1, "sessions")["sessions"]), flush=True)
    assert not usual or max(most.values()) <= MEMORY, most
