#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A quantised network over a mesh: every answer is that of one device, bit for bit.

While nothing happens, while nodes are killed in the middle of a stream, and while one lies. Its
convolutions and matrix products are ONNX's four of integers, with random bytes.
"""
import os
import random
import signal
import subprocess
import threading

from lab_common import (COVEY, DATA, DIGITS, ask, at, base, lab, pid_of, stream, torn_down,
                        up, wait, write, write_tensor)
import onnx_file as onnx

NODES, INPUTS, ROUNDS, REQUESTS = 4, 5, 3, 120
seed = int(os.environ.get("COVEY_SEED", 11))
rng = random.Random(seed)  # of nodes and moments
numbers = random.Random(11)  # of networks and inputs: those of other seeds may be cut off at a bound


def random_bytes(name, kind, dims):
    count = 1
    for d in dims:
        count *= d
    low = -128 if kind == onnx.INT8 else 0
    return onnx.tensor(name, kind, dims, [numbers.randrange(low, low + 256) for _ in range(count)])


def scalar(name, kind, value):
    return onnx.tensor(name, kind, [], [value])


def network(floats=False):
    """Bytes of one scale, then of scales found while running, between floats; or behind a layer
    of floats."""
    node, tensor = onnx.node, onnx.tensor
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    front = [
        node("Conv", ["x", "wf"], ["xf"], **window),
        tensor("wf", onnx.FLOAT, [32, 3, 3, 3], [numbers.uniform(-0.2, 0.2) for _ in range(864)]),
    ] if floats else []
    channels = 32 if floats else 3
    return onnx.model(front[:1] + [
        node("QuantizeLinear", ["xf" if floats else "x", "s0", "z0"], ["q0"]),
        node("QLinearConv", ["q0", "s0", "z0", "w1", "ws1", "wz1", "s1", "z1", "b1"], ["conv1"],
             **window),
        node("QLinearConv", ["conv1", "s1", "z1", "w2", "ws2", "wz2", "s2", "z1"], ["conv2"],
             strides=[2, 2], **window),
        node("DequantizeLinear", ["conv2", "s2", "z1"], ["d2"]),
        node("DynamicQuantizeLinear", ["d2"], ["q3", "s3", "z3"]),
        node("ConvInteger", ["q3", "w3", "z3"], ["conv3"], strides=[2, 2], **window),
        node("Cast", ["conv3"], ["f3"], to=onnx.FLOAT),
        node("Relu", ["f3"], ["r3"]),
        node("Flatten", ["r3"], ["flat"]),
        node("DynamicQuantizeLinear", ["flat"], ["q4", "s4", "z4"]),
        node("MatMulInteger", ["q4", "w4", "z4", "wz4"], ["dense4"]),
        node("Cast", ["dense4"], ["f4"], to=onnx.FLOAT),
        node("Mul", ["f4", "times"], ["m4"]),
        node("QuantizeLinear", ["m4", "s5", "z1"], ["q5"]),
        node("QLinearMatMul", ["q5", "s5", "z1", "w5", "ws2", "wz2", "s6", "z1"], ["dense5"]),
        node("DequantizeLinear", ["dense5", "s6", "z1"], ["y"]),
        scalar("s0", onnx.FLOAT, 1 / 128), scalar("z0", onnx.UINT8, 3),
        random_bytes("w1", onnx.INT8, [48, channels, 3, 3]), random_bytes("wz1", onnx.INT8, [48]),
        tensor("ws1", onnx.FLOAT, [48], [numbers.uniform(0.01, 0.03) for _ in range(48)]),
        tensor("b1", onnx.INT32, [48], [numbers.randrange(-1000, 1000) for _ in range(48)]),
        scalar("s1", onnx.FLOAT, 0.3), scalar("z1", onnx.UINT8, 128),
        random_bytes("w2", onnx.INT8, [64, 48, 3, 3]), scalar("ws2", onnx.FLOAT, 0.02),
        scalar("wz2", onnx.INT8, 0), scalar("s2", onnx.FLOAT, 3.0),
        random_bytes("w3", onnx.UINT8, [64, 64, 3, 3]),
        random_bytes("w4", onnx.INT8, [64 * 16, 500]), scalar("wz4", onnx.INT8, -7),
        scalar("times", onnx.FLOAT, 1e-5), scalar("s5", onnx.FLOAT, 0.2),
        random_bytes("w5", onnx.INT8, [500, 40]), scalar("s6", onnx.FLOAT, 1.5),
        onnx.value(11, "x", [1, 3, 16, 16]), onnx.value(12, "y", [1, 40])] + front[1:])


def check(lines, right):
    assert len(lines) == REQUESTS, f"{len(lines)} answers of {REQUESTS}"
    for i, line in enumerate(lines):
        assert "error" not in line, f"answer {i} is lost: {line}"
        assert line["outputs"] == right[i % INPUTS], f"answer {i} is another one (seed {seed})"


def requests(model, inputs, *options):
    return at(1, "infer", model, *inputs * (REQUESTS // INPUTS), "--stream", "--coded", "all",
              *options)


def kill_in_the_middle(command, right):
    """How many units of the dead were recovered."""
    node = rng.randint(2, NODES)
    number = rng.randint(20, 40)
    timer = threading.Timer(rng.random() * 0.004, os.kill, (pid_of(node), signal.SIGKILL))
    lines = stream(command, lambda count: timer.start() if count == number else None)
    timer.join()
    check(lines, right)
    recovered = sum(line["recovered_dead"] for line in lines)
    print(f"node{node} killed: {recovered} of its units recovered", flush=True)
    lab("restart", str(node))
    lab("wait", "--wait", "120")
    return recovered


def infer(*words):
    return ask(1, "infer", *words, "--coded", "all")


def modes_of(document):
    return [layer["mode"] for layer in document["layers"]]


def in_layers(*words):
    """Once the plan is ready: until then requests are computed where they are asked."""
    def shared_out():
        document = infer(*words, "--trace")
        return document if "exact" in modes_of(document) else None

    return wait("an answer of several devices", shared_out)


def check_modes(model, one, right):
    """One parity at most, and no float16 that would round sums."""
    for parity in 0, 1, 3:
        document = in_layers(model, one, "--half", "--parity", str(parity))
        layers = [layer for layer in document["layers"] if layer["mode"] == "exact"]
        assert len(layers) == 5, document
        for layer in layers:  # one a group, of which each has a unit
            assert (layer["parity"] > 0) == (parity > 0), document
            assert layer["parity"] <= layer["units"], document
        assert document["checked"] and document["outputs"] == right, document


def refused(*words):
    done = subprocess.run(at(1, "infer", *words), timeout=60, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode != 0 and done.stderr.count("\n") == 1, done
    return done.stderr


def check_exact_only(inputs):
    """--exact shares out layers of integers only, and none of a network without them."""
    model = write(f"{base}/mixed.onnx", network(floats=True))
    right = [line["outputs"] for line in stream([COVEY, "infer", model, *inputs, "--local",
                                                 "--stream"])]
    assert_varied(right)
    modes = modes_of(in_layers(model, inputs[0]))
    assert modes.count("coded") + modes.count("rows") == 1 and modes.count("exact") == 5, modes
    modes = modes_of(in_layers(model, inputs[0], "--exact"))
    assert modes.count("coded") + modes.count("rows") == 0 and modes.count("exact") == 5, modes
    kill_in_the_middle(requests(model, inputs, "--exact"), right)
    assert "no layers of integers" in refused(f"{DATA}/digits.onnx", DIGITS, "--limit", "1",
                                              "--exact")
    assert "--half" in refused(model, inputs[0], "--exact", "--half")


def check_liar(model, one, right):
    """Its first answer names it, by the top bits of some numbers; all are needed without parity."""
    def named():
        document = infer(model, one, "--parity", "0")
        assert document["outputs"] == right, "a lie is believed"
        return document["wrong"]

    lab("lie", "3")
    liars = wait("the liar's name", named)
    assert len(liars) == 1, f"{liars} are said to lie"


def assert_varied(right):
    assert len(right) == INPUTS and all(len(set(y)) > 10 for y in right), right


def check_all():
    model = write(f"{base}/integers.onnx", network())
    inputs = [write_tensor(f"{base}/{i}.npy", (1, 3, 16, 16),
                           [numbers.uniform(-0.02, 1.96) for _ in range(3 * 16 * 16)])
              for i in range(INPUTS)]
    right = [line["outputs"] for line in stream([COVEY, "infer", model, *inputs, "--local",
                                                 "--stream"])]
    assert_varied(right)
    up(NODES)
    check_modes(model, inputs[0], right[0])
    command = requests(model, inputs)
    check(stream(command), right)
    assert sum(kill_in_the_middle(command, right) for _ in range(ROUNDS)) > 0
    check_exact_only(inputs)
    check_liar(model, inputs[0], right[0])


with torn_down(NODES):
    check_all()
