#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Batches whose layers' inputs are relayed by their holders, over slow links: every answer is that of
one process, also while devices are killed in the middle of a stream, none is lost, and a device
that lies is named, and no other."""
import os
import random

from lab_common import (COVEY, ask, at, base, difference, id_of, kill, lab, lab_dir, read, read_tensor,
                        run, stream, torn_down, up, wait, write_tensor)

NODES, LIAR, BATCH, REQUESTS, KILLS = 5, 4, 128, 12, 4
rng = random.Random(int(os.environ.get("COVEY_SEED", 11)))
model = f"{base}/net.onnx"


def tensor(requests):
    """Of so many requests, and what one process answers."""
    path, out = f"{base}/{requests}.npy", f"{base}/{requests}-right.npy"
    write_tensor(path, (BATCH * requests, 1, 28, 28),
                 (rng.random() for _ in range(BATCH * requests * 784)))
    run([COVEY, "infer", model, path, "--batch", str(BATCH), "--local", "--output", out])
    numbers = read_tensor(out)
    return path, [numbers[i:i + 10] for i in range(0, len(numbers), 10)]


def is_relayed(document):
    """The holders of two layers had their input from others; nothing else feeds in such a plan."""
    return sum(layer["fed"] > 1 for layer in document["layers"]) > 1


def infer(*options):
    out = f"{base}/out.npy"
    document = ask(1, "infer", model, one, "--batch", str(BATCH), "--coded", "all", "--trace",
                   "--output", out, *options)
    numbers = read_tensor(out)
    right = [number for row in right_of_one for number in row]
    assert difference(numbers, right) < 1e-4, f"a wrong answer: {document}"
    return document


def honest(*options):
    document = infer(*options)
    assert not liars(), document
    return document


def liars():
    return [peer["id"] for peer in ask(1, "peers")["peers"] if peer["lied"]]


def measured():
    """How fast bodies come over the links, by each node: plans count on that."""
    return all(b"without the link" in read(f"{lab_dir}/node{node}.log")
               for node in range(1, NODES + 1))


def relayed(*options):
    wait("relayed inputs", lambda: is_relayed(honest(*options)))


def check_stream(lost):
    """With a device that is killed soon after one of the first answers."""
    begin = BATCH * rng.randrange(2, REQUESTS // 2)
    lines = stream(at(1, "infer", model, many, "--batch", str(BATCH), "--stream", "--coded", "all"),
                   lambda count: kill(lost) if count == begin else None)
    assert [line["index"] for line in lines] == list(range(BATCH * REQUESTS)), lines
    for line in lines:
        worst = difference(line["outputs"], right_of_many[line["index"]])
        assert worst < 1e-4, f"a wrong answer: {line}"


def named():
    """Without parity all answers are needed, but for those that come too late."""
    infer("--parity", "0")
    return liars()


with torn_down(NODES):
    # Long inputs, and few weights to move when a plan is made anew.
    run([COVEY, "model", "build", "mlp", "--input", "1x28x28", "--classes", "10", "--depth", "3",
         "--units", "128", "--seed", "1", "--out", model])
    one, right_of_one = tensor(1)
    many, right_of_many = tensor(REQUESTS)
    up(NODES, "--rate", "50", mode="netns")
    wait("measured rates", measured)
    relayed()
    for _ in range(KILLS):
        node = rng.randint(2, NODES)
        check_stream(node)
        lab("restart", str(node))
        lab("wait", "--wait", "120")
        relayed()
    relayed("--parity", "0")
    liar = id_of(LIAR)
    lab("lie", str(LIAR))
    assert wait("the liar's name", named) == [liar]
    print(f"inputs were relayed, also after {KILLS} kills in streams; the liar was named")
