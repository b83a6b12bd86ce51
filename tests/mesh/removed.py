#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sessions of a model that is removed close at every node that has one, and so does a session that
is stopped: all devices give up what they held for it, so that there is room for another model's
slices, and what was asked before is answered."""
import subprocess

from lab_common import (COVEY, DATA, DIGITS, ask, at, base, difference, lab, read_tensor, run,
                        torn_down, up, wait, write_tensor)

# Of these the small ones have room for their slices of one model, not of two.
NODES, SMALL, LARGE = 4, 4000000, 1000000000
STORES = (LARGE, LARGE, SMALL, SMALL)


def infer(node, model, *options):
    out = f"{base}/got{node}.npy"
    run(at(node, "infer", model, f"{base}/in.npy", *options, "--output", out))
    assert difference(read_tensor(out), right[model]) <= 1e-4, model


def held_by_all(model):
    """Every device has its slices of it."""
    infer(1, model, "--coded", "all")
    lab("wait", "--wait", "60")
    devices = ask(1, "plan", model, "--coded", "all")["devices"]
    held = {d["name"]: d["weights_bytes"] for d in devices}
    print(model, held, flush=True)
    assert all(SMALL / 2 < held[f"node{node}"] < SMALL for node in (3, 4)), held
    infer(1, model, "--coded", "all")


def sessions(node):
    return [s for s in ask(node, "sessions")["sessions"] if s["state"] in ("open", "ending")]


def none_left(*nodes):
    wait("all sessions closed", lambda: not any(sessions(node) for node in nodes), 20)


def stop_in_the_middle():
    """Of many inputs all are answered, although the session that they began in is stopped."""
    words = [f"{DATA}/digits.onnx", DIGITS, "--coded", "all", "--output"]
    run([COVEY, "infer", f"{DATA}/digits.onnx", DIGITS, "--local", "--output",
         f"{base}/digits.npy"])
    busy = subprocess.Popen(at(1, "infer", *words, f"{base}/busy.npy"), stdout=subprocess.DEVNULL)
    first = wait("requests under way",
                 lambda: next((s for s in sessions(1) if s["requests"] > 0), None))
    run(at(1, "session", "stop", first["id"]))
    wait("the stopped session closed",
         lambda: first["id"] not in [s["id"] for s in sessions(1)])
    assert busy.wait(timeout=300) == 0
    assert difference(read_tensor(f"{base}/busy.npy"), read_tensor(f"{base}/digits.npy")) <= 1e-4


with torn_down(NODES):
    write_tensor(f"{base}/in.npy", (1, 1, 28, 28), ((i * 37 % 101) / 101 for i in range(784)))
    right = {}
    for seed, model in enumerate(("first", "second"), 1):
        run([COVEY, "model", "build", "mlp", "--input", "1x28x28", "--classes", "10", "--depth",
             "3", "--units", "1024", "--seed", str(seed), "--out", f"{base}/{model}.onnx"])
        run([COVEY, "infer", f"{base}/{model}.onnx", f"{base}/in.npy", "--local", "--output",
             f"{base}/local.npy"])
        right[model] = read_tensor(f"{base}/local.npy")
    up(NODES, "--store", ",".join(map(str, STORES)))
    run(at(1, "model", "add", f"{base}/first.onnx", "--name", "first"))
    infer(2, "first", "--devices", "1")
    held_by_all("first")
    assert sessions(1) and sessions(2)

    run(at(1, "model", "remove", "first"))
    none_left(1, 2)
    run(at(1, "model", "add", f"{base}/second.onnx", "--name", "second"))
    held_by_all("second")

    said = run(at(1, "session", "stop", sessions(1)[0]["id"]))
    assert "stopped" in said, said
    none_left(1)
    run(at(1, "model", "add", f"{base}/first.onnx", "--name", "again"))
    right["again"] = right["first"]
    held_by_all("again")
    stop_in_the_middle()
