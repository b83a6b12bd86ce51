#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A request that takes longer than it was given ends with an error when its time is over, also where
the asking device computes alone, while others there take as long as they take."""
import json
import random
import subprocess

from lab_common import (COVEY, ask, at, base, run, sanitized, torn_down, up, wait,
                        write_tensor)

SIDE = 128 if sanitized else 256  # sanitizers make an input take many times as long
SHAPE = [3, SIDE, SIDE]
PATIENT = 5  # inputs; each takes a device of this speed longer than the hasty one has


def requests():
    """How many the node has begun or keeps waiting."""
    return sum(s["requests"] for s in ask(1, "sessions")["sessions"] if s["state"] == "open")


def alone(inputs):
    return ask(1, "infer", "net", inputs, "--devices", "1", "--timeout", "600")


def hasty_beside_patient(one, many):
    patient = subprocess.Popen(at(1, "infer", "net", many, "--devices", "1", "--timeout", "600",
                                  "--json"), stdout=subprocess.PIPE, text=True)
    try:
        said = run(at(1, "infer", "net", one, "--devices", "1", "--timeout", "0.1"), code=1)
        assert "not answered in time" in said and said.count("\n") == 1, said
        assert patient.poll() is None, "the patient one was there before"
        lines = subprocess.run(at(1, "infer", "net", one, "--devices", "1", "--timeout", "0.1",
                                  "--stream"), stdout=subprocess.PIPE, text=True)
        lost = json.loads(lines.stdout)
        assert lines.returncode == 1 and lost["index"] == 0 and "in time" in lost["error"], lost
    finally:
        out = patient.communicate(timeout=300)[0]
    assert patient.returncode == 0 and json.loads(out)["answers"] == PATIENT, patient.returncode


def main():
    random.seed(5)
    floats = SHAPE[0] * SHAPE[1] * SHAPE[2]
    values = [random.random() for _ in range(floats)]
    one = write_tensor(f"{base}/one.npy", [1, *SHAPE], values)
    many = write_tensor(f"{base}/many.npy", [PATIENT, *SHAPE], values * PATIENT)
    run([COVEY, "model", "build", "resnet20", "--input", f"3x{SIDE}x{SIDE}", "--classes", "10",
         "--out", f"{base}/net.onnx"])
    up(2, "--cpu", "10")
    run(at(1, "model", "add", f"{base}/net.onnx", "--name", "net"))
    assert alone(one)["devices"] == 1
    hasty_beside_patient(one, many)
    # What was given up is gone, and the next one is answered.
    wait("nothing that goes on for nobody", lambda: requests() == 0)
    assert alone(one)["answers"] == 1


with torn_down(logs=2):
    main()
