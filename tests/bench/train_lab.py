# SPDX-License-Identifier: MIT
"""Training over a lab, as the measurements of it use it: data sets, runs, what a session says."""

import gzip
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import time

from mesh_lab import COVEY, Lab, MeshError

OWNER = 1
SHARED = pathlib.Path(__file__).resolve().parents[2].parent / "shared"
TIMEOUT_S = 7200


class Skipped(Exception):
    """What it needs is not on this machine."""


# ---- data ----

PARTS = {"train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
         "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")}


def head_of(data, count):
    """The first samples of an IDX file."""
    kind, ranks = data[2], data[3]
    if kind != 8:
        raise MeshError("an IDX file of bytes was expected")
    sizes = struct.unpack(f">{ranks}I", data[4:4 + 4 * ranks])
    each, count = 1, min(count, sizes[0])
    for size in sizes[1:]:
        each *= size
    start = 4 + 4 * ranks
    head = data[:4] + struct.pack(f">{ranks}I", count, *sizes[1:])
    return head + data[start:start + count * each]


class Mnist:
    """Some of the data set in a folder of its own; 0: all."""

    def __init__(self, folder, train, test):
        source = pathlib.Path(os.environ.get("COVEY_DATA", SHARED)) / "data" / "mnist"
        if not (source / PARTS["train"][0]).exists():
            raise Skipped(f"needs MNIST in {source}: COVEY_DATA is the folder with data/ in it")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mnist-", dir=folder))
        for part, count in (("train", train), ("test", test)):
            for name in PARTS[part]:
                data = gzip.decompress((source / name).read_bytes())
                data = head_of(data, count) if count else data
                (self.folder / name).write_bytes(gzip.compress(data, 1))
        self.spec = f"mnist:{self.folder}"


# ---- runs ----

class Training:
    """covey train at a node, in a process of its own; its document when it has ended."""

    def __init__(self, lab, node, out, *options):
        command = ["train", "--json", "--out", out, *options]
        if lab is not None:
            command = ["lab", "run", node, "--dir", lab.dir, "--", *command]
        self.out = out
        self.started = time.monotonic()
        self.process = subprocess.Popen([COVEY, *map(str, command)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def document(self, timeout=TIMEOUT_S):
        try:
            said, wrong = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.end()
            raise MeshError(f"training took longer than {timeout} s") from None
        self.seconds = time.monotonic() - self.started
        if self.process.returncode != 0:
            raise MeshError(f"training ended with {self.process.returncode}: {wrong.strip()}")
        return json.loads(said)

    def running(self):
        return self.process.poll() is None

    def end(self):
        if self.running():
            self.process.kill()
        self.process.communicate()


def train(lab, node, out, *options, timeout=TIMEOUT_S):
    run = Training(lab, node, out, *options)
    try:
        return run.document(timeout)
    finally:
        run.end()


def rounds_of(document):
    """Counters of a session's rounds."""
    return document.get("mesh", document).get("rounds", {})


def step_seconds(document):
    return document["seconds"] / document["steps"]


def brief(document):
    """What is worth keeping of a run."""
    out = {"steps": document.get("steps"), "seconds": round(document.get("seconds", 0), 3),
           "losses": [epoch["loss"] for epoch in document.get("epochs", [])],
           "accuracy": document.get("last_accuracy")}
    mesh = document.get("mesh")
    if mesh:
        out |= {"why": mesh.get("why"), "rounds": mesh.get("rounds")}
    return out


# ---- sessions ----

def session(lab, node, name):
    """What the node says of a session; None: nothing, or it does not answer."""
    command = [COVEY, "lab", "run", str(node), "--dir", lab.dir, "--", "session", "show", name,
               "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except subprocess.TimeoutExpired:
        return None
    try:
        return json.loads(done.stdout) if done.returncode == 0 else None
    except json.JSONDecodeError:
        return None


def steps_of(shown):
    """Steps done, by all owners; -1 where it is not known."""
    return -1 if shown is None else int(shown.get("total_steps", -1))


def state_of(shown):
    return None if shown is None else shown.get("state")


def wait_for(what, look, timeout_s, pause_s=0.05):
    """look() until it is true; its answer."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        answer = look()
        if answer:
            return answer
        time.sleep(pause_s)
    raise MeshError(f"{what}: not within {timeout_s} s")


# ---- labs ----

def slow(lab, nodes, law, scale=1.0, seed=1):
    """law: ("exponential", "500") and so on, in ms."""
    kind, numbers = law
    for node in nodes:
        lab.command("slow", node, f"--{kind}", numbers, "--scale", scale, "--seed", seed)




def same_file(first, second):
    return pathlib.Path(first).read_bytes() == pathlib.Path(second).read_bytes()
