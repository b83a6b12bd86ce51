# SPDX-License-Identifier: MIT
"""What the devices keep in memory."""

import contextlib
import os
import pathlib
import threading

from mesh_lab import Lab, Requests, Tally, infer_options

ASKER = 1
MB = 1 << 20
LOOK_S = 0.004


def resident_bytes(pid):
    pages = pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


@contextlib.contextmanager
def peaks(pids):
    """What each process took at most meanwhile, looked at every LOOK_S."""
    most, over = dict.fromkeys(pids, 0), threading.Event()

    def look():
        while not over.wait(LOOK_S):
            for n, pid in pids.items():
                most[n] = max(most[n], resident_bytes(pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def measure(options, model, memory_bytes):
    """Resident memory of every device: idle, after some requests, and at most."""
    tally, how = Tally(), [*infer_options(options), "--parity", options.parity]
    with Lab(options.devices, options.cpu, options.rate, memory=memory_bytes) as lab:
        lab.wait()
        pids = {n: lab.pid(n) for n in range(1, options.devices + 1)}
        idle = {n: resident_bytes(pid) for n, pid in pids.items()}
        with peaks(pids) as most:
            lab.add(ASKER, model)
            Requests(lab, ASKER, model, 2, how)
            lab.wait()
            tally.add(Requests(lab, ASKER, model, options.requests, how))
        used = {n: resident_bytes(pid) for n, pid in pids.items()}
        stored = {n: sum(f.stat().st_size for f in pathlib.Path(f"{lab.dir}/node{n}").rglob("*")
                         if f.is_file()) for n in pids}
    return tally, idle, used, most, stored


def memory(options, model):
    """The weights are 4 times what each device may take in all, itself included."""
    weights = os.path.getsize(model.file)
    limit = weights // 4
    tally, idle, used, most, _ = measure(options, model, limit)
    others = [most[n] for n in most if n != ASKER]
    return {"weights_bytes": weights, "memory_bytes": limit, "all": tally.json(),
            "idle_bytes": {f"node{n}": idle[n] for n in used},
            "resident_bytes": {f"node{n}": used[n] for n in used},
            "peak_bytes": {f"node{n}": most[n] for n in most},
            "within": all(taken <= limit for taken in others),
            "asker_within": most[ASKER] <= limit}


def resident(options, model):
    """A device that holds a slice: at most 1.35 times the slice and 16 MB."""
    tally, idle, used, _, stored = measure(options, model, None)
    others = [n for n in used if n != ASKER and stored[n] > MB]
    return {"weights_bytes": os.path.getsize(model.file), "all": tally.json(),
            "holders": {f"node{n}": {"idle_bytes": idle[n], "resident_bytes": used[n],
                                     "stored_bytes": stored[n],
                                     "limit_bytes": int(1.35 * stored[n] + 16 * MB)}
                        for n in others},
            "within": all(used[n] <= 1.35 * stored[n] + 16 * MB for n in others)}
