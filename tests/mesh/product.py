#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Coded products over a mesh: right by every strategy, exact in the field, whoever is killed.

A node is killed with SIGKILL in the middle of rounds, which then go on; nobody waits for one that
is slow; one that answers wrongly is named and gets no more; the products of convolutions and of
gradients are right too.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

NODES, ROUNDS, SIZE = 5, 12, 96
STRATEGIES = ["uncoded", "replication", "mds", "vandermonde", "lt", "field", "private",
              "private-inputs"]
EXACT = {"field", "private", "private-inputs"}
COVEY = os.environ["COVEY"]
base = tempfile.mkdtemp(prefix="covey-test-")
lab_dir = f"{base}/lab"


def fail(text):
    print(text)
    for i in range(1, NODES + 1):
        if os.path.exists(f"{lab_dir}/node{i}.log"):
            print(f"-- node{i}", open(f"{lab_dir}/node{i}.log").read()[-1500:])
    sys.exit(1)


def lab(*args):
    done = subprocess.run([COVEY, "lab", *args, "--dir", lab_dir], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        fail(f"covey lab {' '.join(args)} gave {done.returncode}: {done.stdout}")
    return done.stdout


def product(*args, rounds=ROUNDS):
    command = [COVEY, "bench", "train", "--product", "--mesh", "--json", "--state",
               f"{lab_dir}/node1", "--size", str(SIZE), "--rounds", str(rounds), "--timeout",
               "60", *args]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        fail(f"{args} gave {done.returncode}: {done.stderr}")
    result = json.loads(done.stdout)
    if result["rounds"] != rounds or len(result["round_ms"]) != rounds:
        fail(f"{args}: not all rounds: {result}")
    return result


def check(name, result, exact, worst=2e-5):
    if exact and not result["exact"]:
        fail(f"{name}: not exactly what one device computes: {result}")
    if not result["error"] <= worst:
        fail(f"{name}: error {result['error']}")


def pid(i):
    nodes = json.loads(subprocess.run([COVEY, "lab", "list", "--json", "--dir", lab_dir],
                                      stdout=subprocess.PIPE, text=True, check=True).stdout)
    nodes = nodes["nodes"] if isinstance(nodes, dict) else nodes
    return nodes[i - 1]["pid"]


def every_strategy():
    for strategy in STRATEGIES:
        result = product("--strategy", strategy, "--await", str(NODES - 1))
        check(strategy, result, strategy in EXACT, 1e-3 if strategy == "vandermonde" else 2e-5)
        if result["here"] > 0 or result["answers"] == 0:
            fail(f"{strategy}: was not spread: {result}")
    for more in [["--picture", "8"], ["--gradient", "input", "--picture", "8"],
                 ["--gradient", "weight", "--picture", "8"], ["--gradient", "weight"]]:
        sizes = ["--rows", "10", "--depth", "12", "--columns", "9"]
        for strategy in ["mds", "field"]:
            check(more, product("--strategy", strategy, *sizes, *more), strategy == "field")


def killed():
    """Its tasks are done by others; when all are gone, here."""
    for strategy in ["uncoded", "mds", "lt", "field"]:
        victim = pid(3)
        timer = threading.Timer(0.8, lambda: os.kill(victim, signal.SIGKILL))
        timer.start()
        begin, rounds, lost = time.monotonic(), 0, 0
        while timer.is_alive() or time.monotonic() - begin < 1.5:
            result = product("--strategy", strategy, rounds=100)
            check(f"{strategy}, one killed", result, strategy in EXACT)
            rounds += result["rounds"]
            lost += result["lost"]
        if lost == 0:
            print(f"{strategy}: nobody worked when the node was killed")
        lab("restart", "3")
        lab("wait", "--wait", "30")


def slow():
    """Nobody waits for it, and what it sleeps over ends with the round: the next one of every block
    has its answers too."""
    lab("slow", "4", "--delay", "600000")
    for strategy in ["mds", "replication", "lt"]:
        result = product("--strategy", strategy, "--await", str(NODES - 1))
        check(f"{strategy}, one slow", result, False)
        if result["workers"] != NODES - 1:
            fail(f"a slow node was left out: {result}")
    lab("slow", "4", "--delay", "0")
    check("uncoded, none slow", product("--strategy", "uncoded", "--await", str(NODES - 1)), False)


def gone():
    """Who asked and went away is forgotten: there is room for no more than four at a time."""
    command = [COVEY, "bench", "train", "--product", "--mesh", "--state", f"{lab_dir}/node1",
               "--await", "60", "--timeout", "1"]
    for _ in range(5):
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode == 0:
            fail("there were sixty workers")
    check("after others went", product("--strategy", "mds"), False)


def liar():
    """Named in the round of its first wrong answer, without changing the product."""
    lab("lie", "2")
    for strategy in ["uncoded", "field"]:
        result = product("--strategy", strategy, "--check-all")
        check(f"{strategy}, one lies", result, strategy in EXACT)
        if strategy == "uncoded" and result["liars"] != ["node2"]:
            fail(f"the liar was not named: {result['liars']}")
    result = product("--strategy", "mds", "--check-all")
    check("after the liar", result, False)
    if result["liars"] or result["workers"] > NODES - 2:
        fail(f"a liar got more work: {result}")


def main():
    lab("up", "--devices", str(NODES), "--mode", "loopback")
    every_strategy()
    killed()
    slow()
    gone()
    liar()
    print(f"{len(STRATEGIES)} strategies over {NODES} nodes: right")


try:
    main()
finally:
    subprocess.run([COVEY, "lab", "down", "--dir", lab_dir], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    shutil.rmtree(base, ignore_errors=True)
