#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A quantised network over a mesh: every answer is that of one device, bit for bit.

While nothing happens, while nodes are killed in the middle of a stream, and while one lies. Its
convolutions and matrix products are ONNX's four of integers, with random bytes.
"""
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

from lab_end import torn_down
import onnx_file as onnx

NODES, INPUTS, ROUNDS, REQUESTS = 4, 5, 3, 120
COVEY = os.environ["COVEY"]
seed = int(os.environ.get("COVEY_SEED", 11))
rng = random.Random(seed)
base = tempfile.mkdtemp(prefix="covey-test-")
lab_dir = f"{base}/lab"


def random_bytes(name, kind, dims):
    count = 1
    for d in dims:
        count *= d
    low = -128 if kind == onnx.INT8 else 0
    return onnx.tensor(name, kind, dims, [rng.randrange(low, low + 256) for _ in range(count)])


def scalar(name, kind, value):
    return onnx.tensor(name, kind, [], [value])


def network(floats=False):
    """Bytes of one scale, then of scales found while running, between floats; or behind a layer
    of floats."""
    node, tensor = onnx.node, onnx.tensor
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    front = [
        node("Conv", ["x", "wf"], ["xf"], **window),
        tensor("wf", onnx.FLOAT, [32, 3, 3, 3], [rng.uniform(-0.2, 0.2) for _ in range(864)]),
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
        tensor("ws1", onnx.FLOAT, [48], [rng.uniform(0.01, 0.03) for _ in range(48)]),
        tensor("b1", onnx.INT32, [48], [rng.randrange(-1000, 1000) for _ in range(48)]),
        scalar("s1", onnx.FLOAT, 0.3), scalar("z1", onnx.UINT8, 128),
        random_bytes("w2", onnx.INT8, [64, 48, 3, 3]), scalar("ws2", onnx.FLOAT, 0.02),
        scalar("wz2", onnx.INT8, 0), scalar("s2", onnx.FLOAT, 3.0),
        random_bytes("w3", onnx.UINT8, [64, 64, 3, 3]),
        random_bytes("w4", onnx.INT8, [64 * 16, 500]), scalar("wz4", onnx.INT8, -7),
        scalar("times", onnx.FLOAT, 1e-5), scalar("s5", onnx.FLOAT, 0.2),
        random_bytes("w5", onnx.INT8, [500, 40]), scalar("s6", onnx.FLOAT, 1.5),
        onnx.value(11, "x", [1, 3, 16, 16]), onnx.value(12, "y", [1, 40])] + front[1:])


def write_input(path):
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 16, 16), }"
    head += " " * (-(10 + len(head) + 1) % 64) + "\n"
    numbers = [rng.uniform(-0.02, 1.96) for _ in range(3 * 16 * 16)]
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        out.write(struct.pack(f"<{len(numbers)}f", *numbers))


def lab(*args):
    return subprocess.run([COVEY, "lab", *args, "--dir", lab_dir], check=True, timeout=90,
                          stdout=subprocess.PIPE).stdout


def at_node(*args):
    return [COVEY, "lab", "run", "1", "--dir", lab_dir, "--", *args]


def stream(command, on_line=lambda count: None):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        on_line(len(lines))
    assert process.wait() == 0, "the stream ended with an error"
    return lines


def check(lines, right):
    assert len(lines) == REQUESTS, f"{len(lines)} answers of {REQUESTS}"
    for i, line in enumerate(lines):
        assert "error" not in line, f"answer {i} is lost: {line}"
        assert line["outputs"] == right[i % INPUTS], f"answer {i} is another one (seed {seed})"


def kill_in_the_middle(ask, right):
    """How many units of the dead were recovered."""
    node = rng.randint(2, NODES)
    pid = json.loads(lab("list", "--json"))["nodes"][node - 1]["pid"]
    at = rng.randint(20, 40)
    timer = threading.Timer(rng.random() * 0.004, os.kill, (pid, signal.SIGKILL))
    lines = stream(ask, lambda count: timer.start() if count == at else None)
    timer.join()
    check(lines, right)
    recovered = sum(line["recovered_dead"] for line in lines)
    print(f"node{node} killed: {recovered} of its units recovered", flush=True)
    lab("restart", str(node))
    lab("wait", "--wait", "80")
    return recovered


def infer(*words):
    text = subprocess.run(at_node("infer", *words, "--json"), check=True, timeout=60,
                          stdout=subprocess.PIPE).stdout
    return json.loads(text)


def check_modes(model, one, right):
    """One parity at most, and no float16 that would round sums."""
    for parity in 0, 1, 3:
        document = infer(model, one, "--coded", "all", "--trace", "--half", "--parity",
                         str(parity))
        layers = [layer for layer in document["layers"] if layer["mode"] == "exact"]
        assert len(layers) == 5, document
        for layer in layers:  # one a group, of which each has a unit
            assert (layer["parity"] > 0) == (parity > 0), document
            assert layer["parity"] <= layer["units"], document
        assert document["checked"] and document["outputs"] == right, document


def refused(*words):
    done = subprocess.run(at_node("infer", *words), timeout=60, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode != 0 and done.stderr.count("\n") == 1, done
    return done.stderr


def modes_of(model, one, *options):
    """Once the plan is ready: until then requests are computed where they are asked."""
    end = time.monotonic() + 60
    while True:
        document = infer(model, one, "--coded", "all", "--trace", *options)
        modes = [layer["mode"] for layer in document["layers"]]
        if "exact" in modes or time.monotonic() > end:
            return modes


def check_exact_only(inputs):
    """--exact shares out layers of integers only, and none of a network without them."""
    model = f"{base}/mixed.onnx"
    with open(model, "wb") as out:
        out.write(network(floats=True))
    right = [line["outputs"] for line in stream([COVEY, "infer", model, *inputs, "--local",
                                                 "--stream"])]
    modes = modes_of(model, inputs[0])
    assert modes.count("coded") == 1 and modes.count("exact") == 5, modes
    modes = modes_of(model, inputs[0], "--exact")
    assert modes.count("coded") == 0 and modes.count("exact") == 5, modes
    ask = at_node("infer", model, *inputs * (REQUESTS // INPUTS), "--stream", "--coded", "all",
                  "--exact")
    kill_in_the_middle(ask, right)
    digits = os.path.join(os.environ["COVEY_DEMO_DATA"], "digits")
    assert "no layers of integers" in refused(f"{digits}.onnx", f"digits:{digits}.csv.gz",
                                              "--limit", "1", "--exact")
    assert "--half" in refused(model, inputs[0], "--exact", "--half")


def check_liar(model, one, right):
    """Its first answer names it, by the top bits of some numbers; all are needed without parity."""
    lab("lie", "3")
    liars, end = [], time.monotonic() + 60
    while not liars and time.monotonic() < end:
        document = infer(model, one, "--coded", "all", "--parity", "0")
        assert document["outputs"] == right, "a lie is believed"
        liars = document["wrong"]
    assert len(liars) == 1, f"{liars} are said to lie"


def run():
    model, inputs = f"{base}/integers.onnx", [f"{base}/{i}.npy" for i in range(INPUTS)]
    with open(model, "wb") as out:
        out.write(network())
    for path in inputs:
        write_input(path)
    right = [line["outputs"] for line in stream([COVEY, "infer", model, *inputs, "--local",
                                                 "--stream"])]
    assert len(right) == INPUTS and all(len(set(y)) > 10 for y in right), right
    lab("up", "--devices", str(NODES), "--mode", "loopback", "--wait", "60")
    check_modes(model, inputs[0], right[0])
    ask = at_node("infer", model, *inputs * (REQUESTS // INPUTS), "--stream", "--coded", "all")
    check(stream(ask), right)
    assert sum(kill_in_the_middle(ask, right) for _ in range(ROUNDS)) > 0
    check_exact_only(inputs)
    check_liar(model, inputs[0], right[0])


with torn_down(lab_dir, base, NODES):
    run()
