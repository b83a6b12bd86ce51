#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`covey lab wait` waits until what nodes send one another arrives: where TCP alone is held up they
all stay alive, and no channel ends for long."""
import json
import subprocess

from lab_common import (COVEY, DATA, DIGITS, ask, at, lab, lab_dir, run, torn_down, up, wait)

NODES = 3


def hold_up(network, word):
    """TCP leaves that network no more; or does again."""
    for family in "-4", "-6":
        subprocess.run(["ip", family, "-n", network, "rule", word, "pref", "1", "ipproto", "tcp",
                        "blackhole"], check=True)


def seen():
    """Whether node 1 has a channel to each of the others, which all are alive."""
    others = [p for p in ask(1, "peers")["peers"] if not p["self"]]
    return all(p["state"] == "alive" for p in others) and {p["name"]: p["channel"] for p in others}


with torn_down(NODES):
    up(NODES, mode="netns")
    assert seen() == {"node2": True, "node3": True}
    network = f"cvy-{json.loads(lab('list', '--json'))['id']}-{NODES}"
    hold_up(network, "add")
    # Something to send: where nothing is sent nothing is held up.
    run(at(1, "infer", f"{DATA}/digits.onnx", DIGITS, "--limit", "5", "--coded", "all"))
    wait("a channel that stands still", lambda: seen() == {"node2": True, "node3": False})
    said = run([COVEY, "lab", "wait", "--wait", "2", "--dir", lab_dir], 4)
    assert "reach one another" in said, said
    hold_up(network, "del")
    lab("wait", "--wait", "120")
    assert seen() == {"node2": True, "node3": True}
