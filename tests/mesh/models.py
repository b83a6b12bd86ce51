#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Published networks give the same outputs over a mesh as on one device, also while a node dies.

MLPs, LeNets and a residual network from COVEY_DATA; each answer is compared with --local, whose
outputs tests/apps compares with the published ones. With --half outputs are as near as float16 is,
and classes the same wherever that can decide.
"""
import os

from lab_common import COVEY, SHARED, at, difference, lab, skip, stream, torn_down, up

MNIST = f"mnist:{SHARED}/data/mnist"
MODELS = [  # file, inputs, preparation
    ("zoo-mnist-8/model.onnx", MNIST, []),
    ("lenet5-FYH620/lenet.onnx", MNIST,
     ["--scale", "0.00392156862", "--mean", "0.1307", "--std", "0.3081"]),
    ("verivital/Convnet_avgpool.onnx", MNIST, ["--scale", "0.00392156862"]),
    ("mnistfc/mnist-net_256x4.onnx", MNIST, ["--scale", "0.00392156862"]),
    ("resnet20_cifar10/model.onnx", f"cifar10:{SHARED}/data/cifar-10",
     ["--scale", "0.00392156862", "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"]),
]
LIMIT = 40
WORST = {False: 1e-4, True: 3e-2}  # relative; with activations that travel as float16
if not os.path.isdir(f"{SHARED}/data/models"):
    skip(f"{SHARED} is missing")


def margin(outputs):
    """By how much the largest is larger than the next, relative to the largest number."""
    first, second = sorted(outputs)[:-3:-1]
    return (first - second) / max(map(abs, outputs))


def check(file, inputs, preparation, half):
    model = f"{SHARED}/data/models/{file}"
    words = ["infer", model, inputs, *preparation, "--stream", "--limit", str(LIMIT)]
    single = [line["outputs"] for line in stream([COVEY, *words, "--local"])]
    words += ["--coded", "all", *(["--half"] if half else [])]
    mesh = [line["outputs"] for line in stream(at(2, *words))]
    assert len(single) == len(mesh) == LIMIT
    worst = max(map(difference, mesh, single))
    for a, b in zip(single, mesh):
        same = a.index(max(a)) == b.index(max(b))
        assert same or margin(a) < 2 * WORST[half], f"{file}: another class"
    kind = "half" if half else "float"
    print(f"{file}, {kind}: {LIMIT} answers, largest difference {worst:.2g} relative", flush=True)
    assert worst < WORST[half], f"{file}, {kind}: {worst}"
    assert not half or worst > WORST[False] / 10, f"{file}: nothing travelled as float16"


def check_all():
    for row in MODELS:
        for half in WORST:
            check(*row, half)


with torn_down():
    up(4)
    check_all()
    lab("kill", "3")
    check_all()
