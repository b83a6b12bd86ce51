#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Coded products over a mesh: right by every strategy, exact in the field, whoever is killed.

A node is killed with SIGKILL in the middle of rounds, which then go on; nobody waits for one that
is slow; one that answers wrongly is named and gets no more; the products of convolutions and of
gradients are right too.
"""
import json
import os
import signal
import subprocess
import threading
import time

from lab_common import COVEY, lab, lab_dir, pid_of, run, torn_down, up, wait

NODES, ROUNDS, SIZE = 5, 12, 96
STRATEGIES = ["uncoded", "replication", "mds", "vandermonde", "lt", "field", "private",
              "private-inputs"]
EXACT = {"field", "private", "private-inputs"}


def product(*args, rounds=ROUNDS):
    command = [COVEY, "bench", "train", "--product", "--mesh", "--json", "--state",
               f"{lab_dir}/node1", "--size", str(SIZE), "--rounds", str(rounds), "--timeout",
               "60", *args]
    result = json.loads(run(command))
    assert result["rounds"] == rounds and len(result["round_ms"]) == rounds, (args, result)
    return result


def check(name, result, exact, worst=2e-5):
    assert result["exact"] or not exact, f"{name}: not what one device computes: {result}"
    assert result["error"] <= worst, f"{name}: error {result['error']}"


def by_all(*args):
    """Its rounds began with all devices, and none of them was lost meanwhile: one that is not heard
    of for a while is, and comes back. Without it there may be too few for a code, and those rounds
    are computed here."""
    def unbroken():
        result = product(*args, "--await", str(NODES - 1))
        return result if result["lost"] == 0 else None

    return wait("rounds that lost nobody", unbroken)


def every_strategy():
    for strategy in STRATEGIES:
        result = by_all("--strategy", strategy)
        check(strategy, result, strategy in EXACT, 1e-3 if strategy == "vandermonde" else 2e-5)
        assert result["here"] == 0 and result["answers"] > 0, f"{strategy}: not spread: {result}"
    for more in [["--picture", "8"], ["--gradient", "input", "--picture", "8"],
                 ["--gradient", "weight", "--picture", "8"], ["--gradient", "weight"]]:
        sizes = ["--rows", "10", "--depth", "12", "--columns", "9"]
        for strategy in ["mds", "field"]:
            check(more, product("--strategy", strategy, *sizes, *more), strategy == "field")


def killed():
    """Its tasks are done by others; when all are gone, here."""
    for strategy in ["uncoded", "mds", "lt", "field"]:
        timer = threading.Timer(0.8, os.kill, (pid_of(3), signal.SIGKILL))
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
        lab("wait", "--wait", "120")


def slow():
    """Nobody waits for it, and what it sleeps over ends with the round: the next one of every block
    has its answers too."""
    lab("slow", "4", "--delay", "600000")
    for strategy in ["mds", "replication", "lt"]:
        result = by_all("--strategy", strategy)
        check(f"{strategy}, one slow", result, False)
        assert result["workers"] == NODES - 1, f"a slow node was left out: {result}"
    lab("slow", "4", "--delay", "0")
    check("uncoded, none slow", by_all("--strategy", "uncoded"), False)


def gone():
    """Who asked and went away is forgotten: there is room for no more than four at a time."""
    command = [COVEY, "bench", "train", "--product", "--mesh", "--state", f"{lab_dir}/node1",
               "--await", "60", "--timeout", "1"]
    for _ in range(5):
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert done.returncode != 0, "there were sixty workers"
    check("after others went", product("--strategy", "mds"), False)


def liar():
    """Named in the round of its first wrong answer, without changing the product."""
    lab("lie", "2")
    for strategy in ["uncoded", "field"]:
        workers = NODES - 1 if strategy == "uncoded" else NODES - 2  # it is not asked again
        result = product("--strategy", strategy, "--check-all", "--await", str(workers))
        check(f"{strategy}, one lies", result, strategy in EXACT)
        assert strategy != "uncoded" or result["liars"] == ["node2"], result["liars"]
    result = product("--strategy", "mds", "--check-all")
    check("after the liar", result, False)
    assert not result["liars"] and result["workers"] <= NODES - 2, f"more for a liar: {result}"


with torn_down(NODES):
    up(NODES)
    every_strategy()
    killed()
    slow()
    gone()
    liar()
    print(f"{len(STRATEGIES)} strategies over {NODES} nodes: right")
