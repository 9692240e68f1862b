"""One turn: a load sent through a relay to the sink, every message of it accounted for, and what that cost.

A turn that loses a message, or delivers one twice, is no measurement: it ends the run.
"""
import dataclasses
import re
import time

from . import load as loads
from .processes import Failure, PeakMemory

SYNCS = "fsync,fdatasync,sync_file_range,syncfs,sync,msync"
SETTLE = 0.5  # seconds in which one message too many would still come, and the relay finishes what it put off


@dataclasses.dataclass(frozen=True)
class Load:
    """What is sent: `size` octets a message, `sessions` at once, one message each unless the connections are reused."""

    size: int = 4096
    sessions: int = 50
    reuse: bool = False
    recipients: int = 1
    most: int = 30000  # messages in one turn
    timeout: float = 300


def turn(relay, sink, load, messages):
    """Sends `messages` and waits for the last; returns the figures of this turn by column."""
    before, cpu, written = sink.count(), relay.kept.cpu(), relay.kept.written()
    began = time.monotonic()
    with PeakMemory(relay.kept) as memory:
        accepted, source_cpu = loads.source(relay.port, load, messages, load.timeout)
        last = sink.wait_for(before + messages, load.timeout)
    delivered = last - began
    time.sleep(SETTLE)
    arrived = sink.count() - before
    if arrived != messages:
        raise Failure(f"{relay.name}: {messages} were accepted, {arrived} arrived")
    relay.kept.must_live() if relay.keeps_running else None
    return {
        "messages": messages,
        "accepted": messages / accepted,
        "delivered": messages / delivered,
        "cpu": (relay.kept.cpu() - cpu) / messages * 1e6,
        "memory": memory.peak / 1024,
        "bytes": (relay.kept.written() - written) / messages,
        "source_cpu": source_cpu / messages * 1e6,
    }


def how_many(relay, sink, load, seconds, most):
    """How many messages make a turn of about `seconds`: a first turn, which also warms the relay up, tells."""
    first = min(most, 200)
    rate = turn(relay, sink, load, first)["delivered"]
    return max(min(int(rate * seconds), most), min(first, most))


def count_syncs(make, sink, load, messages):
    """Disk flushes a message, by strace over all processes of a relay of its own, in a turn that is not timed."""
    relay = make()
    trace = relay.directory / "strace.log"
    relay.start(["strace", "-f", "--seccomp-bpf", "-qq", "-e", f"trace={SYNCS}", "-e", "signal=none", "-o", trace])
    try:
        begun = trace.stat().st_size
        turn(relay, sink, load, messages)
        with open(trace, encoding="ascii", errors="replace") as file:
            file.seek(begun)
            # A call that was interrupted by another process's stands in two lines, of which the first has the opening parenthesis.
            return len(re.findall(rf"^\d+ +(?:{SYNCS.replace(',', '|')})\(", file.read(), re.MULTILINE)) / messages
    finally:
        relay.stop()
