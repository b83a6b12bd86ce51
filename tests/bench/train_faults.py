# SPDX-License-Identifier: MIT
"""Devices that die, lie or are cut off while a model is trained."""

import json
import pathlib
import random
import subprocess
import threading
import time

from mesh_lab import Lab, MeshError
from train_lab import (OWNER, Mnist, Training, brief, rounds_of, same_file, session, state_of,
                       steps_of, train, wait_for)

NAME = "measured"
RUNNING = "running"


def common(options, data):
    """What one device would do as well, then how the mesh does it."""
    return ["--model", options.model, "--epochs", options.epochs, "--batch", options.batch,
            "--data", data.spec, "--seed", options.seed, "--lr", options.lr]


def over_mesh(options, data):
    spread = ["--coded", "all"] if options.mode == "products" else ["--spare", 1]
    return [*common(options, data), "--mode", options.mode, "--name", NAME, *spread]


def points(a, b):
    """How much worse the first one ended."""
    return round(100 * (b["last_accuracy"] - a["last_accuracy"]), 3)


# ---- workers ----

class Killer(threading.Thread):
    """Kills a worker every so many seconds, and starts it again a third of that later."""

    def __init__(self, lab, options):
        super().__init__(daemon=True)
        self.lab, self.options = lab, options
        self.rng = random.Random(options.seed)
        self.stop, self.kills = threading.Event(), 0

    def run(self):
        every = self.options.kill_every
        while not self.stop.wait(every * 2 / 3):
            node = self.rng.randrange(2, self.lab.devices + 1)
            self.lab.command("kill", node)
            self.kills += 1
            back = self.stop.wait(every / 3)
            self.lab.command("restart", node)
            if back:
                return


def kills(options, folder):
    """Epochs with a worker killed every minute, and the same ones undisturbed."""
    data = Mnist(folder, options.samples, options.test_samples)
    with Lab(options.devices) as lab:
        lab.wait()
        quiet = train(lab, OWNER, f"{folder}/quiet.onnx", *over_mesh(options, data))
        killer = Killer(lab, options)
        killer.start()
        hurt = train(lab, OWNER, f"{folder}/hurt.onnx", *over_mesh(options, data))
        killer.stop.set()
        killer.join()
    off = points(hurt, quiet)
    return {"undisturbed": brief(quiet), "killed": brief(hurt), "kills": killer.kills,
            "points_off": off, "steps_lost": quiet["steps"] - hurt["steps"],
            "holds": killer.kills > 0 and off <= 0.3 and quiet["steps"] == hurt["steps"]}


def liar(options, folder):
    """A worker that corrupts one answer of a hundred (of gradients, which are fewer, of ten) is
    named when it first does, and the weights are those of honest workers."""
    data = Mnist(folder, options.samples, options.test_samples)
    gradients = options.mode == "data"
    way = ["--check", "all"] + ([] if gradients else ["--strategy", options.strategy])
    share = options.share if options.share is not None else 10 if gradients else 1
    with Lab(options.devices) as lab:
        lab.wait()
        price = {}
        if gradients:
            believed = train(lab, OWNER, f"{folder}/believed.onnx", *common(options, data),
                             "--mode", "data")
            price = {"believed": brief(believed)}
        honest = train(lab, OWNER, f"{folder}/honest.onnx", *over_mesh(options, data), *way)
        lab.command("lie", options.devices, "--share", share)
        lied = train(lab, OWNER, f"{folder}/lied.onnx", *over_mesh(options, data), *way)
        peers = json.loads(lab.run(OWNER, "peers", "--json"))["peers"]
    wanted = next(p["id"] for p in peers if p["name"] == f"node{options.devices}")
    rounds = rounds_of(lied)
    named = any(wanted.startswith(who) or who.startswith(wanted) or who == f"node{options.devices}"
                for who in rounds["liars"])
    same = same_file(f"{folder}/honest.onnx", f"{folder}/lied.onnx")
    if gradients:
        price["times_as_long"] = round(honest["seconds"] / believed["seconds"], 3)
    return {"honest": brief(honest), "lied": brief(lied), "named": named, **price,
            "wrong_answers": rounds["reissued"], "same_weights": same,
            "check_share": round(rounds["check_s"] / lied["seconds"], 5),
            "points_off": points(lied, honest),
            "holds": named and len(rounds["liars"]) == 1 and
            (same or not (gradients or options.strategy == "field"))}


# ---- the owner ----

def owners(lab, nodes):
    """Who says that it runs the session, and how many steps are done there."""
    found = {}
    for node in nodes:
        shown = session(lab, node, NAME)
        if state_of(shown) == RUNNING:
            found[node] = steps_of(shown)
    return found


def successors(lab, nodes):
    """Nodes that go on with it, or already have ended it, and the step after which they began."""
    found = {}
    for node in nodes:
        if state_of(session(lab, node, NAME)) in (RUNNING, "done"):
            log = pathlib.Path(lab.dir, f"node{node}.log").read_text(errors="replace")
            began = [line for line in log.splitlines() if "goes on here in epoch" in line]
            if began:
                found[node] = int(began[-1].rsplit(" ", 1)[1])
    return found


