#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Batches run over a mesh as one request each and give, row for row, what one process gives alone;
also while a device is killed among them.

The digits' MLP and, with COVEY_DATA, a CNN over MNIST; without, one with random weights.
"""
import os
import random
import subprocess

from lab_common import (COVEY, DATA, DIGITS, SHARED, ask, at, base, difference, kill, lab, lab_dir,
                        read_tensor, run, stream, torn_down, up, wait, write_tensor)

BATCH = 4
LIMIT = 160
WORST = 1e-4  # relative


def networks():
    mnist = f"{SHARED}/data/models/zoo-mnist-8/model.onnx"
    yield f"{DATA}/digits.onnx", DIGITS
    if os.path.exists(mnist):
        yield mnist, f"mnist:{SHARED}/data/mnist"
    yield build("lenet5"), tensor(40)


def build(name):
    path = f"{base}/{name}.onnx"
    run([COVEY, "model", "build", name, "--input", "1x28x28", "--classes", "10", "--seed", "1",
         "--out", path])
    return path


def tensor(rows):
    """Random pictures."""
    rng = random.Random(rows)
    return write_tensor(f"{base}/{rows}.npy", (rows, 1, 28, 28),
                        (rng.random() for _ in range(rows * 28 * 28)))


def compare(single, mesh):
    assert len(single) == len(mesh), (len(single), len(mesh))
    for a, b in zip(single, mesh):
        assert a["index"] == b["index"] and a["label"] == b["label"]
    worst = max(difference(b["outputs"], a["outputs"]) for a, b in zip(single, mesh))
    assert worst < WORST, worst
    return worst


def settle():
    """A while, until the sessions that are open have plans over all devices. Small models may keep
    plans over fewer of them: nothing below counts on all."""
    subprocess.run([COVEY, "lab", "wait", "--dir", lab_dir, "--wait", "5"], check=False,
                   capture_output=True)


def check_stream(model, inputs, node):
    """All layers coded, as in requests of one input; `node` is lost among the answers."""
    words = ["infer", model, inputs, "--limit", str(LIMIT), "--stream"]
    single = stream([COVEY, *words, "--local"])
    batches = at(1, *words, "--batch", str(BATCH), "--coded", "all")
    stream(batches)
    settle()
    mesh = stream(batches, lambda count: kill(node) if count == len(single) // 2 else None)
    worst = compare(single, mesh)
    lab("restart", str(node))
    settle()
    print(f"{os.path.basename(model)}: {len(mesh)} answers, largest difference {worst:.2g}")


def check_tensor(model, rows, options, requests):
    """A tensor is one request; --batch says otherwise. Names the batch and how often it asked."""
    x, out, local = tensor(rows), f"{base}/out.npy", f"{base}/local.npy"

    def over_devices():  # a first request may run here alone
        report = ask(1, "infer", model, x, *options, "--coded", "all", "--trace", "--output", out)
        return report if report["devices"] > 1 else None

    report = wait("an answer of several devices", over_devices)
    run([COVEY, "infer", model, x, "--local", "--output", local])
    assert report["requests"] == requests and report["answers"] == rows, report
    assert any(layer["mode"] == "coded" for layer in report["layers"])
    right = read_tensor(local)
    assert len(right) == rows * 10 and difference(read_tensor(out), right) < WORST


def check_too_large(model):
    done = subprocess.run(at(1, "infer", model, tensor(4), "--batch", "257"), capture_output=True,
                          text=True)
    assert done.returncode != 0 and len(done.stderr.splitlines()) == 1, done.stderr


with torn_down():
    up(4)
    for i, (model, inputs) in enumerate(networks()):
        check_stream(model, inputs, 2 + i % 3)
    mlp = build("mlp")
    check_tensor(mlp, 4, [], 1)
    check_tensor(mlp, 5, ["--batch", "2"], 3)
    check_tensor(build("lenet5"), 7, [], 1)
    check_tensor(build("vgg8"), 4, [], 1)
    check_too_large(mlp)
