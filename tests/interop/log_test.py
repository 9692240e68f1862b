"""What an administrator finds in the log: the whole story of a message by its queue-id, every refusal in one line, postmaster's mail."""
import pathlib
import re
import socket
import ssl
import subprocess

from adieu_test_peers import ADIEU, MESSAGE, Relay, Sink, client_context, run, wait_until

NUMBERED = b"Message-ID: <1@example.org>\r\n" + MESSAGE


def everything(directory, children, first="", more="", listen="tls optional"):
    sink = Sink(directory)
    children.append(sink.child)
    relay = Relay(directory, f"host 127.0.0.1:{sink.port}; tls off", first=first, more=more, listen=listen)
    children.append(relay)
    return relay, sink


class Session:
    """A client that says what a test tells it to."""

    def __init__(self, relay, tls=False, name="client.example"):
        self.socket = socket.create_connection(("127.0.0.1", relay.port), timeout=20)
        self.port = self.socket.getsockname()[1]
        self.read()
        if tls:
            self.say("EHLO " + name)
            self.say("STARTTLS")
            self.socket = client_context(ssl.TLSVersion.TLSv1_3).wrap_socket(self.socket, server_hostname="relay.example.org")
        if name:
            self.say("EHLO " + name)

    def read(self):
        reply = b""
        while not re.search(rb"^[0-9]{3} .*\n\Z", reply, re.MULTILINE):
            octets = self.socket.recv(1)
            assert octets, reply
            reply += octets
        return reply.decode()

    def say(self, *lines):
        """All at once; the last of their replies."""
        self.socket.sendall("".join(line + "\r\n" for line in lines).encode("latin-1"))
        return [self.read() for _ in lines][-1]

    def mail(self, data=MESSAGE, sender="a@example.org", to=("b@example.net",)):
        self.say(f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{each}>" for each in to), "DATA")
        self.socket.sendall(data + b".\r\n")
        return self.read()


def message(*words, **options):
    return subprocess.run([ADIEU, "message", *words], capture_output=True, text=True, timeout=20, **options)


def lines(relay, *parts):
    return [line for line in relay.log().splitlines() if all(part in line for part in parts)]


def test_story(directory, children):
    """who greps for a queue-id has the whole story, and by its connection the closure record"""
    relay, sink = everything(directory, children)
    client = Session(relay, tls=True)
    queue_id = client.mail(NUMBERED, to=("b@example.net", "c@example.net")).split()[-1]
    client.say("QUIT")
    wait_until("its end", lambda: lines(relay, "event=removed", queue_id))
    wait_until("the record", relay.closures)
    queued, = lines(relay, "event=queued")
    for part in (f"queue-id={queue_id}", f"client=[127.0.0.1]:{client.port} helo=client.example", f"listener=127.0.0.1:{relay.port}", "from=<a@example.org>",
                 "to=<b@example.net>,<c@example.net>", "nrcpt=2", "message-id=<1@example.org>", "proto=ESMTPS tls=TLS1.3 cipher=TLS_"):
        assert part in queued, (part, queued)
    connection = re.search(r" connection=(\S+)", queued)[1]
    assert len(lines(relay, "event=delivered", f"queue-id={queue_id}", "to=<")) == 2
    closure, = lines(relay, "event=closure", f"connection={connection} client=[127.0.0.1]:{client.port} helo=client.example")
    assert len(sink.messages()) >= 1, closure


def test_message(directory, children):
    """`adieu message` tells what became of the mail from A to B, whatever an administrator knows of it"""
    relay, _ = everything(directory, children)
    client = Session(relay)
    queue_id = client.mail(NUMBERED).split()[-1]
    client.say("QUIT")
    wait_until("its end", lambda: lines(relay, "event=removed", queue_id))
    log = pathlib.Path(directory) / "the.log"
    log.write_text(relay.log())
    for asked in ([queue_id], ["1@example.org"], ["<b@example.net>"], ["--from", "a@example.org", "--to", "b@example.net", "--since", "1h"]):
        told = message("--log", log, *asked)
        assert told.returncode == 0, told
        for part in (queue_id, "<1@example.org>", f"taken from [127.0.0.1]:{client.port} (client.example)", "delivered to <b@example.net>",
                     "left the queue", "Delivered to its recipient."):
            assert part in told.stdout, (asked, part, told.stdout)
    behind_syslog = "".join(f"Nov 28 12:00:00 mx1 adieu[7]: {line.split(' ', 1)[1]}\n" for line in relay.log().splitlines())
    told = message("--log", "-", queue_id, input=behind_syslog)
    assert "Nov 28 12:00:00  left the queue" in told.stdout, told
    for asked, words in ((["--until", "1h", queue_id], "is about that"), (["nobody@example.net"], "is about that"), ([], "expected a queue-id"),
                         (["--since", "noon", queue_id], "expected a time")):
        told = message("--log", log, *asked)
        assert told.returncode != 0 and words in told.stderr, (asked, told)


def test_cut(directory, children):
    """a transaction that was cut is told with its connection, from, to and size"""
    relay, _ = everything(directory, children)
    client = Session(relay, tls=True)
    client.say("MAIL FROM:<a@example.org>", "RCPT TO:<b@example.net>", "DATA")
    client.socket.sendall(b"Subject: half\r\n\r\nhalf of it\r\n")
    plain = socket.socket(fileno=client.socket.detach())
    plain.shutdown(socket.SHUT_WR)
    closure, = wait_until("the record", relay.closures)
    plain.close()
    assert "effect=rolled-back" in closure and " from=<a@example.org> to=<b@example.net> size=" in closure and " connection=" in closure, closure
    client = Session(relay)
    client.say("MAIL FROM:<a@example.org>", "RCPT TO:<b@example.net>")
    client.socket.close()
    ended = wait_until("the line", lambda: lines(relay, "event=disconnect", "effect=rolled-back"))
    assert " from=<a@example.org> to=<b@example.net> " in ended[0] and f"client=[127.0.0.1]:{client.port} helo=client.example" in ended[0], ended


def test_refusals(directory, children):
    """every refusal is one line that says of whom, from, to, size and reply; its client's name is cut"""
    relay, _ = everything(directory, children, first='domains no refused.example\nreject from any to domains no with "550 5.7.9 not there"',
                          more="limits { message-size 64KiB; hops 3; text-line 1KiB; errors 100 }")
    client = Session(relay, name="x" * 200)
    expected = []

    def refused(reply, *parts):
        code = reply.split("\r\n")[-2][:10]
        expected.append((code, *parts))

    envelope = ("from=<a@example.org>", "to=<b@example.net>")
    refused(client.say("MAIL FROM:<a@example.org> SIZE=99999999"), "command=MAIL", "from=<a@example.org>", "size=99999999", "552 5.3.4")
    client.say("MAIL FROM:<a@example.org>")
    refused(client.say("RCPT TO:<b@refused.example>"), "command=RCPT", "from=<a@example.org>", "to=<b@refused.example>", "550 5.7.9 not there")
    client.say("RSET")
    refused(client.mail(b"a bare\nline feed\r\n"), "command=DATA", *envelope, "size=", "550 5.5.2")
    refused(client.mail(b"Received: x\r\n" * 4 + b"\r\n"), "command=DATA", *envelope, "size=", "554 5.4.6")
    refused(client.mail(b"y" * 2000 + b"\r\n"), "command=DATA", *envelope, "size=", "554 5.6.0")
    refused(client.mail((b"z" * 70 + b"\r\n") * 1000), "command=DATA", *envelope, "size=", "552 5.3.4")
    client.socket.close()
    for parts in expected:
        found = wait_until(f"a line with {parts}", lambda: lines(relay, "event=reject", "level=info", *parts[1:]))
        assert len(found) == 1, (parts, relay.log())
        assert f'client=[127.0.0.1]:{client.port} helo="{"x" * 64}..."' in found[0] and " connection=" in found[0], found
    assert len(lines(relay, "event=reject")) == len(expected)
    assert "path=" not in relay.log()


def test_syntax_and_errors(directory, children):
    """what makes no sense is told at debug, or at info where the policy says so; 530 and 421 too many errors at info in any case"""
    relay, _ = everything(directory, children, listen="tls required", more="limits { errors 3 }")
    client = Session(relay)
    assert client.say("MAIL FROM:<a@example.org>").startswith("530")
    client.say("EXPN x")
    client.socket.sendall(b"RCPT\r\n")
    client.read()
    assert client.read().startswith("421")
    wait_until("the last line", lambda: lines(relay, "event=reject", "421 4.7.0"))
    assert len(lines(relay, "event=reject", "level=info", "command=MAIL", "from=<a@example.org>", "530 5.7.0")) == 1, relay.log()
    assert len(lines(relay, "event=reject", "level=debug", "500 5.5.2")) == 1, relay.log()
    assert len(lines(relay, "event=reject", "level=info", "421 4.7.0 Too many errors")) == 1, relay.log()
    assert relay.stop() == 0
    relay.policy.write_text(relay.policy.read_text().replace("log { level debug }", "log { level info; syntax-errors info }"))
    relay.start()
    Session(relay).say("EXPN x")
    wait_until("its line", lambda: lines(relay, "event=reject", "level=info", "500 5.5.2"))
    assert len(lines(relay, "event=reject", "level=info", "500 5.5.2")) == 1, relay.log()


def test_postmaster(directory, children):
    """<postmaster> and <postmaster@HOSTNAME> are taken from everybody and reach the mailbox of the policy; nobody else's mail is"""
    relay, sink = everything(directory, children, first='postmaster admin@example.net\nreject from any to any with "550 5.7.1 no"')
    client = Session(relay)
    for to in ("Postmaster", "postmaster@RELAY.example.org"):
        assert client.mail(to=(to,)).startswith("250"), to
    assert client.say("MAIL FROM:<>", "RCPT TO:<postmaster@example.net>").startswith("550")
    client.say("QUIT")
    for message in sink.wait_for(2):
        assert b"X-Forward-Path: <admin@example.net>\r\n" in message, message


run([test_story, test_message, test_cut, test_refusals, test_syntax_and_errors, test_postmaster])
