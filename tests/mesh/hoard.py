#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A member that begins messages and finishes none makes a node take half of --memory, and no more,
however often it comes; with bodies that alone are longer than that it makes it take nothing. The
node's log says so once, and it goes on."""
import subprocess
import sys

from lab_common import COVEY, COVEYD, base, listened, read, run, wait

HOARDER, TIMES, MIB = sys.argv[1], 3, 1 << 20
MEMORY = 64 * MIB
MOST = MEMORY // 2  # what messages under way may hold
ALL = 256 * MIB  # what a member may announce
ON_ITS_WAY = 16 * MIB  # in sockets' buffers, on both sides
REST = 24 * MIB  # receiving itself, and what allocation wastes


def status(pid, what):
    """Bytes, as the system counts them."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith(what + ":"))


def hoard(body):
    """How many bytes the node took of such bodies, and whether it hung up."""
    took, ended = run([HOARDER, f"{base}/hoarder", str(next(iter(ports))), str(body)]).split()
    return int(took), ended == "hung-up"


def grown(most):
    """The most that the node has taken is within so much more than before."""
    bytes_ = status(node.pid, "VmHWM") - before
    assert bytes_ < (most + REST) * 9 // 8, bytes_  # with sanitizers an eighth more
    return bytes_


def said():
    return read(f"{base}/log").decode()


run([COVEY, "mesh", "init", f"{base}/authority", "--name", "hoards"])
for device, trust in (("node", "full"), ("hoarder", "none")):
    run([COVEY, "mesh", "enrol", f"{base}/authority", "--device", device, "--tier", "edge",
         "--trust", trust, "--out", f"{base}/{device}"])
with open(f"{base}/log", "wb") as log:
    node = subprocess.Popen([COVEYD, "--state", f"{base}/node", "--interface", "lo", "--memory",
                             str(MEMORY)], stdout=log, stderr=subprocess.STDOUT)
try:
    peers = [COVEY, "peers", "--state", f"{base}/node", "--json"]
    wait("an answer of the node",
         lambda: subprocess.run(peers, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                timeout=60).returncode == 0)
    ports = listened(node.pid)
    assert len(ports) == 1, ports
    before = status(node.pid, "VmRSS")
    took, ended = hoard(64 * MIB)
    assert not ended and took > ALL * 9 // 10, took
    assert said().count("hoarder: message without its body, which is too long") == 1, said()
    print(f"{took} bytes of long bodies were taken, and {grown(0)} of memory")
    for _ in range(TIMES):
        took, ended = hoard(8 * MIB)
        assert ended and MOST - ON_ITS_WAY < took < MOST + ON_ITS_WAY, took
    print(f"{took} bytes were taken, and {grown(MOST)} of memory")
    assert said().count("hoarder: channel ended, its unfinished messages hold too much") == 1, said()
    run(peers)
finally:
    node.terminate()
    assert node.wait(timeout=60) == 0, said()
