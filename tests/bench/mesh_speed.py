# SPDX-License-Identifier: MIT
"""Latency of one request: all devices together against the asking one alone, of one network or of
all."""

from mesh_lab import Lab, alternate, infer_options, models, predicted

ASKER = 1
# By so much medians of the same work differ from turn to turn.
NOISE = 1.05


def compare(options, lab, model):
    variants = {"mesh": [*infer_options(options), "--parity", options.parity],
                "alone": ["--devices", 1]}
    lab.add(ASKER, model)
    tallies = alternate(lab, ASKER, model, variants, options.requests, options.chunk)
    plan = predicted(lab, ASKER, model, variants["mesh"])
    out = {name: tally.json() for name, tally in tallies.items()}
    mesh, alone = out["mesh"].get("median_ms"), out["alone"].get("median_ms")
    if mesh and alone:
        out["speedup"] = round(alone / mesh, 3)
        out["speedup_mean"] = round(out["alone"]["mean_ms"] / out["mesh"]["mean_ms"], 3)
        if plan["predicted_ms"]:
            out["measured_over_predicted"] = round(mesh / plan["predicted_ms"], 3)
    return out | plan


def speed(options, model):
    with Lab(options.devices, options.cpu, options.rate, options.delay) as lab:
        lab.wait()
        return compare(options, lab, model)


def networks(options, folder):
    """One after the other in one lab, each removed behind its turn; and which of them were slower
    over the mesh than alone."""
    out = {}
    with Lab(options.devices, options.cpu, options.rate, options.delay) as lab:
        lab.wait()
        for name, make in models(folder).items():
            if options.models and name not in options.models:
                continue
            out[name] = compare(options, lab, make())
            lab.run(ASKER, "model", "remove", name)
    slower = [name for name, one in out.items() if one.get("speedup", 0) * NOISE < 1]
    return {"networks": out, "slower": slower}
