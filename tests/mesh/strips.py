#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A convolutional network, by default in strips that two devices make each: a lying device is named
within the request in which it lies, no other is, and every answer is that of one device."""
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import onnx_file as onnx

NODES, LIAR, LAYERS, CHANNELS, SIDE, REQUESTS = 4, 4, 5, 256, 32, 15
COVEY = os.environ["COVEY"]
rng = random.Random(int(os.environ.get("COVEY_SEED", 7)))
base = tempfile.mkdtemp(prefix="covey-test-")
lab_dir = f"{base}/lab"


def weights(name, dims):
    count, inputs = 1, 1
    for i, d in enumerate(dims):
        count *= d
        inputs *= d if i > 0 else 1
    scale = (3 / inputs) ** 0.5
    return onnx.tensor(name, onnx.FLOAT, dims, [rng.uniform(-scale, scale) for _ in range(count)])


def network():
    """Convolutions of 3 x 3 with Relu between, then a mean of each channel and a dense layer."""
    parts, last, channels = [], "x", 3
    for i in range(LAYERS):
        step = 2 if i == LAYERS - 1 else 1
        parts += [onnx.node("Conv", [last, f"w{i}"], [f"c{i}"], kernel_shape=[3, 3],
                            pads=[1, 1, 1, 1], strides=[step, step]),
                  onnx.node("Relu", [f"c{i}"], [f"r{i}"]),
                  weights(f"w{i}", [CHANNELS, channels, 3, 3])]
        last, channels = f"r{i}", CHANNELS
    return onnx.model(parts + [
        onnx.node("MaxPool", [last], ["most"], kernel_shape=[4, 4], strides=[4, 4]),
        onnx.node("GlobalAveragePool", ["most"], ["mean"]), onnx.node("Flatten", ["mean"], ["flat"]),
        onnx.node("MatMul", ["flat", "wd"], ["y"]), weights("wd", [CHANNELS, 10]),
        onnx.value(11, "x", [1, 3, SIDE, SIDE]), onnx.value(12, "y", [1, 10])])


def write_input(path):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, {SIDE}, {SIDE}), }}"
    head += " " * (-(10 + len(head) + 1) % 64) + "\n"
    numbers = [rng.uniform(-1, 1) for _ in range(3 * SIDE * SIDE)]
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        out.write(struct.pack(f"<{len(numbers)}f", *numbers))


def covey(*words):
    return subprocess.run([COVEY, *words], check=True, timeout=120, stdout=subprocess.PIPE).stdout


def at_node(*words):
    return covey("lab", "run", "1", "--dir", lab_dir, "--", *words, "--json")


def is_right(outputs, right):
    return max(abs(a - b) for a, b in zip(outputs, right)) < 1e-4 * max(map(abs, right))


def strips_of(model, *options):
    """The runs of the plan, once there are any: rates are measured in the mesh's first seconds."""
    end = time.monotonic() + 20
    while True:
        runs = json.loads(at_node("plan", model, *options))["runs"]
        if runs or time.monotonic() > end:
            return runs
        time.sleep(0.5)


def in_strips(document):
    return any(layer["mode"] == "tiles" and layer["units"] > 1 for layer in document["layers"])


def check(model, picture, right, liar):
    """Until REQUESTS were in strips. Which of them named the liar, and how many there were."""
    named_at = None
    strips = 0
    end = time.monotonic() + 60
    while strips < REQUESTS and time.monotonic() < end:
        document = json.loads(at_node("infer", model, picture, "--check", "all", "--trace",
                                      "--timeout", "100"))
        # Until the plan is ready the node that is asked computes all of it.
        assert document["checked"] or document["devices"] == 1, document
        assert is_right(document["outputs"], right), f"a wrong answer: {document}"
        strips += in_strips(document)
        if document["wrong"]:
            assert named_at is None and document["wrong"] == [liar], document
            named_at = strips
    return named_at, strips


try:
    model, picture = f"{base}/net.onnx", f"{base}/x.npy"
    with open(model, "wb") as out:
        out.write(network())
    write_input(picture)
    right = json.loads(covey("infer", model, picture, "--local", "--json"))["outputs"]
    # Paced devices are as fast as they say, whatever else this machine does.
    covey("lab", "up", "--devices", str(NODES), "--dir", lab_dir, "--mode", "loopback", "--cpu",
          "10", "--wait", "60")
    at_node("model", "add", model, "--name", "net")
    runs = strips_of("net", "--check", "all")
    if not runs:
        print("strips gain nothing with this build on this machine: skipped")
        sys.exit(77)
    assert all(run["twice"] for run in runs), runs
    once = strips_of("net")
    assert once and not any(run["twice"] for run in once), once
    named, strips = check("net", picture, right, None)
    assert named is None and strips > 0, f"node {named} was named, {strips} requests in strips"
    peers = json.loads(at_node("peers"))["peers"]
    liar = next(peer["id"] for peer in peers if peer["name"] == f"node{LIAR}")
    covey("lab", "lie", str(LIAR), "--dir", lab_dir)
    named, strips = check("net", picture, right, liar)
    assert named is not None, "nobody was named"
    print(f"node{LIAR} named in request {named} of {strips} in strips")
finally:
    if os.path.isdir(lab_dir):
        subprocess.run([COVEY, "lab", "down", "--dir", lab_dir], stdout=subprocess.DEVNULL)
    shutil.rmtree(base, ignore_errors=True)
