#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A node listens at one TCP port, its channels', and whoever posts HTTP there, as a page in a browser
could, gets the challenge that everybody gets, no answer, and is hung up on."""
import socket

from lab_common import ask, listened, pid_of, torn_down, up

NODES, CHALLENGE = 2, 16
POST = b"POST /infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4096\r\n\r\n" + b"x" * 4096


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
