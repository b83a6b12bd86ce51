#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Batches whose layers' inputs are relayed by their holders, over slow links: every answer is that of
one process, also while devices are killed in the middle of a stream, none is lost, and a device
that lies is named, and no other. So it is of numbers of 16 bits, with coded convolutions too, and
of integers, bit for bit."""
import collections
import contextlib
import os
import random
import re
import time

import onnx_file as onnx
from lab_common import (COVEY, ask, at, base, difference, id_of, kill, lab, lab_dir, read, read_tensor,
                        run, stream, torn_down, up, wait, write, write_tensor)

NODES, LIAR, REQUESTS, KILLS = 5, 4, 12, 2
SECONDS, REST = 150, 30  # until inputs are relayed; until a round of measuring is over
rng = random.Random(int(os.environ.get("COVEY_SEED", 11)))
# A model, inputs of one request and of many, what one process answers, and how far from it an
# answer may be.
Net = collections.namedtuple("Net", "model batch options tolerance one many right_one right_many")


def tensor(model, batch, shape, requests):
    """Of so many requests, and what one process answers."""
    count = 1
    for d in shape:
        count *= d
    name = f"{os.path.basename(model)}-{requests}"
    path, out = f"{base}/{name}.npy", f"{base}/{name}-right.npy"
    write_tensor(path, (batch * requests, *shape),
                 (rng.random() for _ in range(batch * requests * count)))
    run([COVEY, "infer", model, path, "--batch", str(batch), "--local", "--output", out])
    numbers = read_tensor(out)
    each = len(numbers) // (batch * requests)
    return path, [numbers[i:i + each] for i in range(0, len(numbers), each)]


def net(model, batch, shape, options=(), tolerance=1e-4):
    one, right_one = tensor(model, batch, shape, 1)
    many, right_many = tensor(model, batch, shape, REQUESTS)
    return Net(model, batch, options, tolerance, one, many, right_one, right_many)


def built(name, *options):
    model = f"{base}/{name}.onnx"
    run([COVEY, "model", "build", name, "--input", "1x28x28", "--classes", "10", "--seed", "1",
         "--out", model, *options])
    return model


def integers():
    """Matrix products of bytes, of one scale."""
    def scalar(name, kind, value):
        return onnx.tensor(name, kind, [], [value])

    def weights(name, rows, columns):
        return onnx.tensor(name, onnx.INT8, [rows, columns],
                           [rng.randrange(-128, 128) for _ in range(rows * columns)])

    return write(f"{base}/integers.onnx", onnx.model([
        onnx.node("QuantizeLinear", ["x", "s0", "z0"], ["q0"]),
        onnx.node("QLinearMatMul", ["q0", "s0", "z0", "w1", "s3", "z3", "s1", "z1"], ["q1"]),
        onnx.node("QLinearMatMul", ["q1", "s1", "z1", "w2", "s3", "z3", "s2", "z1"], ["q2"]),
        onnx.node("DequantizeLinear", ["q2", "s2", "z1"], ["y"]),
        scalar("s0", onnx.FLOAT, 1 / 256), scalar("z0", onnx.UINT8, 0),
        scalar("s1", onnx.FLOAT, 0.3), scalar("z1", onnx.UINT8, 128),
        scalar("s2", onnx.FLOAT, 3.0),
        scalar("s3", onnx.FLOAT, 0.02), scalar("z3", onnx.INT8, 0),
        weights("w1", 784, 128), weights("w2", 128, 32),
        onnx.value(11, "x", [1, 784]), onnx.value(12, "y", [1, 32])]))


def infer(n, *options):
    out = f"{base}/out.npy"
    document = ask(1, "infer", n.model, n.one, "--batch", str(n.batch), "--coded", "all", "--trace",
                   "--output", out, *n.options, *options)
    numbers = read_tensor(out)
    right = [number for row in n.right_one for number in row]
    assert difference(numbers, right) <= n.tolerance, f"a wrong answer: {document}"
    return document


def relays(document):
    """Layers whose holders had their input from others; nothing else feeds in such a plan."""
    return sum(layer["fed"] > 1 for layer in document["layers"])


def liars():
    return [peer["id"] for peer in ask(1, "peers")["peers"] if peer["lied"]]


def rates():
    """What each node said last of itself and its link: plans count on that."""
    said = [re.findall(rb"measured (.*)", read(f"{lab_dir}/node{node}.log"))
            for node in range(1, NODES + 1)]
    return [lines[-1].decode() if lines else None for lines in said]


def planned(n, *options):
    """The layers that a plan made now would relay."""
    name = os.path.basename(n.model)[:-len(".onnx")]
    plan = ask(1, "plan", name, "--batch", str(n.batch), "--coded", "all", *n.options, *options)
    return [layer["name"] for layer in plan["layers"] if layer["fed"]]


def fail(what, n, document, *options):
    """With how the last request went."""
    print(os.path.basename(n.model), *n.options, *options,
          {key: document[key] for key in document if key not in ("layers", "outputs", "results")})
    for layer in document["layers"]:
        print("  ", layer)
    print("a plan made now relays", planned(n, *options))
    for node, said in enumerate(rates(), 1):
        print(f"node{node}: {said}")
    raise AssertionError(f"in {SECONDS} s: not {what}")


def rest():
    """Rates are measured beside no requests: until some node has others, or for as long as a round
    takes."""
    before = rates()
    with contextlib.suppress(AssertionError):
        wait("other rates", lambda: rates() != before, REST)


def relayed(n, least, *options):
    """So many layers are: if not at once, then when links are known as they are."""
    end = time.monotonic() + SECONDS
    while True:
        document = infer(n, *options)
        assert not liars(), document
        if relays(document) >= least:
            return
        if time.monotonic() > end:
            fail("relayed inputs", n, document, *options)
        if len(planned(n, *options)) < least:
            print(f"{os.path.basename(n.model)} is not to be relayed: {rates()}", flush=True)
            rest()


def check_stream(n, least):
    """With a device that is killed soon after one of the first answers."""
    lost, begin = rng.randint(2, NODES), n.batch * rng.randrange(2, REQUESTS // 2)
    lines = stream(at(1, "infer", n.model, n.many, "--batch", str(n.batch), "--stream", "--coded",
                      "all", *n.options), lambda count: kill(lost) if count == begin else None)
    assert [line["index"] for line in lines] == list(range(n.batch * REQUESTS)), lines
    for line in lines:
        worst = difference(line["outputs"], n.right_many[line["index"]])
        assert worst <= n.tolerance, f"a wrong answer: {line}"
    lab("restart", str(lost))
    lab("wait", "--wait", "120")
    relayed(n, least)


def named(n):
    """Who lied. Without parity all answers are needed, but for those that come too late."""
    end = time.monotonic() + SECONDS
    while True:
        document = infer(n, "--parity", "0")
        found = liars()
        if found:
            return found
        if time.monotonic() > end:
            fail("the liar's name", n, document, "--parity", "0")


with torn_down(NODES):
    # Long inputs, and few weights to move when a plan is made anew.
    floats = net(built("mlp", "--depth", "3", "--units", "128"), 128, (1, 28, 28))
    others = [net(built("lenet5"), 32, (1, 28, 28), ["--half"], 3e-2),
              net(integers(), 128, (784,), tolerance=0)]
    up(NODES, "--rate", "50", mode="netns")
    wait("measured rates", lambda: all(rates()))
    relayed(floats, 2)
    for _ in range(KILLS):
        check_stream(floats, 2)
    relayed(floats, 2, "--parity", "0")
    for other in others:
        relayed(other, 1)
        check_stream(other, 1)
    liar = id_of(LIAR)
    lab("lie", str(LIAR))
    assert named(floats) == [liar]
    print(f"inputs were relayed, also after {KILLS + len(others)} kills; the liar was named")
