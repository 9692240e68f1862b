"""What whoever runs adieu does with it: its log, its signals, its ports, its limits, its control socket, what its commands say."""
import fcntl
import json
import os
import pathlib
import resource
import signal
import smtplib
import socket
import subprocess
import threading
import time

from adieu_test_peers import ADIEU, MESSAGE, Child, Nsd, Relay, Sink, free_port, run, wait_until

NOWHERE = "host 127.0.0.1:1; tls off"


def smtp(relay):
    return smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=30)


def policy_of(directory, port, more="", name="other.conf"):
    path = pathlib.Path(directory) / name
    path.write_text(f"hostname relay.example.org\nspool rocksdb spool-{name} {{ free-space 1MiB }}\ncontrol-socket control-{name}\n"
                    f"listen 127.0.0.1:{port}\nnetwork local 127.0.0.0/8\nnext-hop out {{ {NOWHERE} }}\nrelay from network local to any via out\n{more}\n")
    return path


def adieu(*words, **options):
    return subprocess.run([ADIEU, *map(str, words)], capture_output=True, text=True, timeout=60, **options)


class Serve:
    """`adieu serve` whose standard error is a pipe."""

    def __init__(self, policy):
        self.process = subprocess.Popen([ADIEU, "serve", "-c", str(policy)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.stderr.close()
        return self.process.wait(20)


def test_stopped_reader(directory, children):
    """a log that nobody reads any more holds up neither the clients nor the end of the relay"""
    port = free_port()
    relay = Serve(policy_of(directory, port, "shutdown-timeout 1s"))
    children.append(relay)
    fcntl.fcntl(relay.process.stderr, fcntl.F_SETPIPE_SZ, 4096)
    assert b"event=listening" in relay.process.stderr.readline()
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example", timeout=30) as client:
        for number in range(100):
            client.sendmail("a@example.org", [f"b{number}@example.net"], MESSAGE)
    relay.process.send_signal(signal.SIGTERM)
    assert relay.process.wait(20) == 0


def test_log_file(directory, children):
    """a log file is opened anew at SIGHUP, and every line stands in one of the two"""
    log = pathlib.Path(directory) / "adieu-file.log"
    port = free_port()
    policy = policy_of(directory, port, f"log {{ file {log} }}")
    relay = Child(directory, "relay", [ADIEU, "serve", "-c", str(policy)])
    children.append(relay)
    wait_until("the relay", lambda: log.exists() and "event=listening" in log.read_text())
    old = log.rename(log.with_suffix(".1"))
    relay.process.send_signal(signal.SIGHUP)
    wait_until("a new file", lambda: log.exists() and "event=reload" in old.read_text() + log.read_text())
    assert relay.stop() == 0
    assert "event=stopped" in log.read_text() and "event=listening" not in log.read_text()
    assert relay.log() == "", relay.log()


def test_hangup_at_start(directory, children):
    """SIGHUP while the relay starts is no end of it"""
    port = free_port()
    text = policy_of(directory, port).read_text()
    fifo = pathlib.Path(directory) / "fifo.conf"
    os.mkfifo(fifo)
    relay = Child(directory, "relay", [ADIEU, "serve", "-c", str(fifo)])
    children.append(relay)
    with open(fifo, "w") as policy:  # from here on it reads
        relay.process.send_signal(signal.SIGHUP)
        policy.write(text)
    relay.wait_for("event=listening")


def test_ports(directory, children):
    """a port is never shared with another relay, or between `listen` and `metrics`; the error names it"""
    port = free_port()
    first = Child(directory, "first", [ADIEU, "serve", "-c", str(policy_of(directory, port, "loops 2", "first.conf"))])
    children.append(first)
    first.wait_for("event=listening")
    second = adieu("serve", "-c", policy_of(directory, port, "loops 2", "second.conf"))
    assert second.returncode == 75 and f"listen on 127.0.0.1:{port}: " in second.stderr and "choose another port" in second.stderr, second
    other = free_port()
    third = adieu("serve", "-c", policy_of(directory, other, f"loops 2\nmetrics 127.0.0.1:{other}", "third.conf"))
    assert third.returncode == 78 and "`metrics` stands on this port" in third.stderr, third


def test_silent_askers(directory, children):
    """connections to the control socket that ask nothing lock nobody out"""
    relay = Relay(directory, NOWHERE)
    children.append(relay)
    silent = []
    for _ in range(40):
        one = socket.socket(socket.AF_UNIX)
        one.connect(str(pathlib.Path(directory) / "control"))
        silent.append(one)
    assert relay.queue("list").stdout == "the queue is empty\n"
    for one in silent:
        one.close()


def test_queue_words(directory, children):
    """adieu queue: -c before or behind the verb; output that cannot be written is an error with words, and no signal"""
    relay = Relay(directory, NOWHERE)
    children.append(relay)
    with smtp(relay) as client:
        client.sendmail("a@example.org", ["b@example.net"], MESSAGE)
    policy = str(relay.policy)
    before, behind = adieu("queue", "-c", policy, "list"), adieu("queue", "list", "-c", policy)
    assert before.returncode == behind.returncode == 0 and "b@example.net" in before.stdout and "b@example.net" in behind.stdout, (before, behind)
    for command in (["queue", "-c", policy, "list"], ["settings"], ["closures", "-c", policy]):
        with open("/dev/full", "w") as full:
            found = subprocess.run([ADIEU, *command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
        assert found.returncode == 1 and "could not be written" in found.stderr, (command, found)
        reader, writer = os.pipe()
        os.close(reader)
        found = subprocess.run([ADIEU, *command], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=20)
        os.close(writer)
        assert found.returncode == 1 and "could not be written" in found.stderr, (command, found)


def test_exit_status(directory, children):
    """check: 78 for a policy file that is wrong or cannot be read; sink: 1 for a directory that cannot be made, 75 for a port that is taken"""
    wrong = pathlib.Path(directory) / "wrong.conf"
    wrong.write_text("listen nowhere\n")
    assert adieu("check", "-c", wrong).returncode == 78
    assert adieu("check", "-c", wrong.with_name("missing.conf")).returncode == 78
    assert adieu("sink", "127.0.0.1:0", pathlib.Path(directory) / "no" / "such").returncode == 1
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert adieu("sink", f"127.0.0.1:{taken.getsockname()[1]}", directory).returncode == 75


class Hop(threading.Thread):
    """A next hop that obeys, but answers DATA with nothing."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.stalls = threading.Event()
        self.start()

    def run(self):
        self.connection = self.listener.accept()[0]
        self.connection.sendall(b"220 hop\r\n")
        for line in self.connection.makefile("rb"):
            if line.upper().startswith(b"DATA"):
                self.stalls.set()
            else:
                self.connection.sendall(b"250 ok\r\n")

    def stop(self):
        self.connection.close()
        self.listener.close()


def test_list(directory, children):
    """adieu queue list: thousands of messages whole, by parts, and what is being delivered; no time where there is none"""
    hop = Hop()
    children.append(hop)
    relay = Relay(directory, f"host 127.0.0.1:{hop.port}; tls off; connections 1", "limits { transactions 100000 }")
    children.append(relay)
    count = 3000
    with socket.create_connection(("127.0.0.1", relay.port), timeout=60) as client:
        def send():
            for number in range(count):
                client.sendall(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b%d@example.net>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n" % number)
            client.sendall(b"QUIT\r\n")

        client.sendall(b"EHLO client.example\r\n")
        sender = threading.Thread(target=send)
        sender.start()
        replies = client.makefile("rb").read()
        sender.join()
    assert replies.count(b"queued as") == count, replies[-500:]
    assert hop.stalls.wait(30)
    whole = relay.queue("list")
    assert whole.returncode == 0 and "1970-01" not in whole.stdout, whole.stdout[:1000]
    lines = [json.loads(line) for line in relay.queue("list", "--json").stdout.splitlines()]
    assert sorted(line["recipients"][0] for line in lines) == sorted(f"b{number}@example.net" for number in range(count)), len(lines)
    states = [line["state"] for line in lines]
    assert states.count("delivering") == 1 and states.count("due") == count - 1, (states.count("delivering"), states.count("due"))
    under_way = next(line for line in lines if line["state"] == "delivering")
    shown = relay.queue("show", under_way["queue-id"])
    assert shown.returncode == 0 and ", delivering, 0 attempts" in shown.stdout, shown
    # Whoever stops reading half-way holds up nobody.
    slow = subprocess.Popen([ADIEU, "queue", "-c", str(relay.policy), "list"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    slow.stdout.read(1)
    assert len(relay.queue("list", "--json").stdout.splitlines()) == count
    with smtp(relay) as client:
        assert client.noop()[0] == 250
    slow.kill()
    slow.stdout.close()
    slow.wait(20)


def test_filters(directory, children):
    """adieu queue: list, summary and retry by filters, destinations and why they are not tried"""
    relay = Relay(directory, f"host 127.0.0.1:{free_port()}; tls off", retry="after 1h; then-every 1h; give-up 5d",
                  first="next-hop other { host 127.0.0.1:1; tls off }\ndomains two two.example\nrelay from network local to domains two via other")
    children.append(relay)
    with smtp(relay) as client:
        for number in range(3):
            client.sendmail("a@example.org", ["b@one.example", "c@two.example"], f"Subject: {number}\r\n\r\n" + "x" * 100 * number)
        client.sendmail("z@example.org", ["b@one.example"], "Subject: z\r\n\r\n")
    wait_until("all wait", lambda: relay.queue("list", "--state", "waiting", "--json").stdout.count("\n") == 7)

    def count(*words):
        return relay.queue("list", "--json", *words).stdout.count("\n")

    for words, expected in ((("--next-hop", "other"), 3), (("--domain", "one.example"), 4), (("--from", "z@example.org"), 1), (("--to", "<c@two.example>"), 3),
                            (("--older-than", "1h"), 0), (("--reason", "refused"), 7), (("--state", "delivering"), 0), (("--limit", "2"), 2),
                            (("--domain", "one.example", "--from", "a@example.org"), 3)):
        assert count(*words) == expected, (words, count(*words))
    sizes = [json.loads(line)["size"] for line in relay.queue("list", "--json", "--sort", "size", "--limit", "3").stdout.splitlines()]
    assert sizes == sorted(sizes) and len(sizes) == 3, sizes
    table = relay.queue("summary").stdout.splitlines()
    assert table[1].split()[:2] == ["TOTAL", "7"] and table[2].split()[:2] == ["out", "4"], table
    assert json.loads(relay.queue("summary", "--json", "--next-hop", "other").stdout)["recipients"] == 3
    sites = {site["destination"]: site for site in map(json.loads, relay.queue("destinations", "--json").stdout.splitlines())}
    assert sites["other"]["state"] == "backed off" and sites["other"]["failures"] >= 1 and "refused" in sites["other"]["reason"], sites
    for words, expected in ((("list", "--older-than", "1h"), "nothing in the queue is like that"), (("list", "--older-than", "soon"), "expected a duration"),
                            (("destinations",), "not tried until 2"), (("retry", "--dry-run", "--domain", "two.example"), "3 deliveries would be tried now"),
                            (("retry", "--domain", "two.example"), "3 deliveries are tried now")):
        said = relay.queue(*words)
        assert expected in said.stdout + said.stderr, (words, said)
    wait_until("they wait again", lambda: count("--state", "waiting") == 7)


class Tarpit(threading.Thread):
    """A next hop that greets nobody, until it is told to obey."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.port = self.listener.getsockname()[1]
        self.held, self.obeys, self.most = [], False, 0
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.held.append(connection)
            self.most = max(self.most, len(self.held))

    def stop(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # ends the accept
        except OSError:
            pass
        self.join(20)
        self.listener.close()
        for connection in self.held:
            connection.close()


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))


def test_few_descriptors(directory, children):
    """200 descriptors, a flood of clients and of destinations: the relay lives, answers its administrator, and loses nothing that it took"""
    names = Nsd(directory, "\n".join(f"d{number} MX 10 mail" for number in range(150)) + "\nmail A 127.0.0.1")
    children.append(names.child)
    tarpit = Tarpit()
    children.append(tarpit)
    sink_port = tarpit.port
    relay = Relay(directory, f"mx; port {sink_port}; tls off; command-timeout 2s{LOCAL}", "limits { connections-per-address 1000 }",
                  first=f"resolver 127.0.0.1:{names.port}", preexec_fn=few_descriptors)
    children.append(relay)
    taken = 0
    with smtp(relay) as client:
        for number in range(150):
            client.sendmail("a@example.org", [f"b@d{number}.example.net"], MESSAGE)
            taken += 1
    flood = []
    for _ in range(300):
        one = socket.socket()
        one.settimeout(20)
        try:
            one.connect(("127.0.0.1", relay.port))
        except OSError:
            break
        flood.append(one)
    wait_until("the flood to be told", lambda: "event=accept" in relay.log())
    assert relay.queue("list").returncode == 0
    time.sleep(3)  # of the same trouble: at most one line a second
    assert relay.child.process.poll() is None, relay.log()
    began = time.monotonic()
    before = relay.log().count("event=accept")
    time.sleep(2)
    assert relay.log().count("event=accept") - before <= time.monotonic() - began + 1
    for one in flood:
        one.close()
    # Where mail stood still, it flows again: the tarpit's port is now a sink's.
    tarpit.stop()
    sink = Sink(directory, f"127.0.0.1:{sink_port}")
    children.append(sink.child)
    with wait_for_client(relay) as client:
        client.sendmail("a@example.org", ["b@d0.example.net"], MESSAGE.replace(b"interop", b"afterwards"))
        taken += 1
    wait_until("the retry", lambda: relay.queue("retry").returncode == 0)
    wait_until(f"{taken} messages", lambda: len(sink.messages()) >= taken, 60)
    assert len(sink.messages()) == taken, len(sink.messages())
    assert relay.stop() == 0


LOCAL = "; local-addresses yes"


def wait_for_client(relay):
    def greeted():
        try:
            return smtp(relay)
        except (OSError, smtplib.SMTPException):
            return None

    return wait_until("a greeting", greeted)


def test_hoarders(directory, children):
    """addresses that hold all the connections they can keep out neither another address, nor a trusted one, nor clients of another listener"""
    other = free_port()
    relay = Relay(directory, NOWHERE, f"limits {{ connections 400; connections-per-address 10 }}\nlisten 127.0.0.1:{other} {{ tls off }}\n"
                  "domains ours ours.example\nrelay from any to domains ours via out")
    children.append(relay)
    relay.stop()
    relay.policy.write_text(relay.policy.read_text().replace("network local 127.0.0.0/8 ::1", "network local 127.8.0.0/16"))
    relay.start()

    def greeting(source, port=relay.port):
        client = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))
        held.append(client)
        return client.recv(1000)[:3]

    held = []
    for number in range(1, 41):
        while greeting(f"127.0.1.{number}") == b"220":
            pass
    assert greeting("127.0.1.1") == b"421"
    assert greeting("127.0.2.1") == b"220"
    assert greeting("127.8.0.1") == b"220"
    assert greeting("127.0.2.1", other) == b"220"
    for one in held:
        one.close()


run([test_stopped_reader, test_log_file, test_hangup_at_start, test_ports, test_silent_askers, test_queue_words, test_list, test_filters, test_exit_status, test_few_descriptors, test_hoarders])
