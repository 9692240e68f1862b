"""Both ends of a measurement: the sink that counts what arrives (Debian's smtp-sink) and the sources that send, Debian's smtp-source and the
load_client of bench/, which also speaks TLS and measures how long a dot waits for its 250.
"""
import dataclasses
import json
import os
import pathlib
import re
import resource
import subprocess
import time

from .processes import Failure, Kept, free_port, listening, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE, SINK, CLIENT = "/usr/sbin/smtp-source", "/usr/sbin/smtp-sink", ROOT / "build/release/load_client"
CEILING = ROOT / "build/release/ceiling_bench"
KEPT = 1 << 40  # messages over each connection: as many as there are
COUNTERS = re.compile(rb"mesg=\s*(\d+)")


class CountingSink:
    """A next hop on `port` whose `count()` rises by `per_message` with each message."""

    per_message = 1

    def wait_for(self, count, seconds):
        """The moment at which it stood at `count`."""
        def arrived():
            self.must_live()
            return time.monotonic() if self.count() >= count else None

        try:
            return wait_until(f"a count of {count} at the sink", arrived, seconds, pause=0.004)
        except Failure as failure:
            raise Failure(f"{failure}: it is {self.count()}") from None

    def verify(self):
        """Fails where the right count hides a wrong sum."""


class Sink(CountingSink):
    """smtp-sink, with its counter in a file of memory, so that reading it costs the sink nothing."""

    def __init__(self):
        self.port = free_port()
        self.counter = pathlib.Path("/dev/shm", f"adieu-bench-{os.getpid()}-{self.port}")
        self.kept = Kept("smtp-sink", [SINK, "-c", "-m", "2000", "-u", "nobody", f"127.0.0.1:{self.port}", "1000"], self.counter)
        wait_until("smtp-sink", lambda: self.must_live() or listening(self.port))

    def must_live(self):
        self.kept.must_live()

    def count(self):
        """Messages so far: the last `mesg=` it has written."""
        with open(self.counter, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 200))
            found = COUNTERS.findall(file.read())
        return int(found[-1]) if found else 0

    def cpu(self):
        return self.kept.cpu()

    def stop(self):
        self.kept.stop()
        self.counter.unlink(missing_ok=True)


@dataclasses.dataclass(frozen=True)
class Load:
    """What is sent: `size` octets a message, `sessions` at once, `per_session` messages over each connection."""

    size: int = 4096
    sessions: int = 50
    per_session: int = 1
    recipients: int = 1
    domain: str = "example.net"
    tls: bool = False
    certificate: str = "p256"
    most: int = 30000  # messages in one turn
    timeout: float = 300


@dataclasses.dataclass(frozen=True)
class Sent:
    """All were accepted, in `seconds`, for `cpu` seconds of the source's; milliseconds from the dot to its 250 where it measures them."""

    seconds: float
    cpu: float
    p50: float | None = None
    p99: float | None = None


def send(port, load, messages):
    """By smtp-source, and by the client of our own where smtp-source cannot."""
    own = load.tls or load.per_session not in (1, KEPT)
    return client(port, load, messages) if own else source(port, load, messages)


def run(command, timeout, **options):
    """Runs a source to its end; anything but success fails, and so does an end that does not come."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False, **options)
    except subprocess.TimeoutExpired:
        raise Failure(f"{pathlib.Path(words[0]).name} was not done after {timeout} s") from None
    if done.returncode != 0:
        raise Failure(f"{pathlib.Path(words[0]).name}: {done.stderr.strip()[-500:]}")
    return done.stdout


def source(port, load, messages):
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    run([SOURCE, "-s", load.sessions, "-l", load.size, "-m", messages, *(["-d"] if load.per_session == KEPT else []),
         "-r", load.recipients, "-f", "a@example.org", "-t", f"b@{load.domain}", f"127.0.0.1:{port}"], load.timeout)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Sent(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def client_command(port, load, messages, *more):
    return [CLIENT, "--port", port, "--sessions", load.sessions, "--messages", messages, "--per-session", load.per_session,
            "--recipients", load.recipients, "--size", load.size, *(["--tls"] if load.tls else []), *more]


def client(port, load, messages):
    told = json.loads(run(client_command(port, load, messages), load.timeout))
    if told["accepted"] != messages:
        raise Failure(f"load_client: {told['accepted']} of {messages} were accepted")
    return Sent(told["seconds"], told["cpu"], told["p50"], told["p99"])
