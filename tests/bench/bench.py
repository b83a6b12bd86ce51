# SPDX-License-Identifier: MIT
"""What the comparisons share: our programs, engines driven line by line, fair turns."""

import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "build" / "release" / "bin"
WARM_UP_RUNS = 3
ROUND_MS = 250.0


class BenchError(Exception):
    """What went wrong, for people: one line."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def cache_folder():
    """Never inside the repository."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = pathlib.Path(base) / "covey-bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def program(name):
    """The path of one of our programs; builds the release preset when it is missing."""
    path = PROGRAMS / name
    if not path.exists():
        say(f"building the release preset for {name}")
        for command in (["cmake", "--preset", "release"],
                        ["cmake", "--build", "--preset", "release"]):
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL)
            if done.returncode != 0:
                raise BenchError(f"'{' '.join(command)}' failed")
    if not path.exists():
        raise BenchError(f"the build made no {path}")
    return str(path)


def one_blas_thread():
    return dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")


class Engine:
    """A process that answers lines with lines of JSON. Only one computes at a time."""

    def __init__(self, command, environment):
        self.cpu_ms = 0.0
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)
        try:
            self.ready = self.answer()
        except BenchError:
            self.close()
            raise

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise BenchError(f"{self.process.args[0]} ended without an answer")
        answer = json.loads(line)
        if "error" in answer:
            raise BenchError(answer["error"])
        return answer

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def run(self, count):
        """The times of each run; adds to cpu_ms what the process computed, if it says so."""
        answer = self.ask(f"run {count}")
        self.cpu_ms += answer.get("cpu_ms", 0.0)
        return answer["ms"]

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def alternate(engines, runs, seconds):
    """Times of each engine, taken in turns of about ROUND_MS: A B A B, and so on. Runs 0: as many
    as fit into so many seconds for each, between 9 and 200."""
    slowest = max(statistics.median(e.run(WARM_UP_RUNS)) for e in engines)
    if runs == 0:
        runs = max(9, min(200, int(seconds * 1000 / slowest)))
    turn = max(1, min(10, int(ROUND_MS / slowest)))
    for engine in engines:
        engine.cpu_ms = 0.0
    times = [[] for _ in engines]
    while len(times[0]) < runs:
        count = min(turn, runs - len(times[0]))
        for engine, taken in zip(engines, times):
            taken.extend(engine.run(count))
    return times


def paired_ratio(ours, theirs):
    """The median over the runs' neighbours in time: what a machine that changes its pace does to
    one, it does to the other."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


def name_of(path):
    """Zoos call each file model.onnx: the folder says which."""
    return path.resolve().parent.name if path.stem == "model" else path.stem


def geometric_mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values)) if values else None


def rounded(document):
    """Four digits behind the point are enough to read."""
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in document.items()}


def print_line(document):
    print(json.dumps(rounded(document)), flush=True)


def load_now():
    """Other work on this machine, which a reader of the numbers should know of."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
