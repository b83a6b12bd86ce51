# SPDX-License-Identifier: MIT
"""How long training over the mesh takes, and that its numbers are those of one device."""

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

from mesh_lab import COVEY, Lab, MeshError, covey
from train_lab import (OWNER, Mnist, Skipped, Training, brief, rounds_of, same_file, slow,
                       step_seconds, train)


# Schemes of the paper and their laws; how many settings each law has.
POINTS = {"a": 6, "b": 5, "vgg": 5}
LAWS = {"a": ["uniform", "normal", "exponential"],
        "b": ["uniform", "normal", "variance", "exponential"],
        "vgg": ["uniform", "normal", "variance", "exponential"]}


def paper(options, page, *more):
    command = [COVEY, "lab", "paper", "training", page, "--json", "--rounds", str(options.rounds),
               "--scale", str(options.scale), "--seed", str(options.seed), *more]
    command += ["--simulate"] if options.simulate else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode == 3:
        raise Skipped("needs gnuplot")
    if done.returncode not in (0, 1) or not done.stdout:
        raise MeshError(f"covey lab paper ended with {done.returncode}")
    document = json.loads(done.stdout)
    if "gains" not in document:
        raise MeshError(document.get("error", "no gains"))
    return document


def join(documents):
    """The settings of all, and the least of each gain."""
    gains = {}
    for gain in (g for d in documents for g in d["gains"]):
        key = tuple(gain[k] for k in ("scheme", "law", "of", "against"))
        if key not in gains or gain["least_gain"] < gains[key]["least_gain"]:
            gains[key] = gain
    return documents[0] | {"gains": list(gains.values()),
                           "settings": [s for d in documents for s in d["settings"]]}


def schemes(options, folder):
    """Schemes A and B of the paper over a lab, held against what is asked of them; --beside N: each
    setting over a lab of its own, N of them at a time."""
    if options.beside <= 1:
        document = paper(options, f"{folder}/paper.md", "--scheme", options.scheme, "--law",
                         options.law)
    else:
        runs = [(scheme, law, point) for scheme in LAWS for law in LAWS[scheme]
                for point in range(1, POINTS[scheme] + 1)
                if options.scheme in ("all", scheme) and options.law in ("all", law)]
        with ThreadPoolExecutor(options.beside) as pool:
            document = join(list(pool.map(lambda r: paper(
                options, f"{folder}/{r[0]}-{r[1]}-{r[2]}.md", "--scheme", r[0], "--law", r[1],
                "--point", str(r[2])), runs)))
    return document | {"holds": all(gain["holds"] for gain in document["gains"])}


def error(options, folder):
    """Relative error in the Frobenius norm over every loss pattern, and of the field: none."""
    report = json.loads(covey("bench", "train", "--product", "--json"))
    found = {(a["code"], a["m"], a["n"]): a for a in report["accuracy"]}
    mds, field = found["mds", 12, 10], found["field", 12, 10]
    return {"accuracy": report["accuracy"], "awaited": report["awaited"],
            "mds_12_10_worst": mds["worst"], "patterns": mds["patterns"],
            "field_exact": field["exact"] == field["patterns"],
            "holds": mds["worst"] <= 2e-5 and field["exact"] == field["patterns"]}


# ---- products ----

# So few steps have no warm-up: the usual rate would be too much.
VGG8 = ["--model", "vgg8", "--epochs", 1, "--batch", 50, "--augment", "none", "--test", "none",
        "--lr", 0.001]


def coded(blocks, tasks, strategy):
    out = ["--mode", "products", "--coded", "all", "--strategy", strategy, "--blocks", blocks]
    return out if strategy == "uncoded" else [*out, "--tasks", tasks]


