#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Published networks give the same outputs over a mesh as on one device, also while a node dies.

MLPs, LeNets and a residual network from COVEY_DATA; each answer is compared with --local, whose
outputs tests/apps compares with the published ones.
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
if not os.path.isdir(f"{SHARED}/data/models"):
    skip(f"{SHARED} is missing")


def check(file, inputs, preparation):
    model = f"{SHARED}/data/models/{file}"
    words = ["infer", model, inputs, *preparation, "--stream", "--limit", str(LIMIT)]
    single = [line["outputs"] for line in stream([COVEY, *words, "--local"])]
    mesh = [line["outputs"] for line in stream(at(2, *words, "--coded", "all"))]
    assert len(single) == len(mesh) == LIMIT
    worst = max(map(difference, mesh, single))
    for a, b in zip(single, mesh):
        assert a.index(max(a)) == b.index(max(b)), f"{file}: another class"
    print(f"{file}: {LIMIT} answers, largest difference {worst:.2g} relative", flush=True)
    assert worst < 1e-4, f"{file}: {worst}"


with torn_down():
    up(4)
    for row in MODELS:
        check(*row)
    lab("kill", "3")
    for row in MODELS:
        check(*row)
