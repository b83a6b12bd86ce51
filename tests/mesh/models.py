#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Published networks give the same outputs over a mesh as on one device, also while a node dies.

MLPs, LeNets and a residual network from COVEY_DATA; each answer is compared with --local, whose
outputs tests/apps compares with the published ones.
"""
import json
import os
import subprocess
import sys
import tempfile

from lab_end import torn_down

COVEY = os.environ["COVEY"]
HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("COVEY_DATA") or os.path.join(HERE, "..", "..", "..", "shared")
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
    print(f"{SHARED} is missing: skipped")
    sys.exit(77)
base = tempfile.mkdtemp(prefix="covey-test-")
lab_dir = f"{base}/lab"


def outputs(command):
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout
    return [json.loads(line)["outputs"] for line in text.splitlines()]


def check(file, inputs, preparation):
    model = f"{SHARED}/data/models/{file}"
    ask = ["infer", model, inputs, *preparation, "--stream", "--limit", str(LIMIT)]
    single = outputs([COVEY, *ask, "--local"])
    mesh = outputs([COVEY, "lab", "run", "2", "--dir", lab_dir, "--", *ask, "--coded", "all"])
    assert len(single) == len(mesh) == LIMIT
    worst = 0.0
    for a, b in zip(single, mesh):
        scale = max(abs(x) for x in a)
        worst = max(worst, max(abs(x - y) for x, y in zip(a, b)) / scale)
        assert a.index(max(a)) == b.index(max(b)), f"{file}: another class"
    print(f"{file}: {LIMIT} answers, largest difference {worst:.2g} relative", flush=True)
    assert worst < 1e-4, f"{file}: {worst}"


with torn_down(lab_dir, base):
    subprocess.run([COVEY, "lab", "up", "--devices", "4", "--dir", lab_dir, "--mode", "loopback",
                    "--wait", "60"], check=True, stdout=subprocess.DEVNULL)
    for row in MODELS:
        check(*row)
    subprocess.run([COVEY, "lab", "kill", "3", "--dir", lab_dir], check=True,
                   stdout=subprocess.DEVNULL)
    for row in MODELS:
        check(*row)
