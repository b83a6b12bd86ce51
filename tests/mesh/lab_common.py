# SPDX-License-Identifier: MIT
"""What tests of a lab share: its folder, its commands, tensors as files, and how it ends."""
import atexit
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from ending import Ended, heed_signals
from npy import difference, read_tensor, write_tensor  # the tests take these from here

COVEY, COVEYD = os.environ["COVEY"], os.environ["COVEYD"]
DATA = os.environ["COVEY_DEMO_DATA"]
DIGITS = f"digits:{DATA}/digits.csv.gz"
SHARED = os.environ.get("COVEY_DATA") or os.path.join(os.path.dirname(__file__), "../../../shared")
NO_NETNS = "network namespaces cannot be made here"
base = tempfile.mkdtemp(prefix="covey-test-")
atexit.register(shutil.rmtree, base, ignore_errors=True)
lab_dir = f"{base}/lab"
trainings = itertools.count(1)
heed_signals()


def skip(why):
    print(f"{why}: skipped")
    sys.exit(77)


def needs_root():
    if os.geteuid() != 0:
        skip("needs root for networks of their own")


def run(command, code=0, timeout=300):
    """What it says: on standard output, or on the other one where it must end with an error."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout)
    assert done.returncode == code, f"{command} gave {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout if code == 0 else done.stderr


class Moved(Exception):
    """The session that a test asked for is another device's now."""


def where_it_began(part, name):
    """What a part of a test gives for a session of its own. One whose owner this machine does not
    let be heard of for longer than its lease goes to another device, and the part begins again."""
    for _ in range(5):
        session = f"{name}-{next(trainings)}"
        try:
            return part(session)
        except Moved:
            print(f"{session} went to another device", flush=True)
    raise AssertionError(f"{name} was lost each time")


def train(node, words, name):
    """What a training at a node says in the end."""
    def ended(session):
        done = subprocess.run(at(node, *words, "--name", session), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=600)
        if done.returncode == 0:
            return done.stdout
        said = done.stdout + done.stderr
        assert done.returncode == 1 and "stopped in epoch" in said, (words, done.returncode, said)
        raise Moved
    return where_it_began(ended, name)


def lab(*words):
    return run([COVEY, "lab", *words, "--dir", lab_dir])


def up(devices, *options, mode="loopback"):
    """Where a lab with networks of its own cannot be made the test is skipped."""
    if mode == "netns":
        needs_root()
    try:
        lab("up", "--devices", str(devices), "--mode", mode, "--wait", "120", *options)
    except AssertionError as error:
        if NO_NETNS in str(error):
            skip(NO_NETNS)
        raise


def at(node, *words):
    """The command that runs `covey WORDS` at a node: what `covey lab run` becomes."""
    return [COVEY, "--state", f"{lab_dir}/node{node}", *words]


def ask(node, *words):
    return json.loads(run(at(node, *words, "--json")))


def by_each_device(document, devices):
    """Whether all of them are in the plan that a request was carried out by, and nothing had to be
    made up for: without parity each of their answers is then part of it."""
    recovered = document["recovered_dead"] + document["recovered_late"]
    return document["devices"] == devices and recovered == 0


def labs_nodes():
    return json.loads(lab("list", "--json"))["nodes"]


def pid_of(node):
    return labs_nodes()[node - 1]["pid"]


def kill(node):
    """At once, without a command of the lab in between."""
    os.kill(pid_of(node), signal.SIGKILL)


def sockets_of(pid):
    """The inodes of its sockets."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            found.add(target[len("socket:["):-1])
    return found


def listened(pid):
    """The TCP ports, of both families, that it listens at."""
    listens, mine, ports = "0A", sockets_of(pid), set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}") as f:
            for line in f.read().splitlines()[1:]:
                words = line.split()
                if words[3] == listens and words[9] in mine:
                    ports.add(int(words[1].rsplit(":", 1)[1], 16))
    return ports


def id_of(node):
    return next(p["id"] for p in ask(1, "peers")["peers"] if p["name"] == f"node{node}")


def wait(what, ready, seconds=120, progress=lambda: None):
    """What `ready` gives once it is something. The time begins anew whenever `progress` gives
    something else than before."""
    end, before = time.monotonic() + seconds, progress()
    while True:
        found = ready()
        if found:
            return found
        now = progress()
        if now != before:
            end, before = time.monotonic() + seconds, now
        assert time.monotonic() < end, f"in {seconds} s: not {what}"
        time.sleep(0.05)


def stream(command, on_line=None):
    """The documents that it prints line by line, each with the time at which it came."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = []
    for text in process.stdout:
        lines.append({"at": time.monotonic(), **json.loads(text)})
        if on_line is not None:
            on_line(len(lines))
    assert process.wait(timeout=60) == 0, f"{command} ended with an error"
    return lines


def read(path):
    with open(path, "rb") as file:
        return file.read()


sanitized = b"__asan_init" in read(COVEYD)


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


def end_of_log(node):
    with contextlib.suppress(OSError):
        print(f"--- node{node}", read(f"{lab_dir}/node{node}.log")[-3000:].decode(errors="replace"),
              sep="\n")


def down():
    if os.path.isdir(lab_dir):
        subprocess.run([COVEY, "lab", "down", "--dir", lab_dir], stdout=subprocess.DEVNULL,
                       timeout=60)


@contextlib.contextmanager
def torn_down(logs=0):
    """The lab goes down in the end, also of a test that is ended (ending.py); when it failed or was
    ended it is told why by the ends of so many logs."""
    try:
        yield
    except (Exception, Ended):
        for node in range(1, logs + 1):
            end_of_log(node)
        raise
    finally:
        down()
