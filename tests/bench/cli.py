# SPDX-License-Identifier: MIT
"""covey bench, as people and scripts call it. COVEY is the program."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

COVEY = os.environ["COVEY"]


def covey(*arguments):
    return subprocess.run([COVEY, *arguments], capture_output=True, text=True, timeout=100)


def expect(condition, what):
    if not condition:
        sys.exit(f"bench.cli: {what}")


def check_report(model):
    """Every number is there, and they agree with one another."""
    done = covey("bench", "nn", "--json", "--runs", "3", "--layers", "--batch", "2", model)
    expect(done.returncode == 0, f"bench nn ended with {done.returncode}: {done.stderr}")
    report = json.loads(done.stdout)
    one = report["models"][0]
    expect(report["peak_gflops"] > 0, "no peak")
    expect(one["runs"] == 3 and one["batch"] == 2, "not the runs and batch that were asked for")
    expect(0 < one["min_ms"] <= one["median_ms"] <= one["p90_ms"], "times out of order")
    # LeNet-5: 416,520 multiplications with additions in a sample's layers
    expect(0.0016 < one["gflop"] < 0.0018, f"{one['gflop']} GFLOP for two samples of LeNet-5")
    share = one["gflop"] / one["median_ms"] * 1e3 / report["peak_gflops"]
    expect(abs(one["peak_share"] - share) <= 1e-6 * share, "a share of another peak")
    expect(abs(sum(layer["share"] for layer in one["layers"]) - 1) < 1e-6, "layers miss time")
    expect(any(layer["op"] == "Conv+relu" for layer in one["layers"]), "no fused convolution")
    expect(one["memory"]["resident_bytes"] > one["memory"]["file_bytes"], "no memory")


def check_ways(model):
    """Threads and little memory are accepted, and so is the table for people."""
    done = covey("bench", "nn", "--runs", "1", "--threads", "2", "--small", model)
    expect(done.returncode == 0 and "lenet5.onnx" in done.stdout, f"no table: {done.stderr}")


def check_failures(folder):
    """What is wrong is one line and the exit code that scripts know."""
    missing = covey("bench", "nn", str(folder / "missing.onnx"))
    expect(missing.returncode == 6 and missing.stderr.count("\n") == 1, "a file that is missing")
    (folder / "bad.onnx").write_bytes(b"\xff" * 64)
    bad = covey("bench", "nn", str(folder / "bad.onnx"))
    expect(bad.returncode == 6 and bad.stderr.count("\n") == 1, f"bad bytes: {bad.returncode}")
    expect(covey("bench", "nn").returncode == 2, "no model")
    expect(covey("bench", "gemm", "extra").returncode == 2, "an argument that gemm does not take")
    expect(covey("bench", "train").returncode == 2, "nothing to measure")
    few = covey("bench", "train", "--product", "--rows", "5")
    expect(few.returncode == 2, "fewer rows than blocks")


def check_product():
    """Every code is measured, and what is promised of MDS (12,10) and of the field holds."""
    sizes = ("--rows", "100", "--depth", "50", "--columns", "8", "--rounds", "5")
    done = covey("bench", "train", "--product", "--json", *sizes)
    expect(done.returncode == 0, f"bench train ended with {done.returncode}: {done.stderr}")
    report = json.loads(done.stdout)
    expect(len(report["codes"]) == 6, "six codes")
    expect(all(code["false_alarms"] == 0 for code in report["codes"]), "a false alarm")
    accuracy = {(a["code"], a["m"]): a for a in report["accuracy"]}
    expect(accuracy["mds", 12]["worst"] <= 2e-5, "MDS (12,10)")
    expect(accuracy["field", 12]["exact"] == accuracy["field", 12]["patterns"], "the field")
    done = covey("bench", "train", "--product", "--private", "2", "--json", *sizes)
    report = json.loads(done.stdout)
    expect(report["private"]["exact"] and report["private"]["tasks"] == 23, "private products")
    done = covey("bench", "train", "--product", *sizes)
    expect(done.returncode == 0 and "vandermonde" in done.stdout, f"no table: {done.stderr}")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = str(folder / "lenet5.onnx")
        made = covey("model", "build", "lenet5", "--input", "1x28x28", "--classes", "10", "--seed",
                     "1", "--out", model)
        expect(made.returncode == 0, f"model build: {made.stderr}")
        check_report(model)
        check_ways(model)
        check_failures(folder)
        check_product()


if __name__ == "__main__":
    main()
