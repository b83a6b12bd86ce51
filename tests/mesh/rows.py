#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Convolutions split by rows of their output over a mesh: every answer is that of one device.

While nothing happens, while nodes are killed in the middle of a stream, with one and two parities,
and while one lies, which is named.
"""
import os
import random
import signal
import threading

from lab_common import (COVEY, ask, at, base, by_each_device, difference, id_of, lab, pid_of, stream,
                        torn_down, up, wait, write, write_tensor)
import onnx_file as onnx

NODES, INPUTS, REQUESTS, LIAR = 4, 3, 90, 3
seed = int(os.environ.get("COVEY_SEED", 5))
rng = random.Random(seed)
model = f"{base}/net.onnx"


def floats(name, dims, scale):
    count = 1
    for d in dims:
        count *= d
    return onnx.tensor(name, onnx.FLOAT, dims, [rng.uniform(-scale, scale) for _ in range(count)])


def network():
    """Its second and fourth convolution make little of much, so that however fast devices and links
    are rows end sooner than filters. Windows of 1, 3 and 5 rows, steps of 1 and 2."""
    node = onnx.node
    return onnx.model([
        node("Conv", ["x", "w1", "b1"], ["c1"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], ["r1"]),
        node("Conv", ["r1", "w2", "b2"], ["c2"], kernel_shape=[1, 1]),
        node("Conv", ["c2", "w3", "b3"], ["c3"], kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        node("Conv", ["c3", "w4", "b4"], ["c4"], kernel_shape=[1, 1], strides=[2, 2]),
        node("Relu", ["c4"], ["r4"]),
        node("Flatten", ["r4"], ["flat"]),
        node("Gemm", ["flat", "w5", "b5"], ["y"], transB=1),
        floats("w1", [64, 3, 3, 3], 0.2), floats("b1", [64], 0.5),
        floats("w2", [6, 64, 1, 1], 0.2), floats("b2", [6], 0.5),
        floats("w3", [64, 6, 5, 5], 0.1), floats("b3", [64], 0.5),
        floats("w4", [6, 64, 1, 1], 0.2), floats("b4", [6], 0.5),
        floats("w5", [10, 6 * 18 * 18], 0.02), floats("b5", [10], 0.5),
        onnx.value(11, "x", [1, 3, 36, 36]), onnx.value(12, "y", [1, 10])])


def check(line, right):
    assert "error" not in line, f"a request is lost: {line}"
    off = difference(line["outputs"], right)
    assert off <= 1e-5, f"off by {off} (seed {seed}): {line}"


def infer(picture, right, *options):
    document = ask(1, "infer", model, picture, "--coded", "all", *options)
    check(document, right)
    return document


def wait_for_rows(picture, right, *options):
    """Until all devices share it out, two of its layers at least by rows. The first plan may have
    been made before the rates of a device that has come back were known."""
    def by_rows():
        document = infer(picture, right, "--trace", *options)
        modes = [layer["mode"] for layer in document["layers"] if layer["mode"] != "local"]
        return document["devices"] == NODES and len(modes) == 5 and modes.count("rows") >= 2

    wait("two layers by rows over all devices", by_rows)


def kill_in_the_middle(inputs, right, *options):
    """How many blocks of the dead were recovered."""
    node = rng.randint(2, NODES)
    timer = threading.Timer(rng.random() * 0.004, os.kill, (pid_of(node), signal.SIGKILL))
    begin = rng.randint(15, 30)
    lines = stream(at(1, "infer", model, *inputs * (REQUESTS // INPUTS), "--stream", "--coded",
                      "all", *options),
                   lambda count: timer.start() if count == begin else None)
    timer.join()
    assert len(lines) == REQUESTS, f"{len(lines)} answers of {REQUESTS}"
    for i, line in enumerate(lines):
        check(line, right[i % INPUTS])
    recovered = sum(line["recovered_dead"] for line in lines)
    print(f"node{node} killed with {options}: {recovered} of its blocks recovered", flush=True)
    lab("restart", str(node))
    lab("wait", "--wait", "120")
    return recovered


def check_plan():
    """Each device of a group has one block, or their sum."""
    plan = ask(1, "plan", "net", "--coded", "all")
    blocks = [layer for layer in plan["layers"] if layer["mode"] == "rows"]
    assert blocks, plan
    for layer in blocks:
        assert layer["groups"] == 1 and layer["slots"] == layer["units"] + 1, layer
        assert len(set(layer["holders"])) == layer["slots"], layer


def check_liar(picture, right):
    """Without a parity all answers are needed: the first request with one of each device names it.
    """
    def named():
        document = infer(picture, right, "--parity", "0")
        assert document["wrong"] or not by_each_device(document, NODES), document
        return document["wrong"]

    liar = id_of(LIAR)
    wait_for_rows(picture, right, "--parity", "0")
    lab("lie", str(LIAR))
    assert wait("the liar's name", named) == [liar]
    for _ in range(10):
        infer(picture, right, "--parity", "0")


with torn_down(NODES):
    write(model, network())
    pictures = [write_tensor(f"{base}/x{i}.npy", (1, 3, 36, 36),
                             (rng.uniform(-1, 1) for _ in range(3 * 36 * 36)))
                for i in range(INPUTS)]
    answers = [line["outputs"] for line in stream([COVEY, "infer", model, *pictures, "--local",
                                                   "--stream"])]
    up(NODES)
    wait_for_rows(pictures[0], answers[0])
    check_plan()
    rebuilt = kill_in_the_middle(pictures, answers)
    rebuilt += kill_in_the_middle(pictures, answers, "--parity", "2")
    assert rebuilt > 0
    check_liar(pictures[0], answers[0])
