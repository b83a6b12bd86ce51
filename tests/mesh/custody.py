#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Training sessions outlive their owners. `custody.py kill`: the owner is killed, another custodian
goes on by itself, no more than the steps since a checkpoint are lost, and the model is byte for byte
the one that nobody disturbed. `custody.py large`: the same with checkpoints that are larger than what
fits one message, and are kept in pieces. `custody.py hand`: a session that was stopped is resumed, at
its device and at others, and stays the same session. `custody.py cut`: the network is cut with the
owner on either side, and never do two devices own the session. `custody.py done`: one that is done
is there after its device was started again, as long as nobody says that it may go.
"""
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time

from lab_common import (COVEY, DIGITS, ask, at, base, down, lab, lab_dir, read, run, sanitized,
                        torn_down, up, wait)

# Too small to be worth another device: every step is computed by the owner, so that the bits agree.
TRAIN = ["train", "--model", "mlp", "--units", "48", "--data", DIGITS, "--seed", "11"]
LIMIT_S = 10
FAST = 20  # steps between checkpoints, of some thousand a second
ELECTED_S = 6  # a lease, and more than a vote takes
CUT_S = 8  # a lease is over, and another one would have been elected
FORKS = 8
LONG = 400  # epochs: some seconds
OWNED, OVER = 2, 3  # of a journal
OWNER = 2  # where nobody else is to own it


def show(node, name):
    """What a node that trains, or trained, says of the session; None: it does not."""
    done = subprocess.run(at(node, "session", "show", name, "--json"), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    seen = json.loads(done.stdout) if done.returncode == 0 else None
    return seen if seen is not None and "total_steps" in seen and "epochs" in seen else None


def never(what, seen, seconds):
    """Looks all the time for what must not happen while it could."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert not seen(), what


def log_of(node):
    return read(f"{lab_dir}/node{node}.log").decode(errors="replace")


def went_on(node):
    """The step after which it says that it goes on."""
    lines = wait("said", lambda: [line for line in log_of(node).splitlines()
                                  if "goes on here in epoch" in line])
    return int(lines[-1].rsplit(" ", 1)[1])


