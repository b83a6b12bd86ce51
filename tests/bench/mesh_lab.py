# SPDX-License-Identifier: MIT
"""A lab of paced devices as the measurements of the mesh use it. COVEY is the program; needs root.

Every lab has its devices' processor time counted by the kernel (cgroup v1, cpuacct), so that what
a measurement says of devices of P percent can be held against what they really used.
"""

import array
import functools
import json
import os
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(os.path.join(os.path.dirname(__file__), "../mesh"))
import ending

COVEY = os.environ.get("COVEY", "covey")
ending.heed_signals()  # the labs of a measurement that is asked to end go down
CPUACCT = pathlib.Path("/sys/fs/cgroup/cpuacct")
# A device may use its share of wall time and this much of it more.
CPU_SLACK = 1.1
TIMEOUT_S = 3600


class MeshError(Exception):
    """Says in one line what is wrong."""


def keep_awake():
    """While the descriptor is open, idle processors poll instead of halting (PM QoS). Devices that
    sleep nine tenths of the time would else be charged for waking this machine's processors up:
    on a virtual one that is half of all they use."""
    latency = os.open("/dev/cpu_dma_latency", os.O_WRONLY)
    os.write(latency, struct.pack("i", 0))
    return latency


def covey(*arguments, timeout=TIMEOUT_S):
    done = subprocess.run([COVEY, *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout)
    if done.returncode != 0:
        raise MeshError(f"covey {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout


# ---- arrays ----

def write_npy(path, shape, values):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    head += " " * (-(10 + len(head) + 1) % 64) + "\n"
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        array.array("f", values).tofile(out)


def read_npy(path):
    data = pathlib.Path(path).read_bytes()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    values = array.array("f")
    values.frombytes(data[start:])
    return values


# ---- models ----

class Model:
    """A network with random weights, some random inputs, and what one process alone answers."""

    INPUTS = 8

    def __init__(self, folder, name, network, shape, classes, *options):
        self.name = name
        self.shape = shape
        self.file = f"{folder}/{name}.onnx"
        self.folder = folder
        covey("model", "build", network, "--input", "x".join(map(str, shape)), "--classes",
              classes, "--seed", 1, *options, "--out", self.file)
        rng = random.Random(1)
        count = shape[0] * shape[1] * shape[2]
        self.inputs = []
        for i in range(self.INPUTS):
            path = f"{folder}/{name}-{i}.npy"
            write_npy(path, (1, *shape), (rng.random() for _ in range(count)))
            self.inputs.append(path)
        self.reference = [self.local(path) for path in self.inputs]

    def local(self, path):
        out = f"{self.folder}/local.npy"
        covey("infer", self.file, path, "--local", "--output", out)
        return read_npy(out)

    def path(self, index):
        return self.inputs[index % self.INPUTS]

    def error(self, index, outputs):
        """Greatest difference, relative to the greatest output."""
        right = self.reference[index % self.INPUTS]
        if len(outputs) != len(right):
            return float("inf")
        scale = max(map(abs, right)) or 1.0
        return max(abs(float("inf") if a is None else a - b)
                   for a, b in zip(outputs, right)) / scale


PICTURE, SMALL, DIGIT = (3, 224, 224), (3, 32, 32), (1, 28, 28)
# By name: what it is built from, its input, its classes, options of the builder.
NETWORKS = {
    "lenet5": ("lenet5", DIGIT, 10),
    "mlp256": ("mlp", DIGIT, 10, "--depth", 3, "--units", 256),
    "mlp1024": ("mlp", DIGIT, 10, "--depth", 3, "--units", 1024),
    "mlp4096": ("mlp", DIGIT, 10, "--depth", 3, "--units", 4096),
    "mlp8192": ("mlp", DIGIT, 10, "--depth", 3, "--units", 8192),
    "resnet20": ("resnet20", SMALL, 10),
    "wrn-16-2": ("wrn", SMALL, 10, "--depth", 16, "--width", 2),
    "vgg8": ("vgg8", SMALL, 10),
    "vgg11small": ("vgg11", (3, 64, 64), 10),
    "squeezenet": ("squeezenet", PICTURE, 1000),
    "mobilenet": ("mobilenet", PICTURE, 1000),
    "mobilenet_v2": ("mobilenet_v2", PICTURE, 1000),
    "alexnet": ("alexnet", PICTURE, 1000),
    "resnet34": ("resnet34", PICTURE, 1000),
    "resnet50": ("resnet50", PICTURE, 1000),
    "vgg11": ("vgg11", PICTURE, 1000),
    "vgg16": ("vgg16", PICTURE, 1000),
    "vgg19": ("vgg19", PICTURE, 1000),
}


def models(folder):
    """By name, made when asked for."""
    return {name: functools.partial(Model, folder, name, *how) for name, how in NETWORKS.items()}


# ---- labs ----

class Lab:
    """with Lab(devices=8, cpu=10, rate=1000) as lab: ..."""

    def __init__(self, devices, cpu=None, rate=None, delay=None, memory=None):
        self.devices = devices
        self.cpu = cpu
        self.base = tempfile.mkdtemp(prefix="covey-mesh-")
        self.dir = f"{self.base}/lab"
        self.options = ["--devices", devices, "--mode", "netns", "--wait", 300]
        for name, value in [("cpu", cpu), ("rate", rate), ("delay", delay), ("memory", memory)]:
            if value is not None:
                self.options += [f"--{name}", value]
        self.groups = {}
        self.id = ""

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.end()
            raise
        return self

    def begin(self):
        self.command("up", *self.options)
        self.id = self.list()["id"]
        for node in range(1, self.devices + 1):
            self.groups[node] = CPUACCT / f"covey-{self.id}-{node}"
            self.groups[node].mkdir()
            self.count_cpu(node)

    def __exit__(self, kind, value, trace):
        if kind is not None:
            for node in range(1, self.devices + 1):
                log = pathlib.Path(f"{self.dir}/node{node}.log")
                if log.exists():
                    print_error(f"--- node{node}\n{log.read_text()[-2000:]}")
        self.end()

    def end(self):
        subprocess.run([COVEY, "lab", "down", "--dir", self.dir], capture_output=True)
        for group in self.groups.values():
            remove_group(group)
        subprocess.run(["rm", "-rf", self.base])

    def command(self, *arguments):
        return covey("lab", *arguments, "--dir", self.dir)

    def list(self):
        return json.loads(self.command("list", "--json"))

    def pid(self, node):
        return self.list()["nodes"][node - 1]["pid"]

    def count_cpu(self, node):
        """Threads that are started from now on are counted as well."""
        for thread in os.listdir(f"/proc/{self.pid(node)}/task"):
            (self.groups[node] / "tasks").write_text(thread)

    def percent(self, node):
        shares = [float(p) for p in str(self.cpu or 100).split(",")]
        return shares[(node - 1) % len(shares)]

    def cpu_ns(self):
        return {n: int((g / "cpuacct.usage").read_text()) for n, g in self.groups.items()}

    def run(self, node, *arguments):
        return covey("lab", "run", node, "--dir", self.dir, "--", *arguments)

    def add(self, node, model):
        self.run(node, "model", "add", model.file, "--name", model.name)

    def wait(self):
        self.command("wait", "--wait", 600)

    def restart(self, node):
        self.command("restart", node)
        self.count_cpu(node)

    def coordinator(self, node):
        status = json.loads(self.run(node, "peers", "--json"))
        name = status.get("coordinator")
        for peer in status["peers"]:
            if peer.get("coordinator") is True or (name and name in (peer["name"], peer["id"])):
                return int(peer["name"].removeprefix("node"))
        raise MeshError("no coordinator is known")


def remove_group(group):
    for _ in range(50):
        try:
            group.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.1)


def print_error(text):
    print(text, file=os.sys.stderr, flush=True)


# ---- requests ----

def infer_options(options):
    extra = ["--coded", options.coded] if options.coded else []
    extra += ["--check", options.check] if options.check else []
    return extra + (["--half"] if options.half else [])


class Requests:
    """Requests back to back from one node through one process; answers with when they came."""

    def __init__(self, lab, node, model, count, options=(), on_answer=None):
        self.model = model
        self.lines = []
        self.errors = []
        command = [COVEY, "lab", "run", str(node), "--dir", lab.dir, "--", "infer", model.name,
                   *(model.path(i) for i in range(count)), "--stream", "--timeout", "600",
                   *map(str, options)]
        before, start = lab.cpu_ns(), time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        for text in process.stdout:
            line = json.loads(text)
            line["at"] = time.monotonic()
            self.lines.append(line)
            if on_answer is not None:
                on_answer(len(self.lines))
        self.why = process.stderr.read().strip()
        self.code = process.wait()
        wall_ns = (time.monotonic() - start) * 1e9
        after = lab.cpu_ns()
        self.cpu = {n: (after[n] - before[n], wall_ns * lab.percent(n) / 100) for n in after}
        self.check(count)

    def check(self, count):
        for i, line in enumerate(self.lines):
            if "error" in line or "outputs" not in line:
                self.errors.append(f"request {i}: {line.get('error', 'no outputs')}")
                line["wrong"] = float("inf")
                continue
            line["wrong"] = self.model.error(line.get("index", i), line["outputs"])
        if len(self.lines) != count:
            self.errors.append(f"{len(self.lines)} answers of {count}: {self.why}")

    def ms(self, skip=0):
        return [line["elapsed_ms"] for line in self.lines[skip:] if "elapsed_ms" in line]

    def worst(self):
        return max((line["wrong"] for line in self.lines), default=float("inf"))


def cpu_shares(runs):
    """What the devices used of the processor time that they may have in all of the runs. Not in
    each: measuring its rates a device goes ahead for some 50 ms, and stands still afterwards."""
    largest = 0.0
    for node in runs[0].cpu if runs else ():
        used, allowed = map(sum, zip(*(run.cpu[node] for run in runs)))
        largest = max(largest, used / allowed)
    return {"cpu_share_max": round(largest, 3), "cpu_within": largest <= CPU_SLACK}


class Tally:
    """What several runs of one variant gave."""

    def __init__(self):
        self.ms, self.errors, self.worst, self.runs, self.recovered = [], [], 0.0, [], 0

    def add(self, requests, skip=0):
        self.ms += requests.ms(skip)
        self.errors += requests.errors
        self.worst = max(self.worst, requests.worst())
        self.runs.append(requests)
        self.recovered += sum(line.get("recovered_dead", 0) + line.get("recovered_late", 0)
                              for line in requests.lines)

    def json(self):
        out = {"requests": len(self.ms), "lost": len(self.errors), "worst_error": self.worst,
               "recovered": self.recovered} | cpu_shares(self.runs)
        if self.errors:
            out["errors"] = self.errors[:5]
        return out | summary(self.ms)


def summary(ms):
    if not ms:
        return {}
    ordered = sorted(ms)
    return {"median_ms": round(statistics.median(ordered), 3),
            "mean_ms": round(statistics.fmean(ordered), 3),
            "p95_ms": round(quantile(ordered, 0.95), 3),
            "p99_ms": round(quantile(ordered, 0.99), 3),
            "min_ms": ordered[0], "max_ms": ordered[-1]}


def quantile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def alternate(lab, node, model, variants, requests, chunk):
    """Variants: name to options of infer. Each takes turns of `chunk` requests until all have had
    their number. Each has had some before that are not counted."""
    tallies = {name: Tally() for name in variants}
    for options in variants.values():
        Requests(lab, node, model, 2, options)
    lab.wait()
    for options in variants.values():
        Requests(lab, node, model, 2, options)
    done = 0
    while done < requests:
        count = min(chunk, requests - done)
        for name, options in variants.items():
            tallies[name].add(Requests(lab, node, model, count, options))
        done += count
    return tallies


def predicted(lab, node, model, options=()):
    """Milliseconds as planned, those of one traced request, and how its layers ran."""
    answer = json.loads(lab.run(node, "infer", model.name, model.path(0), "--json", "--trace",
                                "--timeout", 600, *options))
    layers = answer.get("layers", [])
    modes = {}
    for layer in layers:
        mode = layer.get("mode", "?")
        modes[mode] = modes.get(mode, 0) + 1
    plan = json.loads(lab.run(node, "plan", model.name, "--json", *options))
    return {"modes": modes, "traced_ms": round(sum(l["ms"] for l in layers), 3),
            "predicted_ms": plan.get("predicted_ms")}


class Later(threading.Thread):
    """Does something to the mesh after a while, and keeps when."""

    def __init__(self, delay_s, action):
        super().__init__()
        self.delay_s, self.action, self.at = delay_s, action, None
        self.start()

    def run(self):
        time.sleep(self.delay_s)
        self.at = time.monotonic()
        self.action()
