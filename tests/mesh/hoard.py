#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A member that begins messages and finishes none makes a node take what --memory leaves to that,
and no more, however often it comes; the node's log says so once, and it goes on."""
import subprocess
import sys

from lab_common import COVEY, COVEYD, base, listened, read, run, wait

HOARDER, TIMES, MIB = sys.argv[1], 3, 1 << 20
MOST = 128 * MIB  # the least that messages under way may hold, and here all
ON_ITS_WAY = 16 * MIB  # in sockets' buffers, on both sides
REST = 24 * MIB  # receiving itself, and what allocation wastes


def status(pid, what):
    """Bytes, as the system counts them."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith(what + ":"))


def said():
    return read(f"{base}/log").decode()


run([COVEY, "mesh", "init", f"{base}/authority", "--name", "hoards"])
for device, trust in (("node", "full"), ("hoarder", "none")):
    run([COVEY, "mesh", "enrol", f"{base}/authority", "--device", device, "--tier", "edge",
         "--trust", trust, "--out", f"{base}/{device}"])
with open(f"{base}/log", "wb") as log:
    node = subprocess.Popen([COVEYD, "--state", f"{base}/node", "--interface", "lo", "--memory",
                             str(64 * MIB)], stdout=log, stderr=subprocess.STDOUT)
try:
    peers = [COVEY, "peers", "--state", f"{base}/node", "--json"]
    wait("an answer of the node",
         lambda: subprocess.run(peers, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                timeout=60).returncode == 0)
    ports = listened(node.pid)
    assert len(ports) == 1, ports
    before = status(node.pid, "VmRSS")
    for _ in range(TIMES):
        took = int(run([HOARDER, f"{base}/hoarder", str(next(iter(ports)))]))
        assert MOST - ON_ITS_WAY < took < MOST + ON_ITS_WAY, took
    grown = status(node.pid, "VmHWM") - before
    print(f"{took} bytes were taken, and {grown} of memory")
    assert grown < (MOST + REST) * 9 // 8, grown  # with sanitizers an eighth more
    assert said().count("hoarder: channel ended, its unfinished messages hold too much") == 1, said()
    run(peers)
finally:
    node.terminate()
    assert node.wait(timeout=60) == 0, said()