def local(epochs):
    """What is said of a training by one process, and the seconds that its threads took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads(run([COVEY, *TRAIN, "--local", "--epochs", str(epochs), "--json",
                             "--out", f"{base}/local.onnx"]))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return report, after.ru_utime - before.ru_utime


def undisturbed(seconds):
    """A training of about so long, and the model that comes of it: (epochs, steps a second, file)."""
    report, few_s = local(20)
    speed = report["steps"] / max(report["seconds"], 1e-3)
    more, more_s = local(120)
    # Where others use the processor too, its own time says how fast it may be later.
    speed = max(speed, (more["steps"] - report["steps"]) / max(more_s - few_s, 1e-2))
    epochs = min(8000, max(6, int(seconds * speed / (report["steps"] / 20))))
    report, _ = local(epochs)
    print(f"undisturbed: {report['steps']} steps, {speed:.0f} a second, "
          f"accuracy {report['last_accuracy']:.4f}", flush=True)
    return epochs, speed, f"{base}/local.onnx"


def begin(node, name, epochs, every, watched=False):
    """And the process that watches it, if one is to."""
    words = [*TRAIN, "--epochs", str(epochs), "--every", str(every), "--name", name]
    if watched:
        child = subprocess.Popen(at(node, *words, "--out", f"{base}/never.onnx"),
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    else:
        run(at(node, *words, "--detach"))
        child = None

    def kept():
        """Also before there are three, no more steps are made than may be lost."""
        seen = show(node, name) or {"total_steps": 0, "checkpoint_step": 0, "custodians": 0}
        assert seen["total_steps"] - seen["checkpoint_step"] <= every, seen
        return seen["custodians"] == 3
    wait("kept by three", kept)
    wait("a checkpoint", lambda: (lambda s: s if s and s["checkpoint_step"] >= 2 * every
                                  else None)(show(node, name)))
    return child


def ended(nodes, name):
    """Where it ended, and what is said of it there: [(node, said)]. It may take its time, step by
    step; and another goes on where the owner is not heard of for long."""
    steps = {}

    def done():
        said = [(n, s) for n, s in ((n, show(n, name)) for n in nodes) if s]
        steps.update((n, s["total_steps"]) for n, s in said)
        return [(n, s) for n, s in said if s["state"] == "done"]

    return wait("done", done, 240, progress=lambda: dict(steps))


def finish(nodes, name, path):
    node, seen = ended(nodes, name)[0]
    run(at(node, "session", "get", name, "--out", f"{base}/got.onnx"))
    assert read(f"{base}/got.onnx") == read(path), f"{name}: another model"
    return node, seen


def owners(nodes, name):
    return [n for n in nodes if (show(n, name) or {}).get("state") == "running"]


def kill():
    epochs, speed, path = undisturbed(14)
    up(4)
    every = max(10, int(speed * 0.7))
    begin(1, "killed", epochs, every)
    before = show(1, "killed")
    assert before["state"] == "running", before
    lab("kill", "1")
    killed = time.monotonic()
    owner = wait("another owner", lambda: owners([2, 3, 4], "killed"))
    took = time.monotonic() - killed
    assert len(owner) == 1, owner
    lost = before["total_steps"] - went_on(owner[0])
    print(f"killed: node1 at step {before['total_steps']}, node{owner[0]} goes on after step "
          f"{went_on(owner[0])} in {took:.1f} s; {max(lost, 0)} steps are done again (at most "
          f"{every})", flush=True)
    assert lost <= every, (before, lost)
    assert sanitized or took <= LIMIT_S, took
    end, seen = finish([2, 3, 4], "killed", path)
    print(f"killed: the model is the same, accuracy {seen['test_accuracy']:.4f}", flush=True)
    lab("restart", "1")
    fast(end, epochs)


def hand():
    epochs, speed, path = undisturbed(14)
    up(4)
    every = max(10, int(speed * 0.5))
    stopped(1, epochs, every, path)
    forgotten(1, epochs, every)
    alone(epochs, every, path)


def fast(node, epochs):
    """Checkpoints that are asked for more often than they travel: steps wait for them."""
    begin(node, "fast", epochs, FAST)
    before = show(node, "fast")
    assert before["state"] == "running", before
    assert before["total_steps"] - before["checkpoint_step"] <= FAST, before
    lab("kill", str(node))
    others = [n for n in range(1, 5) if n != node]
    owner = wait("another owner", lambda: owners(others, "fast"))
    lost = before["total_steps"] - went_on(owner[0])
    print(f"fast: node{node} at step {before['total_steps']}, node{owner[0]} goes on after step "
          f"{went_on(owner[0])} (at most {FAST} are lost)", flush=True)
    assert lost <= FAST, (before, lost)
    run(at(owner[0], "session", "stop", "fast"))


def custody(node, name):
    """What a node keeps of a session, whether it trains it or not; {}: nothing."""
    done = subprocess.run(at(node, "session", "show", name, "--json"), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout).get("custody", {}) if done.returncode == 0 else {}


def rests(name, nodes):
    """Those where it is stopped and kept."""
    return [n for n in nodes if custody(n, name).get("kept") == "while it is stopped"]


def journal(node, name):
    """Sessions of this name that a node's journal knows: [(id, state, epoch)]."""
    with sqlite3.connect(f"file:{lab_dir}/node{node}/journal.db?mode=ro", uri=True) as db:
        return [(i.hex(), s, e) for i, s, e in
                db.execute("SELECT id, state, epoch FROM session WHERE name = ?", (name,))]


def interrupted(node, name, epochs, every):
    """Begun and watched at a terminal, and stopped by Ctrl-C there."""
    command = at(node, *TRAIN, "--epochs", str(epochs), "--every", str(every), "--name", name,
                 "--out", f"{base}/never.onnx")
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait("kept by three", lambda: (show(node, name) or {}).get("custodians") == 3)
    wait("a checkpoint", lambda: (show(node, name) or {}).get("checkpoint_step", 0) >= 2 * every)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 128 + signal.SIGINT and f"--resume {name}" in said, said
    return show(node, name)


