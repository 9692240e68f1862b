"""R10 to R12: a message whose 250 was lost gets it again, and is delivered once; nothing else is ever suppressed."""
import re
import socket
import ssl
import struct
import time

from adieu_test_peers import Relay, Sink, client_context, run, wait_until

BODY = b"Subject: once\r\nMessage-ID: <once@client.example>\r\n\r\nThis is to arrive once.\r\n"


def speak(relay, body=BODY, to="b@example.net", sender="a@example.org", vanish=True, address="127.0.0.1", tls=None):
    """One message from `address`, in plaintext or by STARTTLS in this version. Reads its 250 (so that it was handed over), then vanishes (inside TLS by
    RST), or says QUIT. Returns the queue-id in the 250."""
    with socket.create_connection(("127.0.0.1", relay.port), timeout=20, source_address=(address, 0)) as plain:
        client, stream = plain, plain.makefile("rb")

        def expect(code):
            while True:
                line = stream.readline()
                assert line.startswith(code), line
                if line[3:4] != b"-":
                    return line.decode()

        expect(b"220")
        if tls:
            for command, code in ((b"EHLO client.example", b"250"), (b"STARTTLS", b"220")):
                client.sendall(command + b"\r\n")
                expect(code)
            stream.close()
            client = client_context(tls).wrap_socket(plain, server_hostname="relay.example.org")
            stream = client.makefile("rb")
        for command, code in ((b"EHLO client.example", b"250"), (b"MAIL FROM:<%s>" % sender.encode(), b"250"), (b"RCPT TO:<%s>" % to.encode(), b"250"), (b"DATA", b"354")):
            client.sendall(command + b"\r\n")
            expect(code)
        client.sendall(body + b".\r\n")
        queue_id = expect(b"250").split()[-1]
        if not vanish:
            client.sendall(b"QUIT\r\n")
            expect(b"221")
        elif tls:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()
        client.close()
    return queue_id


def everything(directory, children, closure=""):
    sink = Sink(directory)
    children.append(sink.child)
    relay = Relay(directory, f"host 127.0.0.1:{sink.port}; tls off", closure=closure)
    children.append(relay)
    return relay, sink


def vanish(relay, **options):
    """A message whose client vanishes; returns once the relay has noticed."""
    before = relay.log().count("effect=ack-unconfirmed")
    queue_id = speak(relay, **options)
    wait_until("the relay to notice", lambda: relay.log().count("effect=ack-unconfirmed") > before)
    return queue_id


def settled(relay, sink, count):
    wait_until(f"{count} messages", lambda: len(sink.messages()) >= count)
    wait_until("an empty queue", lambda: "the queue is empty" in relay.queue("list").stdout)
    time.sleep(0.2)
    assert len(sink.messages()) == count, len(sink.messages())


