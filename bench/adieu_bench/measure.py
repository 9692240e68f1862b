"""One turn: a load sent through a relay to the sink, every message of it accounted for, and what that cost.

A turn that loses a message, or delivers one twice, is no measurement but a failure.
"""
import dataclasses
import signal
import subprocess
import time

from . import load as loads
from .processes import Failure, PeakMemory

SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "sync", "msync")
SETTLE = 0.5  # seconds in which one message too many would still come, and the relay finishes what it put off


def account(relay, sink, before, messages):
    """Fails unless exactly `messages` arrived, and none beyond them."""
    time.sleep(SETTLE)
    arrived = (sink.count() - before) / sink.per_message
    if arrived != messages:
        raise Failure(f"{relay.name}: {messages} were accepted, {arrived:g} arrived")
    sink.verify()


def turn(relay, sink, load, messages, send=loads.send):
    """Sends `messages` and waits for the last; returns the figures of this turn by column."""
    load = relay.able(load)
    before, cpu, written = sink.count(), relay.kept.cpu(), relay.kept.written()
    began = time.monotonic()
    with PeakMemory(relay.kept) as memory:
        sent = send(relay.port, load, messages)
        delivered = sink.wait_for(before + messages * sink.per_message, load.timeout) - began
    account(relay, sink, before, messages)
    return {
        "messages": messages,
        "accepted": messages / sent.seconds,
        "delivered": messages / delivered,
        "cpu": (relay.kept.cpu() - cpu) / messages * 1e6,
        "memory": memory.peak / 1024,
        "bytes": (relay.kept.written() - written) / messages,
        "client_share": sent.cpu / sent.seconds * 100,
        **waits(sent),
    }


def waits(sent):
    return {} if sent.p50 is None else {"p50": sent.p50, "p99": sent.p99}


def waits_of_dots(relay, sink, load, messages):
    """How long a dot waits for its 250, by our own client under the same load, in a turn of which nothing else is kept."""
    figures = turn(relay, sink, load, messages, loads.client)
    return {"p50": figures["p50"], "p99": figures["p99"]}


def straight(sink, load, messages):
    """The ceiling: the source straight into smtp-sink, in plaintext; its CPU is that of both."""
    load = dataclasses.replace(load, tls=False)
    before, cpu, began = sink.count(), sink.cpu(), time.monotonic()
    sent = loads.send(sink.port, load, messages)
    delivered = sink.wait_for(before + messages, load.timeout) - began
    return {"messages": messages, "accepted": messages / sent.seconds, "delivered": messages / delivered,
            "cpu": (sent.cpu + sink.cpu() - cpu) / messages * 1e6, "client_share": sent.cpu / sent.seconds * 100, **waits(sent)}


def how_many(relay, sink, load, seconds, most):
    """How many messages make a turn of about `seconds`: a first turn, which also warms the relay up, tells."""
    first = min(most, 200)
    rate = turn(relay, sink, load, first)["delivered"]
    return max(min(int(rate * seconds), most), min(first, most))


def count_syncs(relay, sink, load, messages):
    """Disk flushes a message, in a turn of which nothing else is kept; nothing where the kernel does not tell them.

    perf reads the kernel's counters of the whole machine: strace, which stops each call, makes a relay that gathers messages for a flush
    flush five times as often.
    """
    command = ["perf", "stat", "-a", "-D", "1", "-x", ",", "-e", ",".join(f"syscalls:sys_enter_{name}" for name in SYNCS)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as perf:
        try:
            any("enabled" in line for line in perf.stderr)  # so many lines until it counts
            turn(relay, sink, load, messages)
        finally:
            perf.send_signal(signal.SIGINT)
            told = perf.stderr.read()
    counts = [line.split(",")[0] for line in told.splitlines() if ":sys_enter_" in line]
    if len(counts) != len(SYNCS) or not all(count.isdecimal() for count in counts):
        return {}
    return {"syncs": sum(map(int, counts)) / messages}
