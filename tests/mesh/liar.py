#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A worker that answers gradients wrongly: with --check all it is named in the step where it first
does, gets no more, and the model is the very one that honest workers make.
"""
import json
import re

from lab_common import DIGITS, ask, base, lab, read, torn_down, train, up, wait

NODES, LIAR = 4, 3
WORDS = ["train", "--model", "lenet5", "--data", DIGITS, "--epochs", "1", "--mode", "data",
         "--parts", "4", "--json"]


def model_of(name, *options):
    """What is said of it, and its model."""
    out = f"{base}/{name}.onnx"
    report = json.loads(train(1, [*WORDS, *options, "--out", out], name))
    return report, read(out)


def liars_of(report):
    names = {peer["id"]: peer["name"] for peer in ask(1, "peers")["peers"]}
    return [names.get(who, who) for who in report["mesh"]["rounds"]["liars"]]


def lies(model):
    """The training in which it is named: it need not be the first one, if nobody hears of it just
    then and it gets no tasks. No lie is in any of their models."""
    def named():
        report, again = model_of("lied", "--check", "all")
        assert again == model, "a lie came into the model"
        return report if liars_of(report) else None

    report = wait("the liar's name", named)
    assert liars_of(report) == [f"node{LIAR}"], report["mesh"]["rounds"]
    return report


with torn_down(NODES):
    up(NODES)
    honest, model = model_of("honest", "--check", "all")
    assert liars_of(honest) == [] and honest["mesh"]["rounds"]["check_s"] > 0, honest["mesh"]
    believed, same = model_of("believed", "--spare", "1")
    assert same == model and believed["mesh"]["rounds"]["check_s"] == 0, believed["mesh"]
    lab("lie", str(LIAR), "--share", "80")  # of 26 answers none is with a chance of 10^-18
    lied = lies(model)
    lab("lie", str(LIAR), "--off")
    after, again = model_of("after", "--check", "all")
    assert liars_of(after) == [] and again == model
    # Without the owner and the liar; and whoever is not heard of just then.
    others = re.search(r"samples for (\d+) device", after["mesh"]["why"])
    assert others and int(others[1]) <= NODES - 2, after["mesh"]["why"]
    print(f"{lied['steps']} steps, one named, the same model")