class Deaf:
    """A client that reads no reply behind EHLO's, so that the relay keeps what the kernel does not take."""

    NOOPS = 100
    REPLIES = len(b"250 2.0.0 Ok\r\n") * NOOPS
    LIMIT = 65_536  # of replies that wait in the relay: above it nothing is read

    def __init__(self, relay):
        self.socket = socket.socket()
        # Small segments, a small window: the kernel takes few of the relay's octets.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", relay.port))
        self.read_reply()
        self.socket.sendall(b"EHLO client.example\r\n")
        self.read_reply()
        self.owed = 0  # octets of replies to NOOP

    def read_reply(self):
        reply = b""
        while not re.search(rb"^[0-9]{3} .*\n\Z", reply, re.MULTILINE):
            octets = self.socket.recv(1)
            assert octets, reply
            reply += octets

    def queues(self):
        """What the kernel holds, in octets: the relay's that we have not read, ours that the relay has not read."""
        ports = self.socket.getsockname()[1], self.socket.getpeername()[1]
        held = {}
        with open("/proc/net/tcp", encoding="ascii") as table:
            for row in table.readlines()[1:]:
                local, remote, _state, queues = row.split()[1:5]
                held[int(local[-4:], 16), int(remote[-4:], 16)] = [int(octets, 16) for octets in queues.split(":")]
        ours, theirs = held[ports], held[ports[::-1]]
        return theirs[0] + ours[1], ours[0] + theirs[1]

    def waiting(self):
        """Octets of replies that wait in the relay. It has read all that was said, so it has tried to write the replies to what was said before that:
        what the kernel has not taken of those it has refused."""
        wait_until("the relay to read", lambda: self.queues()[1] == 0)
        return self.owed - self.REPLIES - self.queues()[0]

    def say_whole_message(self):
        """So that its 250 waits in the relay behind replies to NOOP, more of them than the kernel could find room for yet."""
        while self.waiting() < self.LIMIT / 4:
            self.socket.sendall(b"NOOP\r\n" * self.NOOPS)
            self.owed += self.REPLIES
        assert self.waiting() < self.LIMIT / 2, self.waiting()
        self.socket.sendall(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n" + BODY + b".\r\n")

    def rest(self):
        """What the kernel still had for us."""
        octets = b""
        while more := self.socket.recv(65_536):
            octets += more
        return octets


def unsaid(directory, children):
    """A message that is durable, and whose 250 waits in the relay."""
    relay, sink = everything(directory, children)
    client = Deaf(relay)
    client.say_whole_message()
    durable = wait_until("the message to be durable", lambda: re.search(r"event=queued queue-id=(\w+)", relay.log()))
    return relay, sink, client, durable.group(1)


def test_once(directory, children):
    """R12: the same message again gets the 250 that was lost, once; the third time it is another message"""
    relay, sink = everything(directory, children)
    first = vanish(relay)
    assert speak(relay, vanish=False) == first
    wait_until("the log line", lambda: relay.log().count("event=duplicate") == 1)
    settled(relay, sink, 1)
    assert speak(relay, vanish=False) != first
    settled(relay, sink, 2)


def test_lost_again(directory, children):
    """R12: the 250 said again is lost again: it is said a third time"""
    relay, sink = everything(directory, children)
    first = vanish(relay)
    assert vanish(relay) == first
    assert speak(relay, vanish=False) == first
    settled(relay, sink, 1)


def test_nothing_else(directory, children):
    """R12: another reverse-path, forward-path or octet, or a 250 that was confirmed, is never suppressed"""
    relay, sink = everything(directory, children)
    first = vanish(relay)
    assert len({first, speak(relay, sender="c@example.org", vanish=False), speak(relay, to="c@example.net", vanish=False), speak(relay, body=BODY + b"\r\n", vanish=False)}) == 4
    settled(relay, sink, 4)
    body = b"Message-ID: <confirmed@client.example>\r\n\r\nconfirmed\r\n"
    confirmed = speak(relay, body=body, vanish=False)
    assert speak(relay, body=body, vanish=False) != confirmed
    settled(relay, sink, 6)


def pipe(relay, body):
    """A whole session in one write, as a shell pipes it into the port. Returns the queue-id."""
    with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as client, client.makefile("rb") as stream:
        client.sendall(b"HELO device\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n" + body + b".\r\nQUIT\r\n")
        return re.search(rb"queued as (\w+)", stream.read()).group(1).decode()


def test_without_message_id(directory, children):
    """R12: a device that pipes the same few lines at each alarm, without Message-ID, sends as many messages as it gets 250s, a crash in between or not"""
    relay, sink = everything(directory, children)
    for body in (b"Subject: alarm\r\n\r\ntank 3\r\n", b"tank 3\r\n", b"Subject: alarm\r\n\r\nMessage-ID: <in@the.body>\r\n", b"Message-ID:\r\n\r\ntank 3\r\n"):
        assert len({pipe(relay, body) for _ in range(4)}) == 4, body
    settled(relay, sink, 16)
    sink.child.stop()  # so that they are still there at the kill
    before = pipe(relay, b"tank 4\r\n")
    relay.kill()
    relay.start()
    assert pipe(relay, b"tank 4\r\n") != before
    again = Sink(directory, f"127.0.0.1:{sink.port}", "again")
    children.append(again.child)
    relay.queue("retry")
    settled(relay, again, 2)


def test_close_notify_before_250(directory, children):
    """R11: a client of TLS 1.3 that ends its half before it has read anything may not have seen its 250: the same message again gets it"""
    relay, sink = everything(directory, children)
    ids = set()
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as plain:
            stream = plain.makefile("rb")
            assert stream.readline().startswith(b"220")
            plain.sendall(b"EHLO client.example\r\n")
            while stream.readline()[3:4] == b"-":
                pass
            plain.sendall(b"STARTTLS\r\n")
            assert stream.readline().startswith(b"220")
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = client_context(ssl.TLSVersion.TLSv1_3).wrap_bio(incoming, outgoing, server_hostname="relay.example.org")
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    incoming.write(plain.recv(65_536))
            client.write(b"EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n" + BODY + b".\r\n")
            try:
                client.unwrap()
            except ssl.SSLWantReadError:
                pass
            seen = relay.log().count("event=closure")
            plain.sendall(outgoing.read())  # the message and close_notify in one write
            wait_until("the record", lambda: relay.log().count("event=closure") > seen)
        ids |= set(re.findall(r"event=(?:queued|duplicate) queue-id=(\w+)", relay.log()))
        assert "ending=mutual effect=ack-unconfirmed " in relay.closures()[-1], relay.closures()
    assert len(ids) == 1, ids
    assert relay.log().count("event=duplicate") == 1
    settled(relay, sink, 1)


def test_another_address(directory, children):
    """R12: the same message from another address is another message"""
    relay, sink = everything(directory, children)
    first = vanish(relay)
    assert speak(relay, address="127.0.0.2", vanish=False) != first
    settled(relay, sink, 2)
    assert speak(relay, vanish=False) == first
    settled(relay, sink, 2)


def test_tls(directory, children):
    """R12: inside TLS 1.2 and 1.3, the connection cut by RST behind the 250: the same message again, inside TLS, gets that 250 and is delivered once"""
    relay, sink = everything(directory, children)
    for count, version in enumerate((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3), 1):
        body = BODY + version.name.encode() + b"\r\n"
        first = vanish(relay, body=body, tls=version)
        assert "ending=rst effect=ack-unconfirmed " in relay.closures()[-1], relay.closures()
        assert speak(relay, body=body, tls=version, vanish=False) == first
        settled(relay, sink, count)


def test_window(directory, children):
    """R12: duplicate-window 0s turns it off, and a window that is over forgets"""
    relay, sink = everything(directory, children, "; closure { duplicate-window 0s }")
    first = vanish(relay)
    assert speak(relay, vanish=False) != first
    settled(relay, sink, 2)
    assert relay.stop() == 0
    relay.policy.write_text(relay.policy.read_text().replace("duplicate-window 0s", "duplicate-window 300ms"))
    relay.start()
    first = vanish(relay)
    time.sleep(0.4)
    assert speak(relay, vanish=False) != first
    settled(relay, sink, 4)


def test_restart(directory, children):
    """R12: it is known after a restart too"""
    relay, sink = everything(directory, children)
    first = vanish(relay)
    settled(relay, sink, 1)
    assert relay.stop() == 0
    relay.start()
    assert speak(relay, vanish=False) == first
    settled(relay, sink, 1)


def test_crash(directory, children):
    """R10, R12: after kill -9 what was durable is delivered, and the client that did not see its 250 gets it now"""
    sink = Sink(directory)
    relay = Relay(directory, f"host 127.0.0.1:{sink.port}; tls off")
    children.append(relay)
    sink.child.stop()  # so that the message is still there at the kill
    queue_id = speak(relay)
    relay.kill()
    relay.start()
    assert speak(relay, vanish=False) == queue_id
    again = Sink(directory, f"127.0.0.1:{sink.port}", "again")
    children.append(again.child)
    relay.queue("retry")
    settled(relay, again, 1)


def test_crash_before_250(directory, children):
    """R10, R12: kill -9 between durable and 250: the message is delivered once, and the client that sends it again gets its 250"""
    relay, sink, client, queue_id = unsaid(directory, children)
    relay.kill()
    assert sink.messages() == []
    said = client.rest()
    assert len(said) < client.owed and b"queued as" not in said, said[-100:]
    relay.start()
    sink.wait_for(1)
    assert speak(relay, vanish=False) == queue_id
    settled(relay, sink, 1)


def test_reset_before_250(directory, children):
    """R10: RST between durable and 250: the message is revoked, and the client that sends it again sends another one"""
    relay, sink, client, queue_id = unsaid(directory, children)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()
    wait_until("the log line", lambda: "effect=revoked" in relay.log())
    for event in ("revoked", "disconnect"):
        line, = [line for line in relay.log().splitlines() if f"event={event} " in line and queue_id in line]
        assert "from=<a@example.org> to=<b@example.net>" in line, line
    settled(relay, sink, 0)
    assert speak(relay, vanish=False) != queue_id
    settled(relay, sink, 1)


run([test_once, test_lost_again, test_nothing_else, test_without_message_id, test_close_notify_before_250, test_another_address, test_tls, test_window, test_restart, test_crash,
     test_crash_before_250, test_reset_before_250])