def stopped(node, epochs, every, path):
    """Stopped by Ctrl-C it goes on by hand, at another device and, after a restart, at the first:
    always the same session, from the very step, and nowhere by itself."""
    nodes = range(1, 5)
    end = interrupted(node, "stopped", epochs, every)
    keep = wait("three that keep it", lambda: (lambda r: r if len(r) == 3 else None)(
        rests("stopped", nodes)))
    first = custody(node, "stopped")
    assert first["recoverable"] and first["checkpoint_step"] == end["total_steps"], (first, end)
    lab("kill", str(node))
    other = [n for n in keep if n != node][0]
    run(at(other, "train", "--resume", "stopped", "--detach"))
    on = wait("to go on", lambda: show(other, "stopped"))
    second = custody(other, "stopped")
    assert second["session"] == first["session"] and second["epoch"] > first["epoch"], second
    assert went_on(other) == end["total_steps"] <= on["total_steps"], (went_on(other), end, on)
    lab("restart", str(node))
    third = wait("another that keeps it", lambda: [
        n for n in nodes if custody(n, "stopped").get("kept") == "for another device"])[0]
    assert "go on with it by themselves" in run(at(third, "train", "--resume", "stopped"), 5)
    wait("three that keep it", lambda: (show(other, "stopped") or {}).get("custodians") == 3)
    run(at(other, "session", "stop", "stopped"))
    keep = wait("three that stop", lambda: (lambda r: r if len(r) == 3 else None)(
        rests("stopped", nodes)))
    last = keep[0] if keep[0] != other else keep[1]
    for n in (last, other):
        lab("kill", str(n))
        lab("restart", str(n))
    wait("all back", lambda: custody(last, "stopped").get("recoverable"))
    run(at(last, "train", "--resume", "stopped", "--out", f"{base}/resumed.onnx"))
    assert read(f"{base}/resumed.onnx") == read(path), "resumed: another model"
    rows = [row for n in keep for row in journal(n, "stopped")]
    assert {row[0] for row in rows} == {first["session"]} and len(rows) == 3, rows
    assert "no training session" in run(at(last, "train", "--resume", "never"), 6)
    print(f"stopped: at node{node} after step {end['total_steps']}, went on at node{other} and, "
          f"after restarts, at node{last}: one session, and the same model", flush=True)


def forgotten(node, epochs, every):
    """One that rests is forgotten by all once that is said at any of them."""
    begin(node, "gone", epochs, every)
    run(at(node, "session", "stop", "gone"))
    keep = wait("three that stop", lambda: (lambda r: r if len(r) == 3 else None)(
        rests("gone", range(1, 5))))
    run(at([n for n in keep if n != node][0], "session", "stop", "gone"))
    wait("nobody keeps it", lambda: not rests("gone", range(1, 5)))


def here():
    """What node2 keeps of the session `two`."""
    return custody(2, "two")


def alone(epochs, every, path):
    """With two devices the owner's death is a pause. Once it is back it goes on; the other one does
    not by itself, nor as the same session by hand: only as another one, when that is said."""
    down()
    up(2)
    run(at(1, *TRAIN, "--epochs", str(epochs), "--every", str(every), "--name", "two", "--detach"))
    wait("a checkpoint", lambda: here().get("checkpoint_step", 0) >= every)
    assert "go on with it by themselves" in run(at(2, "train", "--resume", "two"), 5)
    assert "another device owns two" in run(at(2, "session", "stop", "two"), 5)
    first = custody(1, "two")
    lab("kill", "1")
    lab("restart", "1")
    wait("the session", lambda: custody(1, "two"))
    run(at(1, "train", "--resume", "two", "--detach"))
    wait("to go on", lambda: (show(1, "two") or {}).get("state") == "running")
    second = custody(1, "two")
    assert second["session"] == first["session"] and second["epoch"] > first["epoch"], second
    lab("kill", "1")
    never("a single device of two went on by itself", lambda: show(2, "two"), ELECTED_S)
    kept = here()
    assert not kept["recoverable"] and kept["owner"] == "node1", kept
    assert "--fork" in run(at(2, "train", "--resume", "two"), 1)
    run(at(2, "train", "--resume", kept["session"][:12], "--fork", "--out",
           f"{base}/resumed.onnx"))
    assert read(f"{base}/resumed.onnx") == read(path), "alone: another model"
    assert here()["session"] != kept["session"], here()
    print(f"alone: went on by hand after step {kept['checkpoint_step']} to the same model",
          flush=True)


