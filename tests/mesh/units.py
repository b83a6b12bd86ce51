#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Devices join and the plan changes: some of the units that they get come from those that had them,
not all from the owner. Then one that had some is lost. Every answer is right throughout.

How much moves after the loss, and from whom, is printed and not checked: it may be next to nothing,
as the new plan has it."""
from lab_common import COVEY, DATA, DIGITS, ask, at, kill, lab, stream, torn_down, up, wait

NODES, JOINING, LOST, LIMIT = 7, (5, 6, 7), 2, 60
MODEL = f"{DATA}/digits.onnx"
STREAM = ["--stream", "--limit", str(LIMIT)]


def check():
    lines = stream(at(1, "infer", MODEL, DIGITS, *STREAM, "--coded", "all"))
    assert [line.get("argmax") for line in lines] == right, lines


def wait_for(devices):
    """Until that many have all that a plan for them gives them."""
    def planned():
        check()
        return ask(1, "infer", MODEL, DIGITS, "--limit", "1", "--coded", "all")["devices"] == devices

    wait(f"{devices} devices in the plan", planned)
    lab("wait", "--wait", "120")


def fetched(nodes):
    """Bytes that the nodes have from the owner, and from others."""
    peers = [ask(node, "peers") for node in nodes]
    return (sum(p["fetched_from_owners"] for p in peers),
            sum(p["fetched_from_others"] for p in peers))


with torn_down(NODES):
    right = [line["argmax"] for line in stream([COVEY, "infer", MODEL, DIGITS, "--local", *STREAM])]
    up(NODES)
    for node in JOINING:
        kill(node)
    lab("wait", "--wait", "120")
    wait_for(NODES - len(JOINING))
    assert fetched((2, 3, 4))[0] > 0
    lab("restart", *map(str, JOINING))
    wait_for(NODES)
    of_owner, of_others = fetched(JOINING)
    print(f"those who joined: {of_owner} bytes from the owner, {of_others} from others", flush=True)
    assert of_others > 0
    left = range(LOST + 1, NODES + 1)
    before = fetched(left)
    kill(LOST)
    lab("wait", "--wait", "120")
    wait_for(NODES - 1)
    of_owner, of_others = (now - then for now, then in zip(fetched(left), before))
    print(f"then one is lost: {of_owner} bytes from the owner, {of_others} from others", flush=True)
