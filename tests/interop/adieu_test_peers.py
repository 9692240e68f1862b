"""What the interop tests share: a relay and a sink as child processes on free ports of loopback, ended by pid.

Only the standard library. ADIEU names the program under test.
"""
import os
import pathlib
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ADIEU = os.environ.get("ADIEU", "build/release/adieu")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


class Skipped(Exception):
    """Raised by a test that this machine cannot run; its text says why."""


class Child:
    """A process with its standard error in a file."""

    def __init__(self, directory, name, command, **options):
        self.log_path = pathlib.Path(directory) / f"{name}.log"
        self.before = self.log_path.stat().st_size if self.log_path.exists() else 0  # of earlier runs
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, stdin=subprocess.DEVNULL, **options)
        self.name = name

    def log(self):
        return self.log_path.read_text(errors="replace")

    def log_of_this_run(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.before)
            return log.read().decode(errors="replace")

    def wait_for(self, text, seconds=20):
        def there():
            assert self.process.poll() is None, f"{self.name} ended:\n{self.log()}"
            return text in self.log()

        wait_until(f"{text!r} of {self.name}", there, seconds)

    def stop(self, number=signal.SIGTERM, seconds=40):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)


class Relay:
    """adieu serve with a policy of the test's; `more` is added to it, `first` stands before its rule."""

    def __init__(self, directory, next_hop, more="", listen="tls optional", closure="", first="", large="64KiB", spool="",
                 retry="after 1s 1s 2s; then-every 2s; give-up 1h", **options):
        """`options`: of subprocess.Popen."""
        self.options = options
        self.directory = pathlib.Path(directory)
        self.port = free_port()
        certificate(self.directory)
        self.policy = self.directory / "adieu.conf"
        self.policy.write_text(
            f"""hostname relay.example.org
spool rocksdb spool {{ free-space 1MiB; large-message {large};{spool} }}
control-socket control
log {{ level debug }}
certificate default {{ chain chain.pem; key key.pem }}
listen 127.0.0.1:{self.port} {{ {listen} {closure} }}
network local 127.0.0.0/8 ::1
next-hop out {{ {next_hop}; idle-timeout 1s }}
{first}
relay from network local to any via out
retry {{ {retry} }}
{more}
"""
        )
        self.child = None
        self.start()

    def start(self):
        self.child = Child(self.directory, "relay", [ADIEU, "serve", "-c", str(self.policy)], **self.options)
        wait_until("the relay", lambda: "event=listening" in self.child.log_of_this_run() or self._fail())

    def _fail(self):
        assert self.child.process.poll() is None, f"the relay ended:\n{self.child.log_of_this_run()}"
        return False

    def log(self):
        return self.child.log()

    def closures(self):
        return [line for line in self.log().splitlines() if "event=closure" in line]

    def queue(self, *words):
        return subprocess.run([ADIEU, "queue", "-c", str(self.policy), *words], capture_output=True, text=True, timeout=20)

    def stop(self):
        return self.child.stop()

    def kill(self):
        self.child.stop(signal.SIGKILL)


class Nsd:
    """Debian's nsd, serving example.net."""

    def __init__(self, directory, records):
        self.port = free_port()
        base = pathlib.Path(directory)
        (base / "zone").write_text(f"$ORIGIN example.net.\n$TTL 60\n@ SOA ns hostmaster 1 3600 900 86400 60\n@ NS ns\nns A 127.0.0.1\n{records}\n")
        (base / "nsd.conf").write_text(
            f"""server:
  ip-address: 127.0.0.1@{self.port}
  port: {self.port}
  username: ""
  chroot: ""
  zonesdir: "{base}"
  pidfile: ""
  database: ""
  xfrdfile: "{base}/xfrd"
  zonelistfile: "{base}/zones"
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: example.net
  zonefile: zone
"""
        )
        self.child = Child(directory, "nsd", ["/usr/sbin/nsd", "-d", "-c", str(base / "nsd.conf")])
        self.child.wait_for("nsd started")

    def stop(self):
        return self.child.stop()


class Sink:
    def __init__(self, directory, endpoint=None, name="sink"):
        self.port = int(endpoint.rsplit(":", 1)[1]) if endpoint else free_port()
        self.mail = pathlib.Path(directory) / name
        self.child = Child(directory, name, [ADIEU, "sink", endpoint or f"127.0.0.1:{self.port}", str(self.mail)])
        self.child.wait_for("event=listening")

    def messages(self):
        return [path.read_bytes() for path in sorted(self.mail.glob("*.eml"))]

    def take(self, read):
        """What `read` makes of each message; they are then gone."""
        for path in list(self.mail.glob("*.eml")):
            yield read(path.read_bytes())
            path.unlink()

    def wait_for(self, count):
        wait_until(f"{count} messages in the sink", lambda: len(self.messages()) >= count)
        time.sleep(0.2)  # one too many would come now
        assert len(self.messages()) == count, len(self.messages())
        return self.messages()

    def stop(self):
        return self.child.stop()


def certificate(directory, name="relay.example.org"):
    directory = pathlib.Path(directory)
    if not (directory / "key.pem").exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
             "-addext", f"subjectAltName=DNS:{name}", "-keyout", str(directory / "key.pem"), "-out", str(directory / "chain.pem")],
            check=True, capture_output=True)
    return directory / "chain.pem", directory / "key.pem"


def client_context(version=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    return context


MESSAGE = b"From: a@example.org\r\nTo: b@example.net\r\nSubject: interop\r\n\r\nHello,\r\n.dots\r\n..and more\r\n"


def run(tests):
    """Runs each test, or those whose names hold the first argument, in a directory of its own; a line each, and a line of counts at the end. Exit
    status 1 when one fails. One that raises Skipped has neither passed nor failed.
    """
    tests = [test for test in tests if not sys.argv[1:] or sys.argv[1] in test.__name__]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for test in tests:
        directory = tempfile.mkdtemp(prefix="adieu-interop-")
        children = []
        result = "failed"
        try:
            test(directory, children)
            result = "passed"
            print(f"  ok    {test.__doc__}")
        except Skipped as reason:
            result = "skipped"
            print(f"  SKIPPED  {test.__doc__}\n        {reason}")
        except Exception as error:  # noqa: BLE001: whatever went wrong is the test's failure
            print(f"  FAIL  {test.__doc__}\n        {type(error).__name__}: {error}")
            for log in [path for path in pathlib.Path(directory).rglob("*.log") if "spool" not in path.parts]:
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}")
        finally:
            for child in children:
                try:
                    child.stop()
                except subprocess.TimeoutExpired:
                    result = "failed"
                    print(f"  FAIL  {test.__doc__}: a child did not stop")
                    (child.child if hasattr(child, "child") else child).process.kill()
            shutil.rmtree(directory, ignore_errors=True)
        counts[result] += 1
    print(", ".join(f"{count} {result}" for result, count in counts.items()))
    sys.exit(1 if counts["failed"] else 0)
