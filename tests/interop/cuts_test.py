"""A client's stream cut by FIN, by RST or by a flipped bit, through the whole relay, its spool and its queue: what was acknowledged arrives once, what was
not whole never does, what arrives is whole, and nothing is left on the disk. R8 to R11; every octet of the stream stands in test_daemon's Cut tests."""
import os
import pathlib
import re
import socket
import ssl
import struct
import threading

from adieu_test_peers import Relay, Sink, client_context, run, wait_until

EVERY = int(os.environ.get("ADIEU_CUT_EVERY", "7"))  # octets from one cut to the next
VERSIONS = {"TLS1.2": ssl.TLSVersion.TLSv1_2, "TLS1.3": ssl.TLSVersion.TLSv1_3}
WAYS = ("fin", "late fin", "rst", "late rst", "flip")  # late: behind the replies to what was sent
QUEUED = re.compile(rb"queued as \S+\r\n")
LARGE = b"0123456789abcdef" * 20 + b"\r\n"


def body_of(name, large):
    return f"Subject: {name}\r\n\r\n".encode() + (LARGE * 30 if large else b"hello\r\n") + b"the end\r\n"


class Client:
    """TLS in memory over a socket, so that a test decides which of its octets go."""

    def __init__(self, port, context):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with self.socket.makefile("rb") as replies:
            self.line(replies)
            self.socket.sendall(b"EHLO client.example\r\n")
            self.line(replies)
            self.socket.sendall(b"STARTTLS\r\n")
            self.line(replies)
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="relay.example.org")
        self.work(self.tls.do_handshake)
        self.socket.sendall(self.outgoing.read())
        self.tls.write(b"EHLO client.example\r\n")
        self.socket.sendall(self.outgoing.read())
        heard = b""
        while not re.search(rb"(?m)^250 .*\r\n", heard):
            heard += self.work(lambda: self.tls.read(65536))

    @staticmethod
    def line(replies):
        while replies.readline()[3:4] == b"-":
            pass

    def work(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.socket.sendall(self.outgoing.read())
                octets = self.socket.recv(65536)
                if not octets:
                    raise EOFError from None
                self.incoming.write(octets)

    def replies(self):
        """Whatever comes inside TLS up to its end."""
        heard = b""
        try:
            while True:
                part = self.work(lambda: self.tls.read(65536))
                if not part:
                    return heard
                heard += part
        except (EOFError, OSError, ssl.SSLError):
            return heard


def stream_of(client, name, verb, large):
    """The records of one message and QUIT; how long they are up to the end of the message."""
    body = body_of(name, large)
    lines = [b"MAIL FROM:<a@example.org>\r\n", b"RCPT TO:<b@example.net>\r\n"]
    lines += [b"DATA\r\n", body, b".\r\n"] if verb == "DATA" else [b"BDAT 40\r\n" + body[:40], b"BDAT %d LAST\r\n" % (len(body) - 40) + body[40:]]
    for line in lines:
        client.tls.write(line)
    records = client.outgoing.read()
    client.tls.write(b"QUIT\r\n")
    return records + client.outgoing.read(), len(records)


class Cuts:
    def __init__(self, port):
        self.port = port
        self.contexts = {name: client_context(version) for name, version in VERSIONS.items()}
        self.lock = threading.Lock()
        self.whole, self.acknowledged, self.bodies, self.faults, self.cases = set(), set(), {}, [], 0

    def cut(self, version, verb, way, large, at):
        """False behind the last octet."""
        name = f"{version}-{verb}-{way.replace(' ', '-')}-{'large' if large else 'small'}-{at}"
        client = Client(self.port, self.contexts[version])
        stream, end = stream_of(client, name, verb, large)
        if at >= len(stream):
            client.socket.close()
            return False
        if way == "flip":
            client.socket.sendall(stream[:at] + bytes([stream[at] ^ 4]) + stream[at + 1:])
        else:
            client.socket.sendall(stream[:at])
        heard = b""
        if way.startswith("late") and at >= end:
            while not QUEUED.search(heard):
                heard += client.work(lambda: client.tls.read(65536))
        if way.endswith("rst"):
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            client.socket.shutdown(socket.SHUT_WR)
            heard += client.replies()
        client.socket.close()
        with self.lock:
            self.cases += 1
            self.bodies[name] = body_of(name, large)
            if at >= end:
                self.whole.add(name)
            if QUEUED.search(heard):
                self.acknowledged.add(name)
        return True

    def run(self, work):
        def worker():
            while True:
                with self.lock:
                    if not work:
                        return
                    version, verb, way, large = work.pop()
                at = 0
                try:
                    while self.cut(version, verb, way, large, at):
                        at += EVERY * (40 if large else 1)
                except Exception as error:  # noqa: BLE001: told at the end
                    with self.lock:
                        self.faults.append(f"{version} {verb} {way} {large} at {at}: {error!r}")

        threads = [threading.Thread(target=worker) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def test_cuts(directory, children):
    """a stream cut by FIN, RST or a flipped bit, TLS 1.2 and 1.3, DATA and BDAT, small and large: none delivered that was not whole, none lost that was acknowledged"""
    sink = Sink(directory)
    children.append(sink.child)
    relay = Relay(directory, f"host 127.0.0.1:{sink.port}; tls off", large="1024B")
    children.append(relay)
    cuts = Cuts(relay.port)
    cuts.run([(version, verb, way, large) for version in VERSIONS for verb in ("DATA", "BDAT") for way in WAYS for large in (False, True)])
    assert not cuts.faults, cuts.faults[:3]
    layers = wait_until("a record of every layer", lambda: len(relay.closures()) >= cuts.cases and relay.closures())
    wait_until("an empty queue", lambda: "the queue is empty" in relay.queue("list").stdout, 60)
    relay.stop()
    relay.start()  # what a crash would find is found now
    wait_until("an empty queue", lambda: "the queue is empty" in relay.queue("list").stdout, 60)
    arrived, partial, twice = set(), [], []
    for message in sink.messages():
        head, _, _ = message.partition(b"\r\n\r\n")
        name = re.search(rb"Subject: (\S+)", head)[1].decode()
        (twice.append(name) if name in arrived else arrived.add(name))
        if not message.endswith(cuts.bodies[name]):
            partial.append(name)
    assert not arrived - cuts.whole, ("delivered, not whole", sorted(arrived - cuts.whole)[:5])
    assert not cuts.acknowledged - arrived, ("acknowledged, lost", sorted(cuts.acknowledged - arrived)[:5])
    assert not partial and not twice, (partial[:5], twice[:5])
    assert not list(pathlib.Path(directory, "spool", "data").iterdir()), "orphans"
    assert not any("ending=mutual" in line and "effect=rolled-back" in line for line in layers)
    assert len(cuts.acknowledged) > cuts.cases // 50, len(cuts.acknowledged)
    rolled_back = sum("effect=rolled-back" in line for line in layers)
    assert rolled_back > cuts.cases // 3, rolled_back
    print(f"        {cuts.cases} cuts: {len(cuts.whole)} behind the end of the message, {len(cuts.acknowledged)} saw its 250, {len(arrived)} arrived, "
          f"{rolled_back} rolled back; delivered but not whole, acknowledged but lost, partial, twice, orphans: 0")


run([test_cuts])