def large():
    """The owner of a model is killed whose checkpoints are above 64 MiB."""
    lines = ["train", "--model", "mlp", "--units", "2150", "--data", DIGITS, "--seed", "11",
             "--batch", "16", "--epochs", "1"]
    path = f"{base}/local.onnx"
    report = json.loads(run([COVEY, *lines, "--local", "--json", "--out", path]))
    state = 8 * report["parameters"]  # with momentum
    assert state > 64 << 20, report
    up(3)
    every = report["steps"] // 5
    run(at(1, *lines, "--mode", "products", "--every", str(every), "--name", "large", "--detach"))
    before = wait("a checkpoint, kept by three", lambda: (
        lambda s: s if s and s["custodians"] == 3 and s["checkpoint_step"] > 0 else None)(
            show(1, "large")), 240)
    assert before["custody"]["recoverable"], before
    lab("kill", "1")
    killed = time.monotonic()
    owner = wait("another owner", lambda: owners([2, 3], "large"))
    lost = before["total_steps"] - went_on(owner[0])
    print(f"large: checkpoints of {state >> 20} MiB; node1 at step {before['total_steps']}, "
          f"node{owner[0]} goes on after step {went_on(owner[0])} in "
          f"{time.monotonic() - killed:.1f} s (at most {every} are lost)", flush=True)
    assert went_on(owner[0]) > 0 and lost <= every, (before, lost)
    _, seen = finish([2, 3], "large", path)
    print(f"large: the model is the same, accuracy {seen['test_accuracy']:.4f}", flush=True)


class Watch(threading.Thread):
    """When a node was seen to own and train a session: [(from, to)], each within what is true."""

    def __init__(self, node, name):
        super().__init__(daemon=True)
        self.node, self.name_, self.seen, self.over = node, name, [], False

    def run(self):
        while not self.over:
            asked = time.monotonic()
            seen = show(self.node, self.name_)
            if seen is not None and seen["state"] == "running":
                self.seen.append((asked, time.monotonic(), seen["total_steps"]))
            time.sleep(0.05)


def never_two(watches):
    """A node was asked after another one had answered, and both say `running`: two owners, unless
    the first one was seen to stop in between."""
    events = sorted((begun, ended, w.node) for w in watches for begun, ended, _ in w.seen)
    turns = []
    for begun, ended, node in events:
        if not turns or turns[-1][0] != node:
            turns.append([node, begun, ended])
        turns[-1][2] = ended
    for i, (node, _, _) in enumerate(turns):
        later = [t for t in turns[i + 1:] if t[0] == node]
        between = [t for t in turns[i + 1:] if t[0] != node and later and t[2] < later[0][1]]
        assert not between, f"two owners by turns: {turns}"
    return [t[0] for t in turns]


def custodians(name, owner):
    """The nodes that keep the session for its owner."""
    kept = []
    for n in range(1, 6):
        listed = ask(n, "sessions")["sessions"]
        kept += [n for s in listed if s["id"] == name and s["state"] == "kept" and n != owner]
    return kept


def cut_case(name, title, targets, training, until=None):
    """Cut until something is so, or for CUT_S."""
    epochs, every, path = training
    alone = name == "minority"
    watcher = begin(1 if alone else OWNER, name, epochs, every, watched=alone)
    watches = [Watch(n, name) for n in range(1, 6)]
    for w in watches:
        w.start()
    cut = targets()
    lab("cut", *(str(n) for n in cut))
    if until is None:
        time.sleep(CUT_S)
    else:
        wait(f"what follows from {title}", until)
    lab("heal", *(str(n) for n in cut))
    done = [n for n, _ in ended(range(1, 6), name)]
    for w in watches:
        w.over = True
        w.join()
    turns = never_two(watches)
    if watcher is not None:
        said = watcher.communicate(timeout=60)[1]
        assert watcher.returncode == 1 and "another device goes on with it" in said, said
    assert len(done) == 1, done
    finish(done, name, path)
    print(f"{title}: cut {['node%d' % n for n in cut]}, owners one after another: "
          f"{['node%d' % n for n in turns]}; the model is the same", flush=True)
    return turns


