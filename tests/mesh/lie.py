#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A device lies about layers of floats: it is named within the request in which it first does, where
its answers are needed, and every answer is that of one device, before and after."""
from lab_common import (COVEY, ask, at, base, by_each_device, difference, id_of, lab, read_tensor,
                        run, stream, torn_down, up, wait, write_tensor)

NODES, LIAR, REQUESTS = 4, 3, 40
model, picture = f"{base}/net.onnx", f"{base}/x.npy"
right = []


def infer(*options):
    document = ask(1, "infer", model, picture, "--coded", "all", *options)
    check(document)
    return document


def check(document):
    assert document.get("checked", True) or document["devices"] == 1, document
    assert difference(document["outputs"], right) < 1e-4, f"a wrong answer: {document}"


def shared_out(*options):
    """Until the plan is ready requests are computed where they are asked."""
    def by_all():
        document = infer(*options)
        assert not document["wrong"], document
        return document["devices"] == NODES

    wait("an answer of all devices", by_all)


def named():
    """Without parity all answers are needed: the first request with one of each device finds out.
    What comes too late is computed here instead, and not looked at."""
    document = infer("--parity", "0")
    assert document["wrong"] or not by_each_device(document, NODES), document
    return document["wrong"]


with torn_down(NODES):
    run([COVEY, "model", "build", "mlp", "--input", "1x28x28", "--classes", "10", "--depth", "3",
         "--units", "256", "--seed", "1", "--out", model])
    write_tensor(picture, (1, 1, 28, 28), (i * i % 17 / 17 for i in range(784)))
    run([COVEY, "infer", model, picture, "--local", "--output", f"{base}/right.npy"])
    right = read_tensor(f"{base}/right.npy")
    up(NODES)
    for parity in ("0", "1"):
        shared_out("--parity", parity)
    liar = id_of(LIAR)
    lab("lie", str(LIAR))
    assert wait("the liar's name", named) == [liar]
    for parity in ("0", "1"):
        for line in stream(at(1, "infer", model, *[picture] * REQUESTS, "--stream", "--coded",
                              "all", "--parity", parity)):
            check(line)
