#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures inference over a lab of devices of P percent of a core; prints one JSON document.

  mesh.py speed --model vgg19 --rate 1000      all devices against the asking one alone
  mesh.py networks                             the same of all networks, small to large
  mesh.py uneven --model vgg19              devices of 20 to 5 percent against equal ones
  mesh.py parity --model mlp4096               one parity against none, alternating pairs
  mesh.py kills|freezes|cuts --model mlp4096   a device is lost at random moments of a stream
  mesh.py slow --model mlp4096                 one device answers 1 s late
  mesh.py lie --model mlp1024                  one device returns wrong numbers
  mesh.py coordinator --model mlp4096          the coordinator is killed in a stream
  mesh.py memory                               weights of 4 times one device's --memory
  mesh.py resident --model vgg19               memory of the devices that hold slices
  mesh.py throughput --model mlp1024           inputs a second, in flight and in batches
  mesh.py half                                 answers of trained networks with float16

Needs root (network namespaces, cpuacct) and COVEY, the program of a release build. The exit status
is 1 where a request was lost, an answer wrong or a liar not named."""

import argparse
import json
import os
import statistics
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is left in the source tree
from mesh_faults import coordinator, lie, losses, slow
from mesh_half import half
from mesh_lab import (CPUACCT, NETWORKS, Lab, MeshError, Requests, Tally, infer_options,
                      keep_awake, models)
from mesh_limits import memory, resident
from mesh_speed import networks, speed
from mesh_throughput import throughput

ASKER = 1
WRONG = 1e-4  # relative, end to end


def uneven(options, model):
    """Throughput over devices of 65 percent in all, against as many equal ones. The asker is a
    device of 10 percent in the one and of 8 in the other."""
    shares, equal = "10,20,10,5,5,5,5,5", 8
    extra = [*infer_options(options), "--parity", options.parity]
    tallies = {"uneven": Tally(), "equal": Tally()}
    with Lab(8, shares, options.rate) as one, Lab(8, equal, options.rate) as other:
        labs = {"uneven": one, "equal": other}
        for lab in labs.values():
            lab.wait()
            lab.add(ASKER, model)
            Requests(lab, ASKER, model, 3, extra)
            lab.wait()
            Requests(lab, ASKER, model, 2, extra)
        for done in range(0, options.requests, options.chunk):
            count = min(options.chunk, options.requests - done)
            for name, lab in labs.items():
                tallies[name].add(Requests(lab, ASKER, model, count, extra))
    out = {name: tally.json() for name, tally in tallies.items()}
    total = sum(map(int, shares.split(","))) / (8 * equal)
    share = out["equal"]["median_ms"] / out["uneven"]["median_ms"] / total
    return out | {"share_of_equal": round(share, 3)}


def parity(options, model):
    """What one device of parity costs: N + 1 devices with it, the same N without. A pair is a run
    of each, one after the other."""
    extra = infer_options(options)
    variants = {"without": [*extra, "--parity", 0, "--devices", options.devices - 1],
                "with": [*extra, "--parity", 1, "--devices", options.devices]}
    pairs, tallies = [], {name: Tally() for name in variants}
    with Lab(options.devices, options.cpu, options.rate, options.delay) as lab:
        lab.wait()
        lab.add(ASKER, model)
        for choice in variants.values():
            Requests(lab, ASKER, model, 2, choice)
        lab.wait()
        for _ in range(options.pairs):
            medians = {}
            for name, choice in variants.items():
                run = Requests(lab, ASKER, model, options.requests, choice)
                tallies[name].add(run, skip=2)
                medians[name] = statistics.median(run.ms(2) or [float("nan")])
            pairs.append(round(medians["with"] / medians["without"], 4))
    return {name: tally.json() for name, tally in tallies.items()} | {
        "pairs": pairs, "cost": round(statistics.median(pairs) - 1, 4)}


COMMANDS = {
    "speed": (speed, "vgg19"),
    "networks": (networks, None),
    "uneven": (uneven, "vgg19"),
    "parity": (parity, "mlp4096"),
    "kills": (lambda o, m: losses(o, m, "kill"), "mlp4096"),
    "freezes": (lambda o, m: losses(o, m, "freeze"), "mlp4096"),
    "cuts": (lambda o, m: losses(o, m, "cut"), "mlp4096"),
    "slow": (slow, "mlp4096"),
    "lie": (lie, "mlp1024"),
    "coordinator": (coordinator, "mlp4096"),
    "memory": (memory, "mlp4096"),
    "resident": (resident, "vgg19"),
    "throughput": (throughput, "mlp4096"),
    "half": (lambda o, folder: half(o), None),
}


def arguments():
    parser = argparse.ArgumentParser(prog="mesh.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("--model", help=f"one of {', '.join(NETWORKS)}")
    parser.add_argument("--models", type=lambda text: text.split(","),
                        help="networks: these of all, with commas between")
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--cpu", default="10", help="percent of a core, one or one a device")
    parser.add_argument("--rate", type=int, default=1000, help="Mbit/s; 0: unshaped")
    parser.add_argument("--delay", type=int, help="ms")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--chunk", type=int, default=20, help="requests of a variant in turn")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=20, help="losses")
    parser.add_argument("--at-once", type=int, default=1, help="devices lost together")
    parser.add_argument("--for-good", action="store_true", help="what is lost does not return")
    parser.add_argument("--parity", type=int, default=1)
    parser.add_argument("--coded", choices=["auto", "all"])
    parser.add_argument("--check", choices=["all", "untrusted"],
                        help="whether strips are believed")
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the losses")
    parser.add_argument("--detail", action="store_true", help="of losses: every request, on stderr")
    parser.add_argument("--slow-ms", type=int, default=1000)
    options = parser.parse_args()
    options.rate = options.rate or None
    return options


def failures(result):
    """Requests that were lost, and answers that were wrong, wherever they are told of; and a liar
    that was not named."""
    if isinstance(result, list):
        return sum(map(failures, result))
    if not isinstance(result, dict):
        return 0
    wrong = (result.get("worst_error", 0) > WRONG) + (not result.get("named_at_once", True))
    return result.get("lost", 0) + wrong + sum(map(failures, result.values()))


def main():
    options = arguments()
    if os.geteuid() != 0 or not CPUACCT.exists():
        print("mesh.py: needs root and the kernel's cpuacct: skipped", file=sys.stderr)
        sys.exit(77)
    run, usual = COMMANDS[options.what]
    awake = keep_awake()
    with tempfile.TemporaryDirectory(prefix="covey-models-") as folder:
        known = models(folder) | {None: lambda: folder}
        name = options.model or usual
        if usual is None and options.model:
            raise MeshError(f"{options.what} has models of its own")
        if name not in known:
            raise MeshError(f"no model '{name}': {', '.join(filter(None, known))}")
        wrong = [model for model in options.models or () if model not in NETWORKS]
        if wrong:
            raise MeshError(f"no model '{wrong[0]}': {', '.join(NETWORKS)}")
        result = run(options, known[name]())
    os.close(awake)
    asked = {key: value for key, value in vars(options).items() if value is not None}
    print(json.dumps(asked | {"model": name} | result, indent=1))
    sys.exit(1 if failures(result) else 0)


if __name__ == "__main__":
    try:
        main()
    except (MeshError, OSError) as wrong:
        print(f"mesh.py: {wrong}", file=sys.stderr)
        sys.exit(1)
