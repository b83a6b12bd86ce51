#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures training over a lab; prints one JSON document, in which "holds" says whether the figure
that is asked for was reached.

  train.py schemes          schemes A and B of the paper: gains of each strategy
  train.py error            errors of decoded products over every loss pattern
  train.py vgg8             a step of VGG-8 over devices with exponential latencies, coded or not
  train.py owner-cpu        the owner's share of a step for encoding, decoding and checking
  train.py never-slower     a step with the cost model against one device alone
  train.py data-parallel    VGG-8 by parts of batches over devices of 10 percent
  train.py same-curve       losses as on one device
  train.py private          accuracy of private training
  train.py kills            a worker killed every minute
  train.py liar             a worker that corrupts one answer of a hundred (--mode data: of ten)
  train.py owner-kill       the owner killed: another goes on
  train.py cut              the network cut in two
  train.py onnx             what a mesh has trained in ONNX Runtime (npm is asked for it once)

Most need root (network namespaces, cpuacct), COVEY_DATA with data/mnist/ in it, and COVEY, the
program of a release build. The exit status is 1 where the figure was not reached, 77 where
something that is needed is missing."""

import argparse
import json
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is left in the source tree
import train_faults
import train_onnx
import train_speed
from mesh_lab import CPUACCT, MeshError, keep_awake
from train_lab import Skipped

LENET = {"model": "lenet5", "batch": 50}
# What each measurement has unless it is told otherwise; a lab: needs root.
COMMANDS = {
    "schemes": (train_speed.schemes, {"rounds": 100}, False),
    "error": (train_speed.error, {}, False),
    "vgg8": (train_speed.vgg8, {"devices": 10, "steps": 4, "latency_ms": 500}, True),
    "owner-cpu": (train_speed.owner_cpu, {"devices": 10, "steps": 4, "latency_ms": 0}, True),
    "never-slower": (train_speed.never_slower,
                     {"devices": 8, "cpu": "10", "rate": 1000, "steps": 300} | LENET, True),
    "data-parallel": (train_speed.data_parallel,
                      {"devices": 8, "cpu": "10", "rate": 1000, "steps": 8, "batch": 256}, True),
    "same-curve": (train_speed.same_curve, {"devices": 4, "samples": 2000, "epochs": 2} | LENET,
                   True),
    "private": (train_speed.private, {"devices": 7, "samples": 0, "epochs": 1} | LENET, True),
    "kills": (train_faults.kills, {"devices": 6, "samples": 0, "epochs": 1} | LENET, True),
    "liar": (train_faults.liar, {"devices": 5, "samples": 5000, "epochs": 1} | LENET, True),
    "owner-kill": (train_faults.owner_kill, {"devices": 5, "samples": 0, "epochs": 1} | LENET,
                   True),
    "onnx": (train_onnx.onnx, {"devices": 3, "samples": 2000, "epochs": 1} | LENET, False),
    "cut": (train_faults.cut, {"devices": 5, "samples": 0, "epochs": 3} | LENET, True),
}


def arguments():
    parser = argparse.ArgumentParser(prog="train.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("--devices", type=int, help="workers of vgg8 and owner-cpu, else all nodes")
    parser.add_argument("--cpu", help="percent of a core")
    parser.add_argument("--rate", type=int, help="Mbit/s")
    parser.add_argument("--model")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--steps", type=int, help="of a run whose time is taken")
    parser.add_argument("--samples", type=int, help="to train on; 0: all of MNIST")
    parser.add_argument("--test-samples", type=int, default=0)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lr", type=float, default=0.05, help="learning rate of the faults")
    parser.add_argument("--mode", default="products", help="of faults: products or data")
    parser.add_argument("--strategy", default="field", help="of the liar's products")
    parser.add_argument("--strategies", default="mds,lt", help="against uncoded")
    parser.add_argument("--latency-ms", type=int, help="mean of a task")
    parser.add_argument("--masks", type=int, default=1, help="T")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of losses, relative")
    parser.add_argument("--share", type=int, help="percent of answers that lie")
    parser.add_argument("--every", type=int, default=20, help="steps between checkpoints")
    parser.add_argument("--kill-every", type=float, default=60, help="seconds")
    parser.add_argument("--kill-after", type=float, default=20, help="seconds")
    parser.add_argument("--cut-s", type=float, default=20, help="seconds that a cut lasts")
    parser.add_argument("--timeout", type=float, default=3600)
    parser.add_argument("--scheme", default="all", help="a, b, vgg or all")
    parser.add_argument("--law", default="all")
    parser.add_argument("--rounds", type=int, help="of each point of schemes A and B")
    parser.add_argument("--scale", type=float, default=0,
                        help="of the paper's seconds; 0: such that a task sleeps 1 s on average")
    parser.add_argument("--beside", type=int, default=1, help="labs at once, one a setting")
    parser.add_argument("--simulate", action="store_true", help="the schemes without a lab")
    options = parser.parse_args()
    for name, value in COMMANDS[options.what][1].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main():
    options = arguments()
    run, _, needs_lab = COMMANDS[options.what]
    if needs_lab and (os.geteuid() != 0 or not CPUACCT.exists()):
        raise Skipped("needs root and the kernel's cpuacct")
    awake = keep_awake() if needs_lab and options.cpu else None
    with tempfile.TemporaryDirectory(prefix="covey-train-") as folder:
        result = run(options, folder)
    if awake is not None:
        os.close(awake)
    asked = {key: value for key, value in vars(options).items() if value is not None}
    print(json.dumps({"asked": asked} | result, indent=1))
    sys.exit(0 if result["holds"] else 1)


if __name__ == "__main__":
    try:
        main()
    except Skipped as why:
        print(f"train.py: {why}: skipped", file=sys.stderr)
        sys.exit(77)
    except (MeshError, OSError, KeyError) as wrong:
        print(f"train.py: {wrong!r}", file=sys.stderr)
        sys.exit(1)