def wait_end(lab, nodes, timeout_s):
    """Until some node has the trained model; that node and what it says."""
    def done():
        for node in nodes:
            shown = session(lab, node, NAME)
            if state_of(shown) == "done":
                return node, shown
        return None
    return wait_for("the end of training", done, timeout_s, 0.5)


def begin(lab, options, data, folder):
    """Starts it at the owner and waits until some checkpoints are kept."""
    run = Training(lab, OWNER, f"{folder}/{NAME}.onnx", *over_mesh(options, data), "--every",
                   options.every, "--detach")
    run.document(600)

    def kept():
        shown = session(lab, OWNER, NAME) or {}
        return (steps_of(shown) >= 3 * options.every and shown["checkpoint_step"] > 0 and
                shown["custodians"] >= min(shown["custodians_wanted"], options.devices))
    wait_for("a checkpoint that custodians keep", kept, 600)


def owner_kill(options, folder):
    """The owner is killed (SIGKILL) in the middle of an epoch: another device goes on by itself
    within ten seconds, from a checkpoint that is at most --every steps old."""
    data = Mnist(folder, options.samples, options.test_samples)
    reference = train(None, OWNER, f"{folder}/local.onnx", *common(options, data), "--local")
    others = range(2, options.devices + 1)
    with Lab(options.devices) as lab:
        lab.wait()
        begin(lab, options, data, folder)
        before = steps_of(session(lab, OWNER, NAME))
        lab.command("kill", OWNER)
        killed = time.monotonic()
        took_over = wait_for("another owner", lambda: successors(lab, others), 40)
        resumed_s = time.monotonic() - killed
        node, steps = next(iter(took_over.items()))
        _, shown = wait_end(lab, others, options.timeout)
    accuracy = shown["test_accuracy"]
    off = 100 * (reference["last_accuracy"] - accuracy)
    lost = max(0, before - steps)
    return {"steps_before": before, "resumed_at": f"node{node}", "resumed_steps": steps,
            "resumed_s": round(resumed_s, 2), "steps_lost": lost, "accuracy": accuracy,
            "reference": reference["last_accuracy"], "points_off": round(off, 3),
            "holds": resumed_s <= 10 and lost <= options.every and off <= 0.3}


class Split:
    """The lab's bridge in two: some nodes' links are moved to another one."""

    def __init__(self, lab, nodes):
        self.lab, self.nodes = lab, nodes
        self.bridge = f"cvy-{lab.id}"
        self.other = f"cvs-{lab.id}"

    def __enter__(self):
        ip("link", "add", self.other, "type", "bridge")
        ip("link", "set", self.other, "up")
        self.move(self.other)
        return self

    def move(self, bridge):
        for node in self.nodes:
            ip("link", "set", f"cvy{self.lab.id}-{node}", "master", bridge)

    def __exit__(self, kind, value, trace):
        self.move(self.bridge)
        ip("link", "del", self.other)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def watch(lab, seconds):
    """Steps of all who say that they run the session, some times a second."""
    seen, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        now = {}
        for node in range(1, lab.devices + 1):
            shown = session(lab, node, NAME)
            if shown is not None:
                now[node] = (state_of(shown), steps_of(shown))
        seen.append((time.monotonic(), now))
    return seen


def trainers(seen):
    """Nodes whose steps went on between two looks, and looks in which more than one did."""
    who, both = set(), 0
    for (_, before), (_, after) in zip(seen, seen[1:]):
        moved = {n for n in after if n in before and after[n][0] == RUNNING and
                 before[n][0] == RUNNING and after[n][1] > before[n][1]}
        who |= moved
        both += len(moved) > 1
    return sorted(who), both


def cut(options, folder):
    """The network cut in two, the owner in the smaller part and then in the larger one: never do
    two owners train."""
    data = Mnist(folder, options.samples, options.test_samples)
    half = options.devices // 2
    parts = {"owner_in_minority": list(range(1, half + options.devices % 2)),
             "owner_in_majority": list(range(half + 2, options.devices + 1))}
    out = {}
    for name, apart in parts.items():
        with Lab(options.devices) as lab:
            lab.wait()
            begin(lab, options, data, folder)
            with Split(lab, apart):
                during = watch(lab, options.cut_s)
            after = watch(lab, options.cut_s)
        who, both = trainers(during)
        who_after, both_after = trainers(after)
        out[name] = {"apart": apart, "looks": len(during), "trained": who, "two_at_once": both,
                     "trained_after": who_after, "two_at_once_after": both_after}
    out["holds"] = all(part["two_at_once"] == 0 and part["two_at_once_after"] == 0 and
                       part["trained_after"] for part in out.values())
    return out


__all__ = ["MeshError", "cut", "kills", "liar", "owner_kill"]
