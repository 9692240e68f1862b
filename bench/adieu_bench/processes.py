"""Child processes and what they cost: a keeper that adopts every descendant of a relay, and the sums over its tree from /proc.

CPU counts the reaped too (cutime, cstime), because the keeper reaps what was orphaned. It measures, it does not judge.
"""
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
TICK = 1.0 / os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """What makes a figure worthless: told to whoever runs the benchmark, and the end of the run."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(what, condition, seconds=60, pause=0.02):
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise Failure(f"waited {seconds:g} s for {what}")
        time.sleep(pause)
    return found


def prctl(option, value):
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def keep(command):
    """The keeper: runs COMMAND, adopts what it orphans, ends once no descendant is left. SIGTERM goes to them all."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    child = subprocess.Popen(command)
    ended = None

    def pass_on(number, _frame):
        for pid in tree(os.getpid()):
            end_one(pid, number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return ended or 0
        if pid == child.pid:
            ended = os.waitstatus_to_exitcode(status)


def stat_of(pid):
    """(parent, CPU seconds of its own, CPU seconds of the children it reaped); None when it has gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    own, reaped = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return int(fields[1]), own * TICK, reaped * TICK


def tree(root):
    """The pids of the descendants of `root`, without it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := stat_of(name)):
            children.setdefault(stat[0], []).append(int(name))
    found = list(children.get(root, []))
    for pid in found:
        found += children.get(pid, [])
    return found


class Kept:
    """A command under a keeper, its output in a file."""

    def __init__(self, name, command, log, environment=None):
        self.name, self.log_path = name, pathlib.Path(log)
        with open(log, "ab") as out:
            self.process = subprocess.Popen([sys.executable, __file__, *map(str, command)], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            env={**os.environ, **(environment or {})})

    def log(self):
        return self.log_path.read_text(errors="replace")

    def must_live(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended:\n{self.log()[-3000:]}")

    def pids(self):
        return tree(self.process.pid)

    def cpu(self):
        """Seconds, user and system, of all descendants, alive and reaped; the keeper's own are left out."""
        stats = [stat for pid in self.pids() if (stat := stat_of(pid))]
        keeper = stat_of(self.process.pid) or (0, 0, 0)
        return keeper[2] + sum(stat[1] + stat[2] for stat in stats)

    def written(self):
        """Bytes sent towards the disk by all descendants, alive and reaped (write_bytes of /proc/PID/io: a page counts when it gets dirty)."""
        return sum(io_of(pid) for pid in [*self.pids(), self.process.pid])

    def pss(self):
        """KiB of memory, shared pages divided among those who share them."""
        return sum(pss_of(pid) for pid in self.pids())

    def stop(self, seconds=60):
        """Asks for an end, then demands it."""
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            for pid in [*self.pids(), self.process.pid]:
                end_one(pid)
            self.process.wait(10)


def end_one(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def io_of(pid):
    return value_of(f"/proc/{pid}/io", "write_bytes:")


def pss_of(pid):
    return value_of(f"/proc/{pid}/smaps_rollup", "Pss:")


def value_of(path, key):
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return next((int(line.split()[1]) for line in file if line.startswith(key)), 0)
    except OSError:
        return 0


class PeakMemory:
    """Samples the PSS of a relay while it is open; `peak` in KiB."""

    def __init__(self, relay, interval=1.0):
        self.relay, self.interval, self.peak = relay, interval, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while not self.over.wait(self.interval):
            self.peak = max(self.peak, self.relay.pss())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.peak = max(self.peak, self.relay.pss())


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
