# SPDX-License-Identifier: MIT
"""What a mesh has trained, in ONNX Runtime."""

import array
import gzip
import importlib.machinery
import importlib.util
import pathlib
import struct
import subprocess

from bench import Engine, cache_folder, one_blas_thread
from mesh_lab import COVEY, Lab, MeshError
from train_lab import OWNER, PARTS, Mnist, Skipped, brief, train

HERE = pathlib.Path(__file__).resolve().parent
WAYS = {"products": ["--mode", "products", "--coded", "all"], "data": ["--mode", "data"]}


def onnxruntime_of():
    """The comparison's functions; it is a program without an ending."""
    loader = importlib.machinery.SourceFileLoader("vs_onnxruntime", str(HERE / "vs_onnxruntime"))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def write_pictures(data, path):
    """The test part as numbers, as the data set has them: the file normalises them itself."""
    idx = gzip.decompress((data.folder / PARTS["test"][0]).read_bytes())
    count, high, wide = struct.unpack(">3I", idx[4:16])
    path.write_bytes(array.array("f", list(idx[16:16 + count * high * wide])).tobytes())
    return count


def answers_here(model, data, count, path):
    command = [COVEY, "infer", str(model), f"{data.spec},test", "--local", "--batch", str(count),
               "--output", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise MeshError(f"{command}: {done.stderr.strip()}")
    npy = path.read_bytes()
    head, = struct.unpack("<H", npy[8:10])
    floats = array.array("f")
    floats.frombytes(npy[10 + head:])
    return floats


def answers_there(vs, model, pictures, count, path):
    environment = one_blas_thread() | {"NODE_PATH": vs.install_onnxruntime(cache_folder())}
    engine = Engine(["node", str(HERE / "onnxruntime_server.js"), str(model), str(pictures),
                     str(count), "1"], environment)
    try:
        engine.ask("run 1")
        engine.ask(f"output {path}")
    finally:
        engine.close()
    return vs.read_floats(path)


def best(floats, classes):
    rows = [floats[i:i + classes] for i in range(0, len(floats), classes)]
    return [row.index(max(row)) for row in rows]


def onnx(options, folder):
    """A model that a mesh has trained, by products and by parts of batches, gives the same answers
    in ONNX Runtime as here."""
    folder = pathlib.Path(folder)
    data = Mnist(folder, options.samples, options.test_samples or 200)
    vs = onnxruntime_of()
    count = write_pictures(data, folder / "pictures.raw")
    out = {}
    for name, way in WAYS.items():
        model = folder / f"{name}.onnx"
        with Lab(options.devices) as lab:
            lab.wait()
            trained = train(lab, OWNER, model, "--model", options.model, "--epochs",
                            options.epochs, "--batch", options.batch, "--data", data.spec,
                            "--seed", options.seed, *way)
        try:
            theirs = answers_there(vs, model, folder / "pictures.raw", count, folder / "out.raw")
        except vs.BenchError as why:
            raise Skipped(str(why)) from None
        ours = answers_here(model, data, count, folder / "out.npy")
        off, classes = vs.relative_difference(ours, theirs), len(ours) // count
        same = sum(a == b for a, b in zip(best(ours, classes), best(theirs, classes)))
        out[name] = {"trained": brief(trained), "answers": count, "same_class": same,
                     "relative_difference": off}
    out["holds"] = all(way["relative_difference"] <= vs.AGREE and way["same_class"] == count
                       for way in out.values())
    return out


__all__ = ["onnx"]