def cut():
    epochs, speed, path = undisturbed(8)
    training = epochs, max(10, int(speed * 0.7)), path
    up(5, mode="netns")
    turns = cut_case("minority", "owner alone", lambda: [1], training,
                     lambda: owners(range(2, 6), "minority"))
    assert turns[0] == 1 and len(turns) > 1, turns
    turns = cut_case("majority", "one custodian away",
                     lambda: custodians("majority", OWNER)[:1], training)
    assert turns == [OWNER], turns
    turns = cut_case("nobody", "no majority", lambda: custodians("nobody", OWNER), training,
                     lambda: not owners([OWNER], "nobody"))
    assert turns[0] == OWNER, turns  # whoever is quicker once they are back together


def files():
    """What node1 keeps of trainings that are done."""
    folder = f"{lab_dir}/node1/trained"
    return [f"{folder}/{name}" for name in os.listdir(folder)]


def started_again():
    lab("kill", "1")
    lab("restart", "1")


def without_custody(name):
    seen = show(1, name) or {}
    return {key: value for key, value in seen.items() if key != "custody"}


def unnoted():
    """Killed when it was done and its journal did not say so yet, it is done all the same."""
    path, copy = f"{lab_dir}/node1/journal.db", f"{base}/journal.db"
    owned = ("SELECT 1 FROM session AS s JOIN custody ON session = id"
             f" WHERE name = 'unnoted' AND s.state = {OWNED}")
    run(at(1, *TRAIN, "--epochs", str(LONG), "--name", "unnoted", "--detach"))
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db, sqlite3.connect(copy) as kept:
        wait("its owner in the journal", lambda: db.execute(owned).fetchone())
        db.backup(kept)
    db.close()
    kept.close()
    ended([1], "unnoted")
    before = without_custody("unnoted")
    wait("its end in the journal", lambda: journal(1, "unnoted")[0][1] == OVER)
    lab("kill", "1")
    os.replace(copy, path)
    for more in ("wal", "shm"):
        if os.path.exists(f"{path}-{more}"):
            os.remove(f"{path}-{more}")
    assert journal(1, "unnoted")[0][1] == OWNED
    lab("restart", "1")
    wait("its end in the journal", lambda: journal(1, "unnoted")[0][1] == OVER)
    assert without_custody("unnoted") == before, without_custody("unnoted")
    assert "goes on here in epoch" not in log_of(1), "trained again"


def forked():
    """Whoever watches a fork is told of it, and not of the one before it, of the same name."""
    run(at(1, *TRAIN, "--epochs", "60", "--name", "forked", "--out", f"{base}/before.onnx"))
    for _ in range(FORKS):
        run(at(1, "train", "--resume", "forked", "--fork", "--out", f"{base}/fork.onnx"))
        seen = show(1, "forked")
        assert seen["state"] == "done", seen


def done():
    """Its model, its record and its name, after SIGKILL too."""
    up(1)
    local(6)
    for name in ("first", "second"):
        run(at(1, *TRAIN, "--epochs", "6", "--name", name, "--detach"))
        ended([1], name)
    before = without_custody("first")
    started_again()
    assert without_custody("first") == before, without_custody("first")
    ended([1], "second")
    states = {s["id"]: s["state"] for s in ask(1, "sessions")["sessions"]}
    assert states == {"first": "over", "second": "over"}, states
    run(at(1, "session", "get", "first", "--out", f"{base}/got.onnx"))
    assert read(f"{base}/got.onnx") == read(f"{base}/local.onnx"), "another model"
    unnoted()
    run(at(1, "session", "stop", "first"))
    run(at(1, "session", "stop", "unnoted"))
    wait("its file gone", lambda: len(files()) == 1)
    for path in files():
        with open(path, "ab") as file:
            file.write(b"x")
    started_again()
    wait("said", lambda: log_of(1).count("cannot be shown any more") == 1)
    assert without_custody("second") == {}, "read from a damaged file"
    forked()
    print("done: there after a restart, until it was forgotten", flush=True)


with torn_down():
    {"kill": kill, "hand": hand, "large": large, "cut": cut, "done": done}[sys.argv[1]]()
