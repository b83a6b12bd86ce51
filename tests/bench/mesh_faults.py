# SPDX-License-Identifier: MIT
"""Devices that die, stop, are cut off, are late or lie while requests stream."""

import fcntl
import json
import os
import random
import signal
import socket
import statistics
import struct
import time

from mesh_lab import (Lab, Later, MeshError, Requests, Tally, alternate, print_error,
                      summary)

ASKER = 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
# A stream has so many requests in front of a loss and behind it.
BEFORE, AFTER = 15, 15


def take_down(link):
    """As `ip link set LINK down` does (netdevice(7)), without a process: its start would take
    milliseconds from devices that are about to compute."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        name, flags = struct.unpack("16sh", fcntl.ioctl(s, SIOCGIFFLAGS,
                                                        struct.pack("16sh", link.encode(), 0)))
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh", name, flags & ~IFF_UP))


def lose(way, known, node):
    """Without another program's start in between, which would take longer than a request."""
    if way == "cut":
        take_down(f"cvy{known['id']}-{node}")
    else:
        number = signal.SIGKILL if way == "kill" else signal.SIGSTOP
        os.kill(known["nodes"][node - 1]["pid"], number)


def bring_back(lab, way, node):
    if way == "kill":
        lab.restart(node)
    else:
        lab.command("thaw" if way == "freeze" else "heal", node)


def hit_times(requests, at):
    """Of the request in flight at the loss, and the next, sent before anything is known."""
    return [line["elapsed_ms"] for line in requests.lines
            if line["at"] >= at and "elapsed_ms" in line][:2]


def one_loss(lab, model, way, victims, rng, steady_ms, choice):
    """A stream in whose middle the victims are lost. The requests, and the times of the hit."""
    known = lab.list()
    started = []

    def strike():
        for node in victims:
            lose(way, known, node)

    def on_answer(count):
        if count == BEFORE:
            started.append(Later(rng.random() * steady_ms / 1000, strike))

    requests = Requests(lab, ASKER, model, BEFORE + AFTER, choice, on_answer)
    for later in started:
        later.join()
    hit = hit_times(requests, started[0].at) if started else []
    if "--trace" in choice and started:
        show(victims, requests, started[0].at, steady_ms)
    return requests, hit


def show(victims, requests, at, steady_ms):
    """Each request: when it was answered, after the loss; its time; of each layer the time, and the
    units that were recovered of dead (d) and of late (l) devices."""
    print_error(f"lost: {victims}")
    for line in requests.lines:
        layers = [f"{l['ms']:.1f}" + "d" * l["recovered_dead"] + "l" * l["recovered_late"]
                  for l in line.get("layers", [])]
        mark = "*" if line["elapsed_ms"] > 1.6 * steady_ms else " "
        print_error(f"{(line['at'] - at) * 1000:9.1f} {line['elapsed_ms']:7.1f} {mark} "
                    + " ".join(layers))


def coded_options(options):
    extra = ["--parity", options.parity]
    extra += ["--trace"] if options.detail else []
    return extra + (["--coded", options.coded] if options.coded else [])


def restored(lab, victims, before, times):
    """Waits until another loss would cost nothing (`lab wait`), and tells of this one."""
    start = time.monotonic()
    lab.wait()
    own = statistics.median(before) if before else None
    return {"victims": victims, "steady_ms": own, "hit_ms": times[:1],
            "ratio": round(times[0] / own, 3) if times and own else None,
            "restored_s": round(time.monotonic() - start, 1)}


def losses(options, model, way):
    """No request is lost and none is wrong; the hit take hardly longer."""
    rng = random.Random(options.seed)
    choice = coded_options(options)
    steady, hit, tally, worst_hits, each = [], [], Tally(), [], []
    with Lab(options.devices, options.cpu, options.rate, options.delay) as lab:
        lab.wait()
        lab.add(ASKER, model)
        Requests(lab, ASKER, model, 3, choice)
        lab.wait()
        steady += Requests(lab, ASKER, model, BEFORE, choice).ms(2)
        alive = set(range(2, options.devices + 1))
        for _ in range(options.rounds):
            if len(alive) < options.at_once:
                break
            victims = rng.sample(sorted(alive), options.at_once)
            requests, times = one_loss(lab, model, way, victims, rng,
                                       statistics.median(steady), choice)
            tally.add(requests, skip=2)
            before = requests.ms(2)[:BEFORE - 2]
            steady += before
            hit += times[:1]
            worst_hits.append(max(times, default=0))
            if options.for_good:
                alive -= set(victims)
            else:
                for node in victims:
                    bring_back(lab, way, node)
            each.append(restored(lab, victims, before, times))
    median = statistics.median(steady)
    return {"losses": len(each), "each": each, "all": tally.json(), "steady": summary(steady),
            "hit": summary(hit), "hit_or_next": summary(worst_hits),
            "hit_median_ratio": round(statistics.median(hit) / median, 3) if hit else None,
            "hit_max_ratio": round(max(hit) / median, 3) if hit else None}


