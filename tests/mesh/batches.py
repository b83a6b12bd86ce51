#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Batches run over a mesh as one request each and give, row for row, what one process gives alone;
also while a device is killed among them.

The digits' MLP and, with COVEY_DATA, a CNN over MNIST; without, one with random weights.
"""
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile

from lab_end import torn_down

COVEY = os.environ["COVEY"]
DATA = os.environ["COVEY_DEMO_DATA"]
HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("COVEY_DATA") or os.path.join(HERE, "..", "..", "..", "shared")
BATCH = 4
LIMIT = 160
WORST = 1e-4  # relative
base = tempfile.mkdtemp(prefix="covey-test-")
lab_dir = f"{base}/lab"


def networks():
    mnist = f"{SHARED}/data/models/zoo-mnist-8/model.onnx"
    yield f"{DATA}/digits.onnx", f"digits:{DATA}/digits.csv.gz"
    if os.path.exists(mnist):
        yield mnist, f"mnist:{SHARED}/data/mnist"
    yield build("lenet5"), tensor("images", 40, (1, 28, 28))


def build(name):
    path = f"{base}/{name}.onnx"
    subprocess.run([COVEY, "model", "build", name, "--input", "1x28x28", "--classes", "10",
                    "--seed", "1", "--out", path], check=True, stdout=subprocess.DEVNULL)
    return path


def tensor(name, rows, shape):
    """Random numbers as .npy."""
    rng = random.Random(rows)
    path = f"{base}/{name}-{rows}.npy"
    count = rows * shape[0] * shape[1] * shape[2]
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(rows, *shape)}, }}"
    head += " " * (-(10 + len(head) + 1) % 64) + "\n"
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        out.write(struct.pack(f"<{count}f", *(rng.random() for _ in range(count))))
    return path


def load(path):
    data = open(path, "rb").read()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return struct.unpack(f"<{(len(data) - start) // 4}f", data[start:])


def over_mesh(*arguments):
    return [COVEY, "lab", "run", "1", "--dir", lab_dir, "--", *arguments]


def read(command, on_line=None):
    """Lines of --stream."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = []
    for text in process.stdout:
        lines.append(json.loads(text))
        if on_line is not None:
            on_line(len(lines))
    assert process.wait(timeout=60) == 0, command
    return lines


def compare(single, mesh):
    assert len(single) == len(mesh), (len(single), len(mesh))
    worst = 0.0
    for a, b in zip(single, mesh):
        assert a["index"] == b["index"] and a["label"] == b["label"]
        scale = max(map(abs, a["outputs"]))
        worst = max(worst, max(abs(x - y) for x, y in zip(a["outputs"], b["outputs"])) / scale)
    assert worst < WORST, worst
    return worst


def wait():
    """A while, until the sessions that are open have plans over all devices. Small models may keep
    plans over fewer of them: nothing below counts on all."""
    subprocess.run([COVEY, "lab", "wait", "--dir", lab_dir, "--wait", "5"], check=False,
                   capture_output=True)


def kill(node):
    nodes = json.loads(subprocess.run([COVEY, "lab", "list", "--json", "--dir", lab_dir],
                                      check=True, stdout=subprocess.PIPE).stdout)["nodes"]
    os.kill(nodes[node - 1]["pid"], signal.SIGKILL)


def check_stream(model, inputs, node):
    """All layers coded, as in requests of one input; `node` is lost among the answers."""
    ask = ["infer", model, inputs, "--limit", str(LIMIT), "--stream"]
    single = read([COVEY, *ask, "--local"])
    batches = over_mesh(*ask, "--batch", str(BATCH), "--coded", "all")
    read(batches)
    wait()
    mesh = read(batches, lambda count: kill(node) if count == len(single) // 2 else None)
    worst = compare(single, mesh)
    subprocess.run([COVEY, "lab", "restart", str(node), "--dir", lab_dir], check=True,
                   stdout=subprocess.DEVNULL)
    wait()
    print(f"{os.path.basename(model)}: {len(mesh)} answers, largest difference {worst:.2g}")


def check_tensor(model, rows, options, requests):
    """A tensor is one request; --batch says otherwise. Names the batch and how often it asked."""
    x = tensor("x", rows, (1, 28, 28))
    out = f"{base}/out.npy", f"{base}/local.npy"
    ask = over_mesh("infer", model, x, *options, "--coded", "all", "--trace", "--json",
                    "--output", out[0])
    report = {"devices": 1}
    tries = 0
    while report["devices"] == 1 and tries < 20:  # a first request may run here alone
        text = subprocess.run(ask, check=True, timeout=60, stdout=subprocess.PIPE, text=True).stdout
        report = json.loads(text)
        tries += 1
    subprocess.run([COVEY, "infer", model, x, "--local", "--output", out[1]], check=True,
                   stdout=subprocess.DEVNULL)
    assert report["requests"] == requests, report["requests"]
    assert report["answers"] == rows and report["devices"] > 1
    assert any(layer["mode"] == "coded" for layer in report["layers"])
    a, b = map(load, out)
    assert len(a) == len(b) == rows * 10
    assert max(abs(x - y) for x, y in zip(a, b)) < WORST * max(map(abs, b))


def check_too_large(model):
    done = subprocess.run(over_mesh("infer", model, tensor("x", 4, (1, 28, 28)), "--batch", "257"),
                          capture_output=True, text=True)
    assert done.returncode != 0 and len(done.stderr.splitlines()) == 1, done.stderr


with torn_down(lab_dir, base):
    subprocess.run([COVEY, "lab", "up", "--devices", "4", "--dir", lab_dir, "--mode", "loopback",
                    "--wait", "60"], check=True, stdout=subprocess.DEVNULL)
    for i, (model, inputs) in enumerate(networks()):
        check_stream(model, inputs, 2 + i % 3)
    mlp = build("mlp")
    check_tensor(mlp, 4, [], 1)
    check_tensor(mlp, 5, ["--batch", "2"], 3)
    check_tensor(build("lenet5"), 7, [], 1)
    check_tensor(build("vgg8"), 4, [], 1)
    check_too_large(mlp)
