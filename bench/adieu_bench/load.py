"""Both ends of a measurement: the sink that counts what arrives (Debian's smtp-sink) and the sources that send (Debian's smtp-source)."""
import os
import pathlib
import re
import resource
import subprocess
import time

from .processes import Failure, Kept, free_port, listening, wait_until

SOURCE, SINK = "/usr/sbin/smtp-source", "/usr/sbin/smtp-sink"
COUNTERS = re.compile(rb"mesg=\s*(\d+)")


class Sink:
    """smtp-sink with its counter in a file of memory, so that reading it costs the sink nothing."""

    def __init__(self, directory, options=()):
        self.port = free_port()
        self.counter = pathlib.Path("/dev/shm", f"adieu-bench-{os.getpid()}-{self.port}")
        self.kept = Kept("smtp-sink", [SINK, "-c", "-m", "2000", "-u", "nobody", *options, f"127.0.0.1:{self.port}", "1000"], self.counter)
        wait_until("smtp-sink", lambda: self.kept.must_live() or listening(self.port))

    def count(self):
        """Messages so far: the last `mesg=` it has written."""
        with open(self.counter, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 200))
            found = COUNTERS.findall(file.read())
        return int(found[-1]) if found else 0

    def wait_for(self, count, seconds):
        """The moment at which message `count` had come."""
        def arrived():
            self.kept.must_live()
            return time.monotonic() if self.count() >= count else None

        try:
            return wait_until(f"message {count}", arrived, seconds, pause=0.004)
        except Failure as failure:
            raise Failure(f"{failure}: {self.count()} came") from None

    def cpu(self):
        return self.kept.cpu()

    def stop(self):
        self.kept.stop()
        self.counter.unlink(missing_ok=True)


def source(port, load, messages, timeout):
    """Sends by smtp-source; returns the seconds it took and the CPU seconds it used. Every message was accepted, or this fails."""
    command = [SOURCE, "-s", load.sessions, "-l", load.size, "-m", messages, *(["-d"] if load.reuse else []),
               *(["-r", load.recipients] if load.recipients > 1 else []), "-f", "a@example.org", "-t", "b@example.net", f"127.0.0.1:{port}"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise Failure(f"smtp-source was not done after {timeout} s") from None
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise Failure(f"smtp-source: {done.stderr.strip()[-500:]}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
