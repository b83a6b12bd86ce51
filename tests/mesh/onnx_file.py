# SPDX-License-Identifier: MIT
"""Writes ONNX files field by field (onnx.proto3), for networks that no file of others has."""
import struct

FLOAT, UINT8, INT8, INT32 = 1, 2, 3, 6


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def number(field, value):
    return varint(field << 3) + varint(value)


def part(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name, kind, dims, values):
    """An initializer of the graph."""
    code = {FLOAT: "f", UINT8: "B", INT8: "b", INT32: "i"}[kind]
    raw = struct.pack(f"<{len(values)}{code}", *values)
    return part(5, b"".join(number(1, d) for d in dims) + number(2, kind) + part(8, name) +
                part(9, raw))


def node(op, inputs, outputs, **attributes):
    """Attributes are integers or lists of them."""
    data = b"".join(part(1, i) for i in inputs) + b"".join(part(2, o) for o in outputs)
    data += part(3, outputs[0]) + part(4, op)
    for name, value in attributes.items():
        if isinstance(value, list):
            body = b"".join(number(8, v) for v in value) + number(20, 7)
        else:
            body = number(3, value) + number(20, 2)
        data += part(5, part(1, name) + body)
    return part(1, data)


def value(field, name, dims):
    """A float input (11) or output (12) of the graph."""
    shape = b"".join(part(1, number(1, d)) for d in dims)
    return part(field, part(1, name) + part(2, part(1, number(1, FLOAT) + part(2, shape))))


def model(parts, opset=13):
    graph = b"".join(parts) + part(2, "network")
    return number(1, 8) + part(8, number(2, opset)) + part(7, graph)
