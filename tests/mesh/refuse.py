#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a device has no room for it refuses at once, and plans heed that: two sessions share a store
that is too small for both, and an owner's own store has no room for what it makes for others. Each
time all sessions can soon lose another device for nothing, and its answer is right then."""
import re
import sys

from lab_common import (COVEY, ask, at, base, difference, down, kill, lab, lab_dir, read,
                        read_tensor, run, torn_down, up, write_tensor)

SMALL, LARGE = 1000000, 1000000000
SOON = "60"  # of `lab wait`; it used to take longer than two minutes, or for ever


def make_models():
    write_tensor(f"{base}/in.npy", (1, 1, 28, 28), ((i * 37 % 101) / 101 for i in range(784)))
    for seed, model in enumerate(right, 1):
        run([COVEY, "model", "build", "mlp", "--input", "1x28x28", "--classes", "10", "--depth",
             "3", "--units", "1024", "--seed", str(seed), "--out", f"{base}/{model}.onnx"])
        run([COVEY, "infer", f"{base}/{model}.onnx", f"{base}/in.npy", "--local", "--output",
             f"{base}/local.npy"])
        right[model] = read_tensor(f"{base}/local.npy")


def add(model):
    run(at(1, "model", "add", f"{base}/{model}.onnx", "--name", model))


def infer(model):
    """How many devices had a part of it."""
    document = ask(1, "infer", model, f"{base}/in.npy", "--coded", "all", "--output",
                   f"{base}/got.npy")
    assert difference(read_tensor(f"{base}/got.npy"), right[model]) <= 1e-4, model
    return document["devices"]


def fetched(node):
    peers = ask(node, "peers")
    return peers["fetched_from_owners"] + peers["fetched_from_others"]


def log_of(node):
    return read(f"{lab_dir}/node{node}.log").decode(errors="replace")


def given(model):
    """How many bytes of it the third device has by the plan that is shown."""
    devices = ask(1, "plan", model, "--coded", "all")["devices"]
    return next(d["weights_bytes"] for d in devices if d["name"] == "node3")


def two_sessions():
    """The third of four devices has no room for its part of the second session."""
    up(4, "--store", f"{LARGE},{LARGE},{SMALL},{LARGE}")
    for model in right:
        add(model)
        infer(model)
        lab("wait", "--wait", SOON)
        assert infer(model) > 2, model
    assert log_of(3).count("node1 asks for more than has room here") == 1, log_of(3)
    assert log_of(1).count("node3 refuses its part of a session") == 1, log_of(1)
    room = int(re.search(r"it has room for (\d+) bytes", log_of(1))[1])
    assert given("second") <= room < SMALL, (given("second"), room)
    # More than it has room for where rates that were measured meanwhile moved a plan.
    assert fetched(3) > SMALL // 2
    kill(2)
    for model in right:
        infer(model)


def owners_store(store):
    """The first of four has room for what it keeps, but for few of its parities, or none."""
    up(4, "--store", f"{store},{LARGE},{LARGE},{LARGE}")
    add("first")
    infer("first")
    lab("wait", "--wait", SOON)
    assert infer("first") > 2  # it was alone where it could make no plan
    kill(2)
    infer("first")


with torn_down(4):
    right = {"first": None, "second": None}
    make_models()
    parts = {"sessions": two_sessions, "few": lambda: owners_store(SMALL // 4),
             "none": lambda: owners_store(1000)}
    for name in sys.argv[1:] or parts:
        parts[name]()
        print(name, "done", flush=True)
        down()
