#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Of a lab whose script is ended, at whatever moment, no process is left, no network and no folder;
and of one whose maker was killed 'covey lab down' finds all."""
import json
import os
import signal
import subprocess
import sys

from lab_common import COVEY, DATA, DIGITS, lab_dir, run, torn_down, wait

HERE = os.path.dirname(os.path.abspath(__file__))
WATCHED = ["bash", f"{HERE}/watched.sh"]
PYTHON = """
import sys
sys.path.append(sys.argv[1])
from lab_common import lab_dir, torn_down, up, wait
print(lab_dir, flush=True)
with torn_down():
    up(3, mode=sys.argv[2])
    print("up", flush=True)
    wait("the end", lambda: False, 600)
"""
SHELL = """
. "$1/common.sh"
echo "$lab"
"$COVEY" lab up --devices 3 --dir "$lab" --mode "$2" --wait 120 >"$dir/out"
echo up
sleep 600 & # a shell heeds signals behind its command, or while it waits
wait
"""
BENCH = """
import sys, time
sys.path.append(sys.argv[1] + "/../bench")
from mesh_lab import Lab
lab = Lab(3)
print(lab.dir, flush=True)
with lab:
    print("up", flush=True)
    time.sleep(600)
"""


def can_netns():
    done = subprocess.run([COVEY, "lab", "up", "--devices", "1", "--mode", "netns", "--dir",
                           lab_dir], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode == 0:
        run([COVEY, "lab", "down", "--dir", lab_dir])
    return done.returncode == 0


def words_of(pids):
    """The command lines of those that have not ended meanwhile."""
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                yield file.read().decode(errors="replace")
        except OSError:
            continue


def words_of_all():
    return words_of(name for name in os.listdir("/proc") if name.isdigit())


def nodes(folder):
    return sum(folder in words and "coveyd" in words for words in words_of_all())


def networks(lab_id):
    """Names in which the lab's is."""
    found = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    return [name for name in found + os.listdir("/sys/class/net") if f"cvy-{lab_id}" in name or
            f"cvy{lab_id}" in name]


def id_of(folder):
    try:
        with open(f"{folder}/lab.json", encoding="utf-8") as file:
            return json.load(file)["id"]
    except (OSError, ValueError):
        return None


def nothing_is_left(folder, lab_id):
    left = [words for words in words_of_all() if folder in words]
    assert not left, left
    assert not networks(lab_id), networks(lab_id)
    assert not os.path.exists(folder), folder


def ended(what, command, number, is_up, whole=False):
    """A script that says where its lab is and when it is up is sent the signal at once when it is
    up, or as soon as one node runs, alone or with all that it runs; without one its time is over.
    """
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                             start_new_session=True)
    try:
        folder = child.stdout.readline().strip()
        if is_up:
            assert child.stdout.readline() == "up\n", f"{what}: no lab"
        lab_id = wait("a lab", lambda: id_of(folder))
        wait("a node", lambda: nodes(folder))
        if number is not None:
            (os.killpg if whole else os.kill)(child.pid, number)
        code = child.wait(timeout=90)
        assert code == 124 if number is None else code != 0, f"{what}: ended with {code}"
    finally:
        child.kill()
    nothing_is_left(folder, lab_id)
    how = signal.Signals(number).name if number is not None else "its time was over"
    print(f"{what}, {'up' if is_up else 'in the middle'}: {how}", flush=True)


def killed_maker(mode, after):
    """SIGKILL, when so many nodes run."""
    child = subprocess.Popen([COVEY, "lab", "up", "--devices", "5", "--mode", mode, "--dir",
                              lab_dir], stdout=subprocess.DEVNULL)
    wait("nodes", lambda: nodes(lab_dir) >= after or child.poll() is not None)
    child.kill()
    child.wait(timeout=60)
    lab_id = id_of(lab_dir)
    run([COVEY, "lab", "down", "--dir", lab_dir])
    nothing_is_left(lab_dir, lab_id)
    print(f"'lab up' with {after} nodes: killed", flush=True)


def folder_of(demo):
    with open(f"/proc/{demo.pid}/task/{demo.pid}/children", encoding="ascii") as children:
        for words in words_of(children.read().split()):
            line = words.split("\0")
            if "--state" in line:
                return os.path.dirname(line[line.index("--state") + 1])
    return None


def ended_demo(mode, number):
    """The demo takes its lab down; killed, its nodes end, and the rest is there for 'lab down'."""
    demo = subprocess.Popen([COVEY, "lab", "demo", "--mode", mode, "--model",
                             f"{DATA}/digits.onnx", "--data", DIGITS], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    folder = wait("a node", lambda: folder_of(demo))
    lab_id = id_of(folder)
    os.kill(demo.pid, number)
    assert demo.wait(timeout=60) != 0
    if number == signal.SIGKILL:
        wait("no node", lambda: nodes(folder) == 0)
        run([COVEY, "lab", "down", "--dir", folder])
    nothing_is_left(folder, lab_id)
    print(f"the demo: {signal.Signals(number).name}", flush=True)


with torn_down():
    mode = "netns" if os.geteuid() == 0 and can_netns() else "loopback"
    print(mode)
    python = [sys.executable, "-c", PYTHON, HERE, mode]
    shell = ["bash", "-c", SHELL, "bash", HERE, mode]
    ended("a test", python, signal.SIGTERM, True)
    ended("a test", python, signal.SIGHUP, False)
    ended("a watched test", [*WATCHED, "600", *python], signal.SIGTERM, True)
    ended("a watched test", [*WATCHED, "600", *python], signal.SIGTERM, False)
    ended("a watched test", [*WATCHED, "600", *python], signal.SIGINT, True, whole=True)
    ended("a script", shell, signal.SIGTERM, True)
    ended("a script", shell, signal.SIGTERM, False)
    ended("a watched script", [*WATCHED, "600", *shell], signal.SIGTERM, True)
    if mode == "netns" and os.path.isdir("/sys/fs/cgroup/cpuacct"):
        bench = [sys.executable, "-c", BENCH, HERE]
        ended("a measurement", bench, signal.SIGTERM, True)
        ended("a measurement", bench, signal.SIGINT, False)
    ended("a watched test", [*WATCHED, "4", *python], None, False)
    killed_maker(mode, 1)
    killed_maker(mode, 3)
    ended_demo(mode, signal.SIGTERM)
    ended_demo(mode, signal.SIGKILL)
