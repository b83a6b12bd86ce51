# SPDX-License-Identifier: MIT
"""Inputs answered a second: requests one after another, several in flight, and batches."""

import statistics
import threading

from mesh_lab import Lab, Requests, cpu_shares

ASKER = 1
IN_FLIGHT = (1, 2, 4)
BATCHES = (4, 16)
GROUPS = 3  # requests of one process in its turn, at least: the first is not counted


class Variant:
    """So many processes ask at once, each for requests of `batch` inputs one after another, of the
    same session at the asker."""

    def __init__(self, in_flight, batch, options):
        self.name = f"batch{batch}" if batch > 1 else f"in_flight{in_flight}"
        self.in_flight, self.batch = in_flight, batch
        self.options = [*options, "--batch", batch]
        self.rates, self.runs = [], []

    def inputs(self, chunk):
        """Of each process."""
        groups = -(-chunk // (self.in_flight * self.batch))
        return max(groups, GROUPS) * self.batch

    def turn(self, lab, model, chunk, counts=True):
        runs = [None] * self.in_flight

        def ask(i):
            runs[i] = Requests(lab, ASKER, model, self.inputs(chunk), self.options)

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(self.in_flight)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if counts:
            self.runs += runs
            rate = rate_of(runs, self.batch)
            if rate is not None:
                self.rates.append(rate)

    def json(self):
        errors = [error for run in self.runs for error in run.errors]
        ms = [value for run in self.runs for value in run.ms()]
        out = {"in_flight": self.in_flight, "batch": self.batch,
               "inputs": sum(len(run.lines) for run in self.runs), "lost": len(errors),
               "worst_error": max((run.worst() for run in self.runs), default=0.0),
               "recovered": sum(recovered(run, self.batch) for run in self.runs)}
        out |= cpu_shares(self.runs)
        if errors:
            out["errors"] = errors[:5]
        if ms:
            out["request_median_ms"] = round(statistics.median(ms), 3)
        if self.rates:
            out |= {"per_s": round(statistics.median(self.rates), 3),
                    "per_s_min": round(min(self.rates), 3), "per_s_max": round(max(self.rates), 3)}
        return out


def recovered(run, batch):
    """Each line of a batch tells of all of it."""
    return sum(line.get("recovered_dead", 0) + line.get("recovered_late", 0)
               for line in run.lines[::batch])


def rate_of(runs, batch):
    """Of the time in which all processes were asking."""
    if any(len(run.lines) <= batch for run in runs):
        return None
    begin = max(run.lines[batch - 1]["at"] for run in runs)
    end = min(run.lines[-1]["at"] for run in runs)
    count = sum(begin < line["at"] <= end for run in runs for line in run.lines)
    return count / (end - begin) if end > begin else None


def throughput(options, model):
    extra = ["--parity", options.parity]
    extra += ["--coded", options.coded] if options.coded else []
    extra += ["--half"] if options.half else []
    variants = [Variant(n, 1, extra) for n in IN_FLIGHT] + [Variant(1, b, extra) for b in BATCHES]
    with Lab(options.devices, options.cpu, options.rate, options.delay) as lab:
        lab.wait()
        lab.add(ASKER, model)
        for variant in variants:
            variant.turn(lab, model, 1, counts=False)
        lab.wait()
        for variant in variants:
            variant.turn(lab, model, 1, counts=False)
        for done in range(0, options.requests, options.chunk):
            for variant in variants:
                variant.turn(lab, model, min(options.chunk, options.requests - done))
    out = {variant.name: variant.json() for variant in variants}
    one = out["in_flight1"].get("per_s")
    for result in out.values():
        if one and "per_s" in result:
            result["times_one"] = round(result["per_s"] / one, 3)
    return out
