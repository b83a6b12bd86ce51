#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A device that cannot hold the model declines to work for a training, which then begins at once, as
with nobody there."""
import glob
import os
import subprocess
import time

from lab_common import DIGITS, ask, at, base, lab, lab_dir, run, torn_down, up, wait

TRAIN = ["train", "--data", DIGITS, "--model", "mlp", "--units", "256", "--epochs", "1", "--mode",
         "data", "--out", f"{base}/mesh.onnx", "--json"]
STORE = 1000  # bytes: less than the model
AWAIT_S = 3  # so long at least a device that may come is waited for


def command_of(node):
    """How its node was started."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read().decode().split("\0")[:-1]
        except OSError:
            continue
        if f"{lab_dir}/node{node}" in words and "--state" in words:
            return words
    raise AssertionError(f"node{node} does not run")


def taken():
    """Seconds of a training at node1."""
    begun = time.monotonic()
    run(at(1, *TRAIN))
    return time.monotonic() - begun


def channels():
    return sum(peer.get("channel", False) for peer in ask(1, "peers")["peers"])


with torn_down():
    up(2)
    words = command_of(2)
    lab("kill", "2")
    wait("node2 gone", lambda: channels() == 0)
    alone = taken()
    with open(f"{base}/node2.log", "wb") as said:
        small = [os.environ["COVEYD"], *words[1:], "--store", str(STORE)]
        with subprocess.Popen(small, stdout=said, stderr=said) as node:
            try:
                wait("node2 there", lambda: channels() == 1)
                declined = taken()
            finally:
                node.terminate()
    assert declined < alone + AWAIT_S * 2 / 3, (declined, alone)
    print(f"declined: {declined:.1f} s, alone {alone:.1f} s", flush=True)
