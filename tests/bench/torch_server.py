# SPDX-License-Identifier: MIT
"""PyTorch training steps, driven line by line over standard input.

  python3 torch_server.py lenet5|vgg8 PICTURES.raw LABELS.raw BATCH LEARNING_RATE

Says one JSON line when ready, then answers each line: "run N" with the times of N steps (forward,
backward, update), "loss" with that of the last step, "memory". train_server.c speaks the same."""

import array
import json
import pathlib
import sys
import time

import torch
from torch import nn

SIDE = 28


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def vgg8():
    layers, channels = [], 1
    for width in (64, 128, 256):
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 9, 512), nn.ReLU(),
                         nn.Linear(512, 10))


def read(path, kind):
    values = array.array(kind)
    values.frombytes(pathlib.Path(path).read_bytes())
    return torch.tensor(values)


def memory_kb():
    status = pathlib.Path("/proc/self/status").read_text()
    field = lambda name: int(status.split(name + ":")[1].split()[0])
    return {"rss_kb": field("VmRSS"), "peak_kb": field("VmHWM")}


class Trainer:
    def __init__(self, name, pictures, labels, batch, rate):
        torch.manual_seed(1)
        torch.set_num_threads(1)
        self.network = {"lenet5": lenet5, "vgg8": vgg8}[name]()
        self.pictures = read(pictures, "f").view(-1, 1, SIDE, SIDE)
        self.labels = read(labels, "B").long()
        self.batch, self.at, self.last_loss = batch, 0, 0.0
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=rate, momentum=0.9)

    def step(self):
        if self.at + self.batch > len(self.labels):
            self.at = 0
        some = slice(self.at, self.at + self.batch)
        self.at += self.batch
        start = time.perf_counter()
        self.optimizer.zero_grad()
        loss = self.criterion(self.network(self.pictures[some]), self.labels[some])
        loss.backward()
        self.optimizer.step()
        taken = (time.perf_counter() - start) * 1e3
        self.last_loss = loss.item()
        return taken


def say(answer):
    print(json.dumps(answer), flush=True)


def main():
    name, pictures, labels, batch, rate = sys.argv[1:]
    trainer = Trainer(name, pictures, labels, int(batch), float(rate))
    parameters = sum(p.numel() for p in trainer.network.parameters())
    say({"engine": f"torch {torch.__version__}", "parameters": parameters})
    for line in sys.stdin:
        verb, _, argument = line.strip().partition(" ")
        if verb == "run":
            before = time.process_time()
            taken = [trainer.step() for _ in range(int(argument))]
            say({"ms": taken, "cpu_ms": (time.process_time() - before) * 1e3})
        elif verb == "loss":
            say({"loss": trainer.last_loss})
        elif verb == "memory":
            say(memory_kb())
        else:
            say({"error": "not understood here"})


if __name__ == "__main__":
    main()
