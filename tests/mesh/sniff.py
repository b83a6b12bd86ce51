#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whoever listens on the bridge sees discovery and otherwise nothing that is not sealed.

tcpdump records a lab from its first packet through a model's distribution and some inferences. No
name, weight or picture is in it, UDP carries CoAP posts of hellos and gossip only, and what TCP and
gossip carry does not compress.
"""
import gzip
import json
import shutil
import signal
import struct
import subprocess
import zlib

from lab_common import (DATA, DIGITS, ask, at, base, lab, needs_root, read, run, skip, torn_down,
                        up, wait)

HELLO, GOSSIP = b"\xb5covey\x01h", b"\xb5covey\x01g"  # Uri-Path options, RFC 7252

CERTAIN = 8  # bytes that random ones do not hold by chance: 1 in 10^12 for ten million of them

needs_root()
if shutil.which("tcpdump") is None:
    skip("needs tcpdump")
pcap = f"{base}/pcap"


def listen(bridge):
    # Otherwise what its buffer holds is lost when it is told to end.
    options = ["-U", "--immediate-mode", "-s", "0", "-B", "32768"]
    process = subprocess.Popen(["tcpdump", "-i", bridge, *options, "-w", pcap],
                               stderr=subprocess.PIPE, text=True)
    for line in process.stderr:  # the event: it says when it listens
        if "listening on" in line:
            return process
    raise AssertionError("tcpdump does not listen")


def frames(raw):
    at = 24
    while at + 16 <= len(raw):
        size = struct.unpack_from("<I", raw, at + 8)[0]
        yield raw[at + 16:at + 16 + size]
        at += 16 + size


def payloads(raw):
    """(protocol, source port, destination port, flow, payload) of every TCP and UDP packet."""
    for frame in frames(raw):
        kind = struct.unpack_from(">H", frame, 12)[0]
        ip = frame[14:]
        if kind == 0x0800:
            ends = ip[12:20]
            protocol, ip = ip[9], ip[(ip[0] & 15) * 4:struct.unpack_from(">H", ip, 2)[0]]
        elif kind == 0x86DD:
            ends = ip[8:40]
            protocol, ip = ip[6], ip[40:40 + struct.unpack_from(">H", ip, 4)[0]]
        else:
            continue
        if protocol in (6, 17):
            source, destination = struct.unpack_from(">HH", ip, 0)
            skip = 8 if protocol == 17 else (ip[12] >> 4) * 4
            yield protocol, source, destination, ends + ip[:4], ip[skip:]


def secrets():
    """What must not be seen: names, layers, a piece of the weights, a picture as it is sent."""
    rows = gzip.open(f"{DATA}/digits.csv.gz", "rt").read().splitlines()
    pixels = [float(x) for x in rows[0].split(",")[:64]]
    onnx = read(f"{DATA}/digits.onnx")
    middle = len(onnx) // 2
    return [b"node1", b"node2", b"conv1", b"dense1", b"digits", onnx[middle:middle + 32],
            struct.pack("<16f", *pixels[16:32]), struct.pack("<16f", *[p / 16 for p in pixels[16:32]])]


def ratio(data):
    return len(zlib.compress(data, 9)) / len(data)


def ratio_of_flows(flows):
    """Each by itself: a body sealed once is the same ciphertext in every channel that it goes to."""
    long = [bytes(data) for data in flows.values() if len(data) > 20000]
    return sum(len(zlib.compress(data, 9)) for data in long) / sum(map(len, long))


def check(raw):
    flows, gossip, hellos = {}, b"", 0
    for protocol, source, destination, flow, payload in payloads(raw):
        if protocol == 6:
            flows.setdefault(flow, bytearray()).extend(payload)
            continue
        if HELLO in payload[:24]:
            hellos += 1
            assert len(payload) <= 300, "a hello of too many bytes"
        else:
            assert GOSSIP in payload[:24], f"unknown datagram {source} -> {destination}: {payload!r}"
            gossip += payload[16 + 57:]  # behind CoAP's header and ours: the ciphertext
    tcp = sum(map(len, flows.values()))
    print(f"{hellos} hellos, {len(gossip)} bytes of gossip, {tcp} bytes of channels")
    assert hellos >= 3 and len(gossip) > 2000 and tcp > 100000
    for secret in secrets():
        # A name is part of whatever a node says of itself. Five random bytes may be one by chance,
        # 1 in 10^5 for ten million of them, but not twice.
        once = len(secret) < CERTAIN
        assert raw.count(secret) <= once, f"seen in clear: {secret!r}"
    channels = ratio_of_flows(flows)
    assert channels > 0.97, f"channels compress to {channels:.3f}"
    assert ratio(gossip) > 0.97, f"gossip compresses to {ratio(gossip):.3f}"


with torn_down():
    up(4, mode="netns")
    bridge = json.loads(lab("list", "--json"))["bridge"]
    sniffer = listen(bridge)
    try:
        for node in (3, 4):  # so that discovery and handshakes are on record, too
            lab("kill", str(node))
            lab("restart", str(node))
        lab("wait", "--wait", "120")
        run(at(2, "model", "add", f"{DATA}/digits.onnx", "--name", "digits"))
        wait("requests over several devices", lambda: ask(
            2, "infer", "digits", DIGITS, "--limit", "50", "--coded", "all")["devices"] > 1)
    finally:
        sniffer.send_signal(signal.SIGINT)
        sniffer.wait(timeout=20)
    check(read(pcap))