def vgg8(options, folder):
    """A step of VGG-8 on MNIST, batch 50, over 10 devices whose every task sleeps by an exponential
    law: coded (m = 2n) against uncoded."""
    data = Mnist(folder, 50 * options.steps, 50)
    out = {}
    with Lab(options.devices + 1) as lab:
        lab.wait()
        slow(lab, range(2, options.devices + 2), ("exponential", str(options.latency_ms)),
             seed=options.seed)
        for strategy in ["uncoded", *options.strategies.split(",")]:
            run = train(lab, OWNER, f"{folder}/{strategy}.onnx", *VGG8, "--data", data.spec,
                        *coded(10, 20, strategy))
            out[strategy] = brief(run) | {"step_s": round(step_seconds(run), 3)}
    for strategy in options.strategies.split(","):
        out[strategy]["gain"] = round(out["uncoded"]["step_s"] / out[strategy]["step_s"], 3)
    return out | {"holds": all(out[s]["gain"] >= 2.5 for s in options.strategies.split(","))}


def owner_cpu(options, folder):
    """Processor time of the owner's codes, of a step's wall time. A paced device has only its
    share of the processor: its time counts as much more."""
    data = Mnist(folder, 50 * options.steps, 50)
    share = float(options.cpu or 100) / 100
    with Lab(options.devices + 1, options.cpu, options.rate) as lab:
        lab.wait()
        if options.latency_ms:
            slow(lab, range(2, options.devices + 2), ("exponential", str(options.latency_ms)))
        run = train(lab, OWNER, f"{folder}/vgg8.onnx", *VGG8, "--data", data.spec, "--mode",
                    "products", "--coded", "all")
    rounds = rounds_of(run)
    spent = rounds["encode_s"] + rounds["decode_s"] + rounds["check_s"]
    of_wall = spent / share / run["seconds"]
    return {"run": brief(run), "codes_s": round(spent, 3), "wall_s": round(run["seconds"], 3),
            "share": round(of_wall, 4), "holds": of_wall <= 0.10}


def never_slower(options, folder):
    """With the cost model a step is no slower than on the owner alone: a second epoch's steps, since
    a session begins when its custodians have granted it a lease."""
    data = Mnist(folder, options.batch * options.steps, 50)
    common = ["--model", options.model, "--batch", options.batch, "--augment", "none", "--test",
              "none", "--data", data.spec]
    out, step = {}, {}
    for name, devices, more in (("mesh", options.devices, ["--mode", "products"]),
                                ("alone", 1, [])):
        with Lab(devices, options.cpu, options.rate) as lab:
            lab.wait()
            runs = [train(lab, OWNER, f"{folder}/{name}.onnx", *common, *more, "--epochs", epochs)
                    for epochs in (1, 2)]
        step[name] = (runs[1]["seconds"] - runs[0]["seconds"]) / options.steps
        out[name] = brief(runs[1]) | {"step_s": round(step[name], 5)}
    ratio = step["mesh"] / step["alone"]
    return out | {"ratio": round(ratio, 3), "holds": ratio <= 1.05}


# ---- data parallelism ----

def data_run(options, folder, data, devices, cpu, more, kill=None):
    with Lab(devices, cpu, options.rate) as lab:
        lab.wait()
        run = Training(lab, OWNER, f"{folder}/data-{devices}.onnx", "--model", "vgg8", "--epochs",
                       1, "--batch", options.batch, "--augment", "none", "--test", "none",
                       "--lr", 0.001, "--data", data.spec, *more)
        later = None
        if kill is not None:
            later = threading.Timer(options.kill_after, lab.command, ("kill", kill))
            later.start()
        try:
            return run.document()
        finally:
            run.end()
            if later is not None:
                later.cancel()


