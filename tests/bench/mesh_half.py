# SPDX-License-Identifier: MIT
"""What activations that travel as float16 do to answers of trained networks, over real data."""

import json
import os
import pathlib

from mesh_lab import Lab, MeshError, covey, read_npy

ASKER = 1
ROOT = pathlib.Path(__file__).parents[2]
SHARED = pathlib.Path(os.environ.get("COVEY_DATA") or ROOT.parent / "shared") / "data"
BYTES = ["--scale", "0.00392156862"]
NETWORKS = {  # file, inputs, preparation
    "digits": (ROOT / "apps/demo-data/digits.onnx", f"digits:{ROOT}/apps/demo-data/digits.csv.gz",
               []),
    "mnist-8": (SHARED / "models/zoo-mnist-8/model.onnx", f"mnist:{SHARED}/mnist", []),
    "lenet5": (SHARED / "models/lenet5-FYH620/lenet.onnx", f"mnist:{SHARED}/mnist",
               [*BYTES, "--mean", "0.1307", "--std", "0.3081"]),
    "mnistfc": (SHARED / "models/mnistfc/mnist-net_256x4.onnx", f"mnist:{SHARED}/mnist", BYTES),
    "resnet20": (SHARED / "models/resnet20_cifar10/model.onnx", f"cifar10:{SHARED}/cifar-10",
                 [*BYTES, "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"]),
}
CLASSES = 10


def outputs(path):
    flat = read_npy(path)
    return [flat[i:i + CLASSES] for i in range(0, len(flat), CLASSES)]


def argmax(row):
    return max(range(CLASSES), key=row.__getitem__)


def ask(command, inputs, limit, options, out):
    """Accuracy and outputs of one pass over the data."""
    report = json.loads(command("infer", *inputs, "--limit", limit, *options, "--json", "--output",
                                out))
    if report["lost"] != 0:
        raise MeshError(f"{report['lost']} requests were lost")
    return report["accuracy"], outputs(out)


def compare(lab, name, limit):
    """All layers coded, one parity, float32 and float16, against one process alone."""
    file, data, preparation = NETWORKS[name]
    out = f"{lab.base}/{name}.npy"
    accuracy, right = ask(covey, [file, data], limit, ["--local", *preparation], out)
    found = {"inputs": len(right), "accuracy_alone": accuracy}
    lab.run(ASKER, "model", "add", file, "--name", name, *preparation)
    for kind, extra in {"float32": [], "float16": ["--half"]}.items():
        accuracy, rows = ask(lambda *words: lab.run(ASKER, *words), [name, data], limit,
                             ["--coded", "all", *extra], out)
        errors = [max(abs(a - b) for a, b in zip(row, other)) / max(map(abs, other))
                  for row, other in zip(rows, right)]
        found[kind] = {"accuracy": accuracy, "largest_difference": max(errors),
                       "other_classes": sum(argmax(row) != argmax(other)
                                            for row, other in zip(rows, right))}
    return found


def half(options):
    """Not paced: nothing here is a matter of time."""
    known = {name: row for name, row in NETWORKS.items() if row[0].exists()}
    with Lab(options.devices) as lab:
        lab.wait()
        found = {name: compare(lab, name, options.requests) for name in known}
    return {"networks": found, "missing": [name for name in NETWORKS if name not in known]}
