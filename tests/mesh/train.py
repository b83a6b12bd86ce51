#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A node trains with its mesh: alone it makes the very file that --local writes; with other devices
every strategy learns the same within rounding, exact ones byte for byte, also while a device is
killed; it goes on without whoever asked for it, and ends with a checkpoint when it is told to.
"""
import json
import os
import signal
import subprocess

from lab_common import (COVEY, DIGITS, Moved, ask, at, base, down, lab, read, run, torn_down, train,
                        up, wait, where_it_began)

SMALL = ["--model", "lenet5", "--epochs", "2"]
STRATEGIES = [  # options, how far losses may be from those of one device
    (["--mode", "products", "--coded", "all", "--strategy", "uncoded"], 1e-4),
    (["--coded", "all", "--mode", "products", "--blocks", "2", "--tasks", "3"], 1e-4),
    (["--coded", "all", "--mode", "products", "--strategy", "lt", "--own-work"], 1e-3),
    (["--mode", "data", "--spare", "1"], 1e-4),
    (["--parts", "5"], 1e-4),
]


def seen_once(node, name, ready):
    """What is said of a session once it is as it should be. It may take its time, step by step."""
    said = {}

    def seen():
        said.clear()
        said.update(ask(node, "session", "show", name))
        if said.get("custody", {}).get("owner", f"node{node}") != f"node{node}":
            raise Moved
        return said if ready(said) else None

    return wait(f"{name} as it should be", seen, progress=lambda: said.get("total_steps"))


def same(name, *options):
    """The mesh's owner alone: the very file that --local writes."""
    local, mesh = f"{base}/local.onnx", f"{base}/mesh.onnx"
    words = ["train", "--data", DIGITS, *options]
    run([COVEY, *words, "--local", "--out", local])
    text = run(at(1, *words, "--out", mesh, "--name", name, "--every", "20", "--json"))
    assert read(local) == read(mesh), f"{name}: another model"
    report = json.loads(text)
    assert report["mesh"]["session"] == name and report["last_accuracy"] > 0.5, report
    assert len(report["mesh"]["curve"]["loss"]) > 0 and report["mesh"]["checkpoint_step"] > 0
    print(f"{name}: {report['steps']} steps, {len(read(mesh))} bytes, the same", flush=True)


def curve(*options):
    """Losses and accuracy with the mesh, and how the work was shared."""
    words = ["train", "--data", DIGITS, *SMALL, *options, "--out", f"{base}/mesh.onnx", "--json"]
    report = json.loads(train(1, words, "curve"))
    return report, [e["loss"] for e in report["epochs"]]


def strategies():
    local = json.loads(run([COVEY, "train", "--data", DIGITS, *SMALL, "--local", "--out",
                            f"{base}/local.onnx", "--json"]))
    losses = [e["loss"] for e in local["epochs"]]
    for options, near in STRATEGIES:
        report, seen = curve(*options)
        rounds = report["mesh"]["rounds"]
        assert rounds["rounds"] > 0 and rounds["answers"] > 0, report["mesh"]
        worst = max(abs(a - b) for a, b in zip(losses, seen))
        assert worst < near, f"{options}: {seen}, not {losses}"
        away = abs(report["last_accuracy"] - local["last_accuracy"])
        assert away < 0.05, (options, report["last_accuracy"], local["last_accuracy"])
        print(f"{' '.join(options)}: losses differ by {worst:.1g}, {rounds['rounds']:.0f} rounds",
              flush=True)


def exact():
    """The same numbers, whoever computes: all devices, some, or this one."""
    files = []
    for options in (["--blocks", "2", "--tasks", "4"], ["--blocks", "1", "--tasks", "1"]):
        curve("--strategy", "field", "--coded", "all", *options)
        files.append(read(f"{base}/mesh.onnx"))
    assert files[0] == files[1], "the field's products depend on how they were cut"
    print("field: the same file however it is cut", flush=True)
    return files[0]


def killed(name):
    """A device that dies costs no step."""
    words = ["train", "--data", DIGITS, *SMALL, "--epochs", "24", "--mode", "data", "--name", name]
    run(at(1, *words, "--detach"))
    seen_once(1, name, lambda s: s.get("workers") == 2 and s["total_steps"] > 5)
    lab("kill", "3")
    try:
        seen = seen_once(1, name, lambda s: s["state"] == "done")
    except Moved:
        lab("restart", "3")
        raise
    # One that is not heard of for a while is lost, too, and comes back.
    assert seen["total_steps"] == 24 * 28 and seen["lost"] >= 1, seen
    assert seen["test_accuracy"] > 0.9, seen
    print(f"killed: {seen['reissued']:.0f} tasks done again, no step lost", flush=True)


