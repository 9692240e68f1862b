"""adieu as it is measured, and what all relays have in common. The peers stand in peers.py.

Each takes mail from loopback for everybody and relays it to the sink, with a durable queue, no content filter, the product's own logging
(into a file), and otherwise its defaults; `settings()` is what was changed, and is printed with the figures.
"""
import dataclasses
import os
import pathlib
import subprocess

from .processes import Failure, Kept, free_port, listening, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADIEU = pathlib.Path(os.environ.get("ADIEU", ROOT / "build/release/adieu")).resolve()
DOWN = "down.example"
KINDS = {"p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa2048": ["rsa:2048"], "rsa4096": ["rsa:4096"]}


def certificate(directory, kind):
    """(chain, key): a self-signed certificate of that kind, made once."""
    chain, key = directory / f"{kind}.chain.pem", directory / f"{kind}.key.pem"
    if not key.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", *KINDS[kind], "-nodes", "-days", "2", "-subj", "/CN=relay.example.org",
                        "-addext", "subjectAltName=DNS:relay.example.org", "-keyout", str(key), "-out", str(chain)],
                       check=True, capture_output=True)
        key.chmod(0o644)  # the relays read it as different users; it is worth nothing
    return chain, key


def output_of(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False).stdout.strip()


class Relay:
    """One relay in a directory of its own. A subclass writes its files in `prepare`, and says in `command` what runs."""

    name = ""
    needs = ()  # Debian's packages to be installed
    keeps_running = True  # the command stays in the foreground
    speaks_tls = True
    logs = ()  # files it writes beside its output
    holds = 90  # connections at once, of which some are left for others: the peers' default is 100
    sessions = 1000  # that may connect at the same moment
    backlog = 10000  # messages queued for a next hop that is down; the peers would take minutes for more

    def __init__(self, directory, sink_port, kind="p256", row=None, loops=None, cpus=None, down_port=None):
        """`row` names its directory where one product runs twice; `cpus` are those it is pinned to; mail for DOWN goes to `down_port`."""
        self.directory = directory / (row or self.name).replace(" ", "-")
        self.directory.mkdir(parents=True)
        self.sink_port, self.port, self.loops, self.cpus, self.down_port = sink_port, free_port(), loops, cpus, down_port
        self.chain, self.key = certificate(directory, kind)
        self.kept = None
        self.prepare()

    def able(self, load):
        return dataclasses.replace(load, sessions=min(load.sessions, self.sessions))

    @classmethod
    def version(cls):
        """What runs, for the head of the report."""
        raise NotImplementedError

    def prepare(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def settings(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def start(self):
        """Starts it, and waits until it listens."""
        pinned = ["taskset", "-c", self.cpus] if self.cpus else []
        self.kept = Kept(self.name, [*pinned, *self.command()], self.directory / "output.log", self.environment())
        wait_until(f"{self.name} to listen", lambda: (self.keeps_running and self.kept.must_live()) or listening(self.port))

    def stop(self):
        if self.kept:
            self.kept.stop()

    def log(self):
        """The end of what it said, for a failure's report."""
        logs = [self.directory / "output.log", *(self.directory / name for name in self.logs)]
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in logs if path.exists())


class Adieu(Relay):
    name = "adieu"
    holds = 10000
    backlog = 100000

    @classmethod
    def version(cls):
        return output_of("git", "-C", ROOT, "describe", "--always", "--dirty")

    def prepare(self):
        if not ADIEU.exists():
            raise Failure(f"{ADIEU} is not built")
        self.policy = self.directory / "adieu.conf"
        loops = f"loops {self.loops}\n" if self.loops else ""
        down = f"""domains down {DOWN}
next-hop down {{ host 127.0.0.1:{self.down_port}; tls off }}
relay from network local to domains down via down
""" if self.down_port else ""
        self.policy.write_text(f"""hostname relay.example.org
{loops}spool rocksdb {self.directory}/spool
control-socket {self.directory}/control
certificate default {{ chain {self.chain}; key {self.key} }}
listen 127.0.0.1:{self.port} {{ tls optional }}
network local 127.0.0.0/8
next-hop sink {{ host 127.0.0.1:{self.sink_port}; tls off }}
{down}relay from network local to any via sink
limits {{ connections 20000; connections-per-address 20000; transactions 1000000 }}
""")

    def command(self):
        return [ADIEU, "serve", "-c", self.policy]

    def settings(self):
        return self.policy.read_text()
