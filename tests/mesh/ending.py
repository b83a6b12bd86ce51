# SPDX-License-Identifier: MIT
"""A script that is asked to end (a terminal, a time limit, a person) takes down what it made: the
programs that it runs are asked to end too and waited for, then it ends like after an error."""
import glob
import os
import signal
import sys
import time

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
WAIT_S = 30


class Ended(SystemExit):
    """Raised in the main thread, wherever it is."""


def children():
    found = []
    for path in glob.glob("/proc/self/task/*/children"):
        with open(path, encoding="ascii") as file:
            found += map(int, file.read().split())
    return found


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def send(pids, number):
    for pid in filter(runs, pids):
        os.kill(pid, number)


def end(number, _frame):
    for each in SIGNALS:  # once is enough
        signal.signal(each, signal.SIG_IGN)
    pids, limit = children(), time.monotonic() + WAIT_S
    send(pids, signal.SIGTERM)  # what `covey lab` makes it takes down itself
    send(pids, signal.SIGCONT)
    while any(map(runs, pids)) and time.monotonic() < limit:
        time.sleep(0.05)
    send(pids, signal.SIGKILL)
    print(f"ended by {signal.Signals(number).name}", file=sys.stderr, flush=True)
    raise Ended(128 + number)


def heed_signals():
    """From now on the script ends so."""
    for each in SIGNALS:
        signal.signal(each, end)