def slow(options, model):
    """Late answers of one device are not waited for; without parity all are."""
    coded = ["--coded", options.coded or "all"]
    asked = {"coded": [*coded, "--parity", options.parity]}
    with Lab(options.devices, options.cpu, options.rate, options.delay) as lab:
        lab.wait()
        lab.add(ASKER, model)
        undisturbed = alternate(lab, ASKER, model, asked, options.requests, options.chunk)
        lab.command("slow", options.devices, "--delay", options.slow_ms)
        late = Tally()
        late.add(Requests(lab, ASKER, model, options.requests, asked["coded"]))
        waiting = Tally()
        # Every request waits for the slow device: a few say how long.
        few = max(5, options.requests // 50)
        waiting.add(Requests(lab, ASKER, model, few, [*coded, "--parity", 0]))
    quiet, hurt, all_of = undisturbed["coded"].json(), late.json(), waiting.json()
    return {"undisturbed": quiet, "slowed": hurt, "waiting_for_all": all_of,
            "p95_ratio": ratio(hurt, quiet, "p95_ms"), "p99_ratio": ratio(hurt, quiet, "p99_ms"),
            "p99_saved": saved(hurt, all_of)}


def ratio(a, b, key):
    return round(a[key] / b[key], 3) if a.get(key) and b.get(key) else None


def saved(a, b):
    part = ratio(a, b, "p99_ms")
    return None if part is None else round(1 - part, 3)


def names_of(lab, ids):
    peers = json.loads(lab.run(ASKER, "peers", "--json"))["peers"]
    return [peer["name"] for peer in peers if peer["id"] in ids or peer.get("lied")]


def lie(options, model):
    """The liar is named within a request, and no wrong answer comes."""
    choice = coded_options(options) + ["--check", options.check or "all"]
    liar = options.devices
    with Lab(options.devices, options.cpu, options.rate, options.delay) as lab:
        lab.wait()
        lab.add(ASKER, model)
        Requests(lab, ASKER, model, 3, choice)
        lab.wait()
        lab.command("lie", liar)
        first = json.loads(lab.run(ASKER, "infer", model.name, model.path(0), "--json",
                                   "--timeout", 600, *choice))
        named = names_of(lab, first.get("wrong", []))
        tally = Tally()
        done = 0
        while done < options.requests:
            count = min(500, options.requests - done)
            tally.add(Requests(lab, ASKER, model, count, choice))
            done += count
        later = names_of(lab, [])
    wrong = tally.worst > 1e-4
    return {"all": tally.json(), "liar": f"node{liar}", "named": named, "named_later": later,
            "named_at_once": named == [f"node{liar}"],
            "any_wrong": wrong or model.error(0, first["outputs"]) > 1e-4}


def coordinator(options, model):
    """The coordinator dies in the middle of a stream; the asker must be another."""
    rng = random.Random(options.seed)
    choice = coded_options(options)
    tally, hit, steady = Tally(), [], []
    with Lab(options.devices, options.cpu, options.rate, options.delay) as lab:
        lab.wait()
        lab.add(ASKER, model)
        Requests(lab, ASKER, model, 3, choice)
        lab.wait()
        steady += Requests(lab, ASKER, model, BEFORE, choice).ms(2)
        for _ in range(options.rounds):
            victim = lab.coordinator(ASKER)
            if victim == ASKER:
                # It keeps the office until it dies: the others elect once it is back.
                lab.restart(ASKER)
                lab.wait()
                Requests(lab, ASKER, model, 3, choice)
                lab.wait()
                victim = lab.coordinator(ASKER)
            if victim == ASKER:
                raise MeshError("the asking device is elected again and again")
            requests, times = one_loss(lab, model, "kill", [victim], rng,
                                       statistics.median(steady), choice)
            tally.add(requests, skip=2)
            steady += requests.ms(2)[:BEFORE - 2]
            hit += times
            lab.restart(victim)
            lab.wait()
    return {"losses": options.rounds, "all": tally.json(), "steady": summary(steady),
            "hit": summary(hit)}
