# SPDX-License-Identifier: MIT
"""Tensors of float32 as .npy files, which the programs read and write."""
import struct


def write_tensor(path, shape, numbers):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    head += " " * (-(10 + len(head) + 1) % 64) + "\n"
    numbers = list(numbers)
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        file.write(struct.pack(f"<{len(numbers)}f", *numbers))
    return path


def read_tensor(path):
    with open(path, "rb") as file:
        data = file.read()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return struct.unpack(f"<{(len(data) - start) // 4}f", data[start:])


def difference(numbers, right):
    """The largest one, relative to the largest number."""
    assert len(numbers) == len(right), (len(numbers), len(right))
    return max(abs(a - b) for a, b in zip(numbers, right)) / max(map(abs, right))
