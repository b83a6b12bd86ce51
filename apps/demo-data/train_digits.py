#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains the demo's network on the UCI digits and writes it as ONNX. Needs numpy only.

    apt-get install python3-numpy
    /usr/bin/python3 train_digits.py digits.csv.gz digits.onnx

Split: the first 1437 digits (in the file's order) train, the last 360 test. The test digits decide
nothing: neither when training stops nor which weights are kept. Pictures are 8 x 8, values 0..16;
the division by 16 is folded into the first layer, so the network takes the values as they are.
"""
import gzip
import sys

import numpy as np

TRAIN = 1437
EPOCHS = 60
BATCH = 32
RATE = 2e-3
SEED = 8


def load(path):
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    return table[:, :64].reshape(-1, 1, 8, 8) / 16, table[:, 64].astype(int)


def warp(images, rng):
    """Each picture turned, sheared, scaled and shifted a little, bilinear, zero outside."""
    n = len(images)
    angle = rng.uniform(-0.2, 0.2, n)
    size = rng.uniform(0.9, 1.1, (2, n))
    shear = rng.uniform(-0.15, 0.15, n)
    shift = rng.uniform(-0.8, 0.8, (2, n))
    y, x = np.mgrid[0:8, 0:8] - 3.5
    c, s = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    sy = (c * y - s * x) * size[0][:, None, None] + shift[0][:, None, None] + 3.5
    sx = (s * y + c * x + shear[:, None, None] * y) * size[1][:, None, None]
    sx += shift[1][:, None, None] + 3.5
    padded = np.pad(images[:, 0], ((0, 0), (2, 2), (2, 2)))
    sy, sx = np.clip(sy + 2, 0, 10.999), np.clip(sx + 2, 0, 10.999)
    iy, ix = sy.astype(int), sx.astype(int)
    fy, fx = sy - iy, sx - ix
    i = np.arange(n)[:, None, None]
    out = padded[i, iy, ix] * (1 - fy) * (1 - fx) + padded[i, iy, ix + 1] * (1 - fy) * fx
    out += padded[i, iy + 1, ix] * fy * (1 - fx) + padded[i, iy + 1, ix + 1] * fy * fx
    return out[:, None].astype(np.float32)


def unroll(x):
    """[n c h w] to [n h w (c 3 3)], zero padding of one."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(x.shape[0], x.shape[2], x.shape[3], -1)


def roll_back(grad, channels):
    """The transpose of unroll."""
    n, h, w, _ = grad.shape
    grad = grad.reshape(n, h, w, channels, 3, 3)
    out = np.zeros((n, channels, h + 2, w + 2), np.float32)
    for dy in range(3):
        for dx in range(3):
            out[:, :, dy : dy + h, dx : dx + w] += grad[..., dy, dx].transpose(0, 3, 1, 2)
    return out[:, :, 1:-1, 1:-1]


def start(rng):
    def he(rows, columns):
        return (rng.standard_normal((rows, columns)) * np.sqrt(2 / columns)).astype(np.float32)

    sizes = [(16, 9), (32, 144), (64, 512), (10, 64)]
    return [p for r, c in sizes for p in (he(r, c), np.zeros(r, np.float32))]


def forward(p, x):
    u1 = unroll(x)
    a1 = np.maximum(u1 @ p[0].T + p[1], 0)
    u2 = unroll(a1.transpose(0, 3, 1, 2))
    a2 = np.maximum(u2 @ p[2].T + p[3], 0)
    blocks = a2.reshape(len(x), 4, 2, 4, 2, 32).transpose(0, 5, 1, 3, 2, 4).reshape(-1, 4)
    best = blocks.argmax(1)
    flat = blocks[np.arange(len(blocks)), best].reshape(len(x), 512)
    return u1, a1, u2, a2, best, flat


def head(p, flat, keep):
    a3 = np.maximum(flat @ p[4].T + p[5], 0) * keep
    return a3, a3 @ p[6].T + p[7]


def gradients(p, x, labels, rng):
    n = len(x)
    u1, a1, u2, a2, best, flat = forward(p, x)
    keep = (rng.random((n, 64)) < 0.7).astype(np.float32) / np.float32(0.7)
    a3, logits = head(p, flat, keep)
    e = np.exp(logits - logits.max(1, keepdims=True))
    d = e / e.sum(1, keepdims=True)
    d -= 0.95 * np.eye(10, dtype=np.float32)[labels] + 0.005  # labels smoothed by 5 %
    d = (d / n).astype(np.float32)
    d3 = (d @ p[6]) * (a3 > 0) * keep
    spread = np.zeros((n * 512, 4), np.float32)
    spread[np.arange(n * 512), best] = (d3 @ p[4]).reshape(-1)
    d2 = spread.reshape(n, 32, 4, 4, 2, 2).transpose(0, 2, 4, 3, 5, 1).reshape(n, 8, 8, 32)
    d2 = d2 * (a2 > 0)
    d1 = roll_back(d2 @ p[2], 16).transpose(0, 2, 3, 1) * (a1 > 0)
    return [
        np.tensordot(d1, u1, ((0, 1, 2), (0, 1, 2))), d1.sum((0, 1, 2)),
        np.tensordot(d2, u2, ((0, 1, 2), (0, 1, 2))), d2.sum((0, 1, 2)),
        d3.T @ flat, d3.sum(0), d.T @ a3, d.sum(0),
    ]


def accuracy(p, x, labels):
    return (head(p, forward(p, x)[5], 1)[1].argmax(1) == labels).mean()


def train(x, labels, rng):
    p = start(rng)
    first = [np.zeros_like(v) for v in p]
    second = [np.zeros_like(v) for v in p]
    step, steps = 0, EPOCHS * (len(x) // BATCH)
    for epoch in range(EPOCHS):
        order = rng.permutation(len(x))
        for at in range(0, len(x) - BATCH + 1, BATCH):
            pick = order[at : at + BATCH]
            step += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            for i, g in enumerate(gradients(p, warp(x[pick], rng), labels[pick], rng)):
                first[i] += 0.1 * (g - first[i])
                second[i] += 0.001 * (g * g - second[i])
                scale = np.sqrt(second[i] / (1 - 0.999**step)) + 1e-8
                p[i] -= (rate * first[i] / (1 - 0.9**step) / scale).astype(np.float32)
        print(f"epoch {epoch + 1}: train {accuracy(p, x, labels):.4f}", file=sys.stderr)
    return p


# ---- ONNX: protobuf by hand, as far as it is needed ----

def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def chunk(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def tensor(name, values):
    dims = b"".join(number(1, d) for d in values.shape)
    return dims + number(2, 1) + chunk(8, name) + chunk(9, values.astype("<f4").tobytes())


def attribute(name, value):
    if isinstance(value, list):
        return chunk(1, name) + b"".join(number(8, v) for v in value) + number(20, 7)
    return chunk(1, name) + number(3, value) + number(20, 2)


def node(kind, name, inputs, output, **attributes):
    out = b"".join(chunk(1, i) for i in inputs) + chunk(2, output) + chunk(3, name) + chunk(4, kind)
    return out + b"".join(chunk(5, attribute(k, v)) for k, v in attributes.items())


def value_info(name, dims):
    shape = b"".join(chunk(1, number(1, d)) for d in dims)
    return chunk(1, name) + chunk(2, chunk(1, number(1, 1) + chunk(2, shape)))


def onnx(p):
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1]}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        node("Conv", "conv1", ["input", "w1", "b1"], "c1", **window),
        node("Relu", "relu1", ["c1"], "a1"),
        node("Conv", "conv2", ["a1", "w2", "b2"], "c2", **window),
        node("Relu", "relu2", ["c2"], "a2"),
        node("MaxPool", "pool", ["a2"], "p2", **pool),
        node("Flatten", "flatten", ["p2"], "f", axis=1),
        node("Gemm", "dense1", ["f", "w3", "b3"], "d1", transB=1),
        node("Relu", "relu3", ["d1"], "a3"),
        node("Gemm", "dense2", ["a3", "w4", "b4"], "output", transB=1),
    ]
    shapes = [(16, 1, 3, 3), (16,), (32, 16, 3, 3), (32,), (64, 512), (64,), (10, 64), (10,)]
    names = ["w1", "b1", "w2", "b2", "w3", "b3", "w4", "b4"]
    graph = b"".join(chunk(1, n) for n in nodes) + chunk(2, "digits")
    for name, shape, values in zip(names, shapes, [p[0] / 16] + p[1:]):
        graph += chunk(5, tensor(name, values.reshape(shape)))
    graph += chunk(11, value_info("input", [1, 1, 8, 8]))
    graph += chunk(12, value_info("output", [1, 10]))
    opset = chunk(1, "") + number(2, 13)
    return number(1, 7) + chunk(2, "covey train_digits.py") + chunk(7, graph) + chunk(8, opset)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: train_digits.py digits.csv.gz OUT.onnx")
    x, labels = load(sys.argv[1])
    p = train(x[:TRAIN], labels[:TRAIN], np.random.default_rng(SEED))
    print(f"test accuracy {accuracy(p, x[TRAIN:], labels[TRAIN:]):.4f} of {len(x) - TRAIN}")
    with open(sys.argv[2], "wb") as file:
        file.write(onnx(p))


main()