def data_parallel(options, folder):
    """VGG-8, batch 256, devices of 10 percent at 1 Gbit/s: parts of each batch against one device;
    with one spare also where one device is slowed tenfold, and where one is killed."""
    data = Mnist(folder, options.batch * options.steps, 50)
    cpu, devices = options.cpu or "10", options.devices
    slowed = ",".join([str(cpu)] * (devices - 1) + [str(max(1, int(float(cpu) / 10)))])
    spread = ["--mode", "data"]
    variants = {
        "alone": (1, cpu, [], None),
        "spare_0": (devices, cpu, [*spread, "--spare", 0], None),
        "spare_1_slowed": (devices, slowed, [*spread, "--spare", 1], None),
        "spare_1_killed": (devices, cpu, [*spread, "--spare", 1], devices),
    }
    out = {}
    for name, (count, shares, more, kill) in variants.items():
        run = data_run(options, folder, data, count, shares, more, kill)
        out[name] = brief(run) | {"steps_s": round(run["steps"] / run["seconds"], 5)}
    alone = out["alone"]["steps_s"]
    for name in list(variants)[1:]:
        out[name]["gain"] = round(out[name]["steps_s"] / alone, 3)
        out[name]["loss_off"] = loss_difference(out[name], out["alone"])
    return out | {"holds": out["spare_0"]["gain"] >= 3 and
                  all(out[n]["gain"] >= 2 for n in ("spare_1_slowed", "spare_1_killed"))}


# ---- the same numbers ----

def loss_difference(a, b):
    """The greatest relative difference of two lists of losses."""
    pairs = list(zip(a["losses"], b["losses"]))
    if not pairs or len(a["losses"]) != len(b["losses"]):
        return float("inf")
    return max(abs(x - y) / max(abs(y), 1e-9) for x, y in pairs)


def same_curve(options, folder):
    """Losses and accuracy of each epoch as on one device: of products and of parts of batches. The
    exact mode gives the same file however many devices there are."""
    data = Mnist(folder, options.samples, 1000)
    common = ["--model", options.model, "--epochs", options.epochs, "--batch", options.batch,
              "--data", data.spec, "--seed", options.seed]
    ways = {"mds": ["--mode", "products", "--coded", "all", "--strategy", "mds"],
            "lt": ["--mode", "products", "--coded", "all", "--strategy", "lt"],
            "field": ["--mode", "products", "--coded", "all", "--strategy", "field"],
            "data": ["--mode", "data", "--spare", 1]}
    local = train(None, OWNER, f"{folder}/local.onnx", *common, "--local")
    out = {"local": brief(local)}
    with Lab(options.devices) as lab:
        lab.wait()
        for name, way in ways.items():
            run = train(lab, OWNER, f"{folder}/{name}.onnx", *common, *way)
            out[name] = brief(run)
            out[name]["loss_off"] = loss_difference(out[name], out["local"])
            out[name]["points_off"] = 100 * abs(run["last_accuracy"] - local["last_accuracy"])
    with Lab(1) as lab:
        train(lab, OWNER, f"{folder}/field-alone.onnx", *common, *ways["field"])
    out["field"]["same_file"] = same_file(f"{folder}/field.onnx", f"{folder}/field-alone.onnx")
    spread = all(rounds["rounds"] > 0 for rounds in (out[n]["rounds"] for n in ways))
    out["holds"] = (spread and out["field"]["same_file"] and
                    all(out[n]["loss_off"] <= options.tolerance for n in ("mds", "lt", "data")))
    return out


def private(options, folder):
    """Accuracy with both factors of all products masked, and with the inputs, beside plain
    training's."""
    data = Mnist(folder, options.samples, options.test_samples)
    common = ["--model", options.model, "--epochs", options.epochs, "--batch", options.batch,
              "--data", data.spec, "--seed", options.seed]
    plain = train(None, OWNER, f"{folder}/plain.onnx", *common, "--local")
    out = {"plain": brief(plain)}
    ways = {"private": ["--private", options.masks],
            "private_inputs": ["--private-inputs", options.masks]}
    with Lab(options.devices) as lab:
        lab.wait()
        for name, way in ways.items():
            run = train(lab, OWNER, f"{folder}/{name}.onnx", *common, "--mode", "products",
                        "--coded", "all", *way)
            out[name] = brief(run)
            out[name]["points_off"] = 100 * (plain["last_accuracy"] - run["last_accuracy"])
    out["holds"] = all(out[name]["points_off"] <= 0.5 for name in ways)
    return out


__all__ = ["Skipped", "data_parallel", "error", "never_slower", "owner_cpu", "private",
           "same_curve", "schemes", "vgg8"]
