#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Devices whose stores are smaller than their share of a model: a plan gives them what they can
keep, every answer is right, and no weights travel that a store must refuse, those of a session
that it has no room for beside another least of all."""
from lab_common import (COVEY, ask, at, base, difference, lab, lab_dir, read, read_tensor, run,
                        torn_down, up, wait, write_tensor)

NODES, SMALL, STORE, LARGE = 4, 3, 1000000, 1000000000
MOST = STORE - STORE // 16  # of others' slices
REFUSALS = (b"no room", b"could not be stored", b"is refused")


def infer(model):
    run(at(1, "infer", model, f"{base}/in.npy", "--coded", "all", "--output", f"{base}/got.npy"))
    assert difference(read_tensor(f"{base}/got.npy"), right[model]) <= 1e-4, model


def fetched(node):
    peers = ask(node, "peers")
    return peers["fetched_from_owners"] + peers["fetched_from_others"]


with torn_down(NODES):
    write_tensor(f"{base}/in.npy", (1, 1, 28, 28), ((i * 37 % 101) / 101 for i in range(784)))
    right = {}
    for seed, model in enumerate(("first", "second")):
        run([COVEY, "model", "build", "mlp", "--input", "1x28x28", "--classes", "10", "--depth",
             "3", "--units", "1024", "--seed", str(seed + 1), "--out", f"{base}/{model}.onnx"])
        run([COVEY, "infer", f"{base}/{model}.onnx", f"{base}/in.npy", "--local", "--output",
             f"{base}/local.npy"])
        right[model] = read_tensor(f"{base}/local.npy")
    stores = [str(STORE if node == SMALL else LARGE) for node in range(1, NODES + 1)]
    up(NODES, "--store", ",".join(stores))
    run(at(1, "model", "add", f"{base}/first.onnx", "--name", "first"))
    infer("first")
    lab("wait", "--wait", "120")
    infer("first")
    held = {d["name"]: d["weights_bytes"]
            for d in ask(1, "plan", "first", "--coded", "all")["devices"]}
    print("held:", held, flush=True)
    assert MOST // 2 < held[f"node{SMALL}"] <= MOST and held["node2"] > 2 * MOST, held
    assert fetched(SMALL) > 0
    before = fetched(2)

    run(at(1, "model", "add", f"{base}/second.onnx", "--name", "second"))
    infer("second")
    wait("the second model's weights at another", lambda: fetched(2) > before + 2 * MOST)
    infer("second")
    said = read(f"{lab_dir}/node{SMALL}.log")
    assert not any(refusal in said for refusal in REFUSALS), said
