#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A node listens at one TCP port, its channels', and whoever posts HTTP there, as a page in a browser
could, gets the challenge that everybody gets, no answer, and is hung up on."""
import os
import socket

from lab_common import ask, pid_of, torn_down, up

NODES, LISTENS, CHALLENGE = 2, "0A", 16
POST = b"POST /infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4096\r\n\r\n" + b"x" * 4096


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
    mine, ports = sockets_of(pid), set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}") as f:
            for line in f.read().splitlines()[1:]:
                words = line.split()
                if words[3] == LISTENS and words[9] in mine:
                    ports.add(int(words[1].rsplit(":", 1)[1], 16))
    return ports


def answer(port, request):
    """All that comes until the node hangs up."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        try:
            s.sendall(request)
            while more := s.recv(4096):
                got += more
        except (ConnectionResetError, BrokenPipeError):
            pass
    return got


with torn_down(NODES):
    up(NODES)
    for node in range(1, NODES + 1):
        ports = listened(pid_of(node))
        assert len(ports) == 1, ports
        for request in (POST, POST[:60], b"GET / HTTP/1.0\r\n\r\n"):
            got = answer(next(iter(ports)), request)
            assert len(got) <= CHALLENGE and b"HTTP" not in got, got
        peers = ask(node, "peers")["peers"]
        assert [p["state"] for p in peers] == ["alive"] * NODES, peers
