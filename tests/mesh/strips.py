#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A convolutional network in strips. Its front feeds the dense layer behind it, and a device that is
killed meanwhile costs no request. In strips that two devices make each a lying device is named within
the request in which it lies, no other is, and every answer is that of one device."""
import os
import random
import signal
import threading
import time

from lab_common import (COVEY, ask, at, base, difference, id_of, lab, pid_of, read_tensor, run,
                        torn_down, up, wait, write, write_tensor)
import onnx_file as onnx

NODES, LIAR, LOST, LAYERS, CHANNELS, SIDE, UNITS, REQUESTS = 4, 4, 3, 4, 128, 32, 2048, 10
rng = random.Random(int(os.environ.get("COVEY_SEED", 7)))


def weights(name, dims, transposed=False):
    count, inputs = 1, 1
    for i, d in enumerate(dims):
        count *= d
        inputs *= d if i > 0 else 1
    scale = (3 / inputs) ** 0.5
    return onnx.tensor(name, onnx.FLOAT, dims[::-1] if transposed else dims,
                       [rng.uniform(-scale, scale) for _ in range(count)])


def network():
    """Convolutions of 3 x 3 with Relu between, a pooling to 4 x 4, and two dense layers."""
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
        onnx.node("Flatten", ["most"], ["flat"]), onnx.node("MatMul", ["flat", "wd"], ["d"]),
        weights("wd", [UNITS, CHANNELS * 16], transposed=True), onnx.node("Relu", ["d"], ["rd"]),
        onnx.node("MatMul", ["rd", "wy"], ["y"]), weights("wy", [UNITS, 10]),
        onnx.value(11, "x", [1, 3, SIDE, SIDE]), onnx.value(12, "y", [1, 10])])


def infer(*options):
    document = ask(1, "infer", "net", picture, "--trace", "--timeout", "100", *options)
    assert difference(document["outputs"], right) < 1e-4, f"a wrong answer: {document}"
    return document


def plan(*options):
    return ask(1, "plan", "net", *options)


def strips_of(*options):
    """The runs of the plan, once there are any: rates are measured in the mesh's first seconds."""
    return wait("a plan of strips", lambda: plan(*options)["runs"])


def in_strips(document):
    return any(layer["mode"] == "tiles" and layer["units"] > 1 for layer in document["layers"])


def is_fed(document):
    """A layer got its input from those who made it."""
    return any(layer["fed"] for layer in document["layers"])


def check_twice(liar=None):
    """Until REQUESTS were in strips. Which of them named the liar, and how many there were."""
    named_at = None
    strips = 0
    end = time.monotonic() + 120
    while strips < REQUESTS and time.monotonic() < end:
        document = infer("--check", "all")
        # Until the plan is ready the node that is asked computes all of it.
        assert document["checked"] or document["devices"] == 1, document
        strips += in_strips(document)
        if document["wrong"]:
            assert named_at is None and document["wrong"] == [liar], document
            named_at = strips
    return named_at, strips


def honest():
    document = infer()
    assert not document["wrong"], document
    # What stages and the steps between them took is all within the request.
    assert sum(layer["ms"] for layer in document["layers"]) <= document["elapsed_ms"], document
    assert document["devices"] == 1 or document["predicted_ms"] > 0, document
    return document


def is_alive(node):
    return any(p["name"] == f"node{node}" and p["state"] == "alive" for p in ask(1, "peers")["peers"])


def check_feeding():
    """With a device that is killed in the middle of it, and comes back."""
    for _ in range(REQUESTS):
        wait("a fed request", lambda: is_fed(honest()))
    killer = threading.Timer(rng.random(), os.kill, (pid_of(LOST), signal.SIGKILL))
    killer.start()
    wait("requests after a loss", lambda: honest() and not is_alive(LOST))
    killer.join()
    lab("restart", str(LOST))
    lab("wait", "--wait", "120")
    wait("a fed request again", lambda: is_fed(honest()))


with torn_down(NODES):
    model = write(f"{base}/net.onnx", network())
    picture = write_tensor(f"{base}/x.npy", (1, 3, SIDE, SIDE),
                           [rng.uniform(-1, 1) for _ in range(3 * SIDE * SIDE)])
    run([COVEY, "infer", model, picture, "--local", "--output", f"{base}/right.npy"])
    right = read_tensor(f"{base}/right.npy")
    # Paced devices are as fast as they say, whatever else this machine does; the one that is asked
    # is so slow that it gives away all it can.
    up(NODES, "--cpu", "8,24,24,24")
    run(at(1, "model", "add", model, "--name", "net"))
    assert all(run["twice"] for run in strips_of("--check", "all"))
    assert not any(run["twice"] for run in strips_of())
    wait("a plan that feeds a layer", lambda: is_fed(plan()))
    check_feeding()
    named, strips = check_twice()
    assert named is None and strips > 0, f"node {named} was named, {strips} requests in strips"
    liar = id_of(LIAR)
    lab("lie", str(LIAR))
    named, strips = check_twice(liar)
    assert named is not None, "nobody was named"
    print(f"fed, also after a loss; node{LIAR} named in request {named} of {strips} in strips")