def detached():
    words = ["train", "--model", "mlp", "--units", "32", "--data", DIGITS, "--epochs", "2"]
    run(at(2, *words, "--name", "alone", "--detach"))
    seen_once(2, "alone", lambda s: s["state"] == "done")
    run(at(2, "session", "get", "alone", "--out", f"{base}/got.onnx"))
    run([COVEY, *words, "--local", "--out", f"{base}/local.onnx"])
    assert read(f"{base}/got.onnx") == read(f"{base}/local.onnx")
    listed = ask(2, "sessions")["sessions"]
    assert any(s["id"] == "alone" and s.get("training") for s in listed), listed
    run(at(2, "session", "stop", "alone"))
    assert "over" in run(at(2, "session", "show", "alone"))
    assert "training session" in run(at(2, "session", "get", "alone", "--out", f"{base}/no.onnx"), 6)
    print("detached: the model is fetched later", flush=True)


def stopped():
    words = ["train", "--model", "lenet5", "--data", DIGITS, "--epochs", "10000", "--name", "long"]
    with open(f"{base}/said", "w") as said:
        child = subprocess.Popen(at(1, *words, "--out", f"{base}/none.onnx"), stdout=said,
                                 stderr=said)
    wait("some steps", lambda: any(
        s["id"] == "long" and s["total_steps"] > 20 for s in ask(1, "sessions")["sessions"]
        if "steps" in s))
    assert "runs here" in run(at(1, *words, "--out", f"{base}/none.onnx"), 1)
    assert "wait" in run(at(1, "session", "get", "long", "--out", f"{base}/none.onnx"), 1)
    os.kill(child.pid, signal.SIGINT)
    code = child.wait(timeout=60)
    said = read(f"{base}/said").decode()
    assert code == 128 + signal.SIGINT and "stopped in epoch" in said, (code, said)
    seen = seen_once(1, "long", lambda s: s["state"] == "stopped")
    assert seen["checkpoint_step"] == seen["total_steps"] > 20, seen
    assert not os.path.exists(f"{base}/none.onnx")
    print(f"stopped: a checkpoint after step {seen['checkpoint_step']}", flush=True)


def refused():
    words = ["train", "--model", "mlp", "--data", DIGITS, "--out", f"{base}/none.onnx"]
    wrong = [
        (["--strategy", "raid"], "--strategy is"), (["--mode", "both"], "--mode is"),
        (["--blocks", "4", "--tasks", "3"], "at least as many"),
        (["--strategy", "uncoded", "--blocks", "4", "--tasks", "6"], "a task for each block"),
        (["--strategy", "replication", "--blocks", "4", "--tasks", "6"], "multiple"),
        (["--private", "1", "--private-inputs", "1"], "masks the inputs too"),
        (["--private", "1", "--strategy", "mds"], "strategies of their own"),
        (["--private", "1", "--mode", "data"], "as they are"),
        (["--mode", "data", "--tasks", "6"], "has --parts and --spare"),
        (["--mode", "products", "--spare", "1"], "of --mode data"),
        (["--mode", "products", "--parts", "2"], "of --mode data"),
        (["--parts", "40", "--batch", "50"], "would be empty"),
        (["--parts", "2", "--spare", "2"], "more than --spare"),
        (["--parts", "5", "--check", "all"], "multiple"),
        (["--check", "some"], "--check takes"), (["--checkpoint", f"{base}/c"], "--checkpoint is"),
        (["--local", "--spare", "1"], "leave --local out"),
    ]
    for options, text in wrong:
        said = run([COVEY, *words, *options], 2)
        assert text in said and said.count("\n") == 1, (options, said)
    print(f"refused: {len(wrong)} combinations", flush=True)


with torn_down():
    refused()
    up(1)
    same("mlp-here", "--model", "mlp", "--units", "48", "--epochs", "3", "--optimizer", "adam")
    same("lenet5-here", "--model", "lenet5", "--epochs", "3")
    stopped()
    alone = exact()
    down()
    up(3)
    strategies()
    assert exact() == alone, "devices compute another product than this one"
    where_it_began(killed, "dies")
    detached()
