"""adieu towards real next hops: Postfix with STARTTLS, Python's aiosmtpd by SMTP and LMTP; retries, notifications, restarts and kills."""
import asyncio
import os
import pathlib
import smtplib
import threading
import time

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Debugging  # noqa: F401: shows that the package is whole
from aiosmtpd.lmtp import LMTP
from adieu_other_relays import Postfix
from adieu_test_peers import MESSAGE, Relay, Sink, free_port, run, wait_until


def send(relay, to=("b@example.net",), sender="a@example.org", body=MESSAGE):
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20) as client:
        return client.sendmail(sender, list(to), body)


class Recorder:
    """An aiosmtpd handler that keeps messages and answers RCPT as `answers` says."""

    def __init__(self, answers=None):
        self.messages = []
        self.answers = answers or {}

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        answer = self.answers.get(address)
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))
        return "250 2.0.0 Ok"


class Aiosmtpd:
    def __init__(self, handler, lmtp=False):
        self.handler = handler

        class Mine(Controller):
            def factory(inner):
                return (LMTP if lmtp else inner.SMTP_factory)(inner.handler, enable_SMTPUTF8=False)

            def SMTP_factory(inner, handler, **options):
                from aiosmtpd.smtp import SMTP
                return SMTP(handler, **options)

        self.controller = Mine(handler, hostname="127.0.0.1", port=free_port())
        self.controller.start()
        self.port = self.controller.port

    def stop(self):
        self.controller.stop()


def test_aiosmtpd(directory, children):
    """aiosmtpd: several recipients in one transaction, octet for octet"""
    handler = Recorder()
    server = Aiosmtpd(handler)
    children.append(server)
    relay = Relay(directory, f"host 127.0.0.1:{server.port}; tls off")
    children.append(relay)
    send(relay, ("b@example.net", "c@example.net"))
    wait_until("the message", lambda: handler.messages)
    sender, recipients, content = handler.messages[0]
    assert sender == "a@example.org" and recipients == ["b@example.net", "c@example.net"]
    assert content.endswith(MESSAGE), content


def test_lmtp(directory, children):
    """aiosmtpd by LMTP"""
    handler = Recorder()
    server = Aiosmtpd(handler, lmtp=True)
    children.append(server)
    relay = Relay(directory, f"host 127.0.0.1:{server.port}; tls off; protocol lmtp")
    children.append(relay)
    send(relay)
    wait_until("the message", lambda: handler.messages)


def test_notification(directory, children):
    """a refused recipient is reported to the reverse-path, a deferred one tried again, the null reverse-path left in peace"""
    handler = Recorder({"no@example.net": "550 5.1.1 no such mailbox", "later@example.net": "450 4.2.0 try later"})
    server = Aiosmtpd(handler)
    children.append(server)
    relay = Relay(directory, f"host 127.0.0.1:{server.port}; tls off")
    children.append(relay)
    send(relay, ("b@example.net", "no@example.net", "later@example.net"))
    wait_until("message and notification", lambda: len(handler.messages) >= 2)
    sender, recipients, content = next(message for message in handler.messages if message[0] in ("", "<>", None))
    assert recipients == ["a@example.org"]
    assert b"multipart/report" in content and b"no@example.net" in content and b"550 5.1.1 no such mailbox" in content
    assert b"later@example.net" not in content
    wait_until("a second attempt", lambda: relay.log().count("event=deferred") >= 2)
    listed = relay.queue("list")
    assert "later@example.net" in listed.stdout and "450 4.2.0" in listed.stdout, listed
    handler.answers.pop("later@example.net")
    assert "tried now" in relay.queue("retry").stdout
    wait_until("the deferred recipient", lambda: any("later@example.net" in message[1] for message in handler.messages))
    before = len(handler.messages)
    send(relay, ("no@example.net",), sender="")
    wait_until("the failure", lambda: relay.log().count("event=failed") >= 2)
    time.sleep(0.5)
    assert len(handler.messages) == before
    assert "the queue is empty" in relay.queue("list").stdout


def test_down_then_up(directory, children):
    """a next hop that is down backs off; what waited is delivered once it is up, and after a restart too"""
    port = free_port()
    relay = Relay(directory, f"host 127.0.0.1:{port}; tls off")
    children.append(relay)
    for _ in range(3):
        send(relay)
    wait_until("the back-off", lambda: "event=back-off" in relay.log())
    assert relay.stop() == 0
    relay.start()
    handler = Recorder()
    server = Aiosmtpd(handler)
    children.append(server)
    relay.stop()
    relay.policy.write_text(relay.policy.read_text().replace(f"127.0.0.1:{port}", f"127.0.0.1:{server.port}"))
    relay.start()
    wait_until("three messages", lambda: len(handler.messages) == 3)


def test_many(directory, children):
    """more messages wait than may be in memory: all of them are known, also after a restart, and all are delivered"""
    port = free_port()
    relay = Relay(directory, f"host 127.0.0.1:{port}; tls off", more="limits { active-messages 10 }")
    children.append(relay)
    for number in range(60):
        send(relay, body=f"Subject: m{number}\r\n\r\ntext\r\n".encode())
    for _ in range(2):
        wait_until("all that wait", lambda: relay.queue("list", "--state", "waiting", "--json").stdout.count("queue-id") == 60)
        relay.stop()
        relay.start()
    sink = Sink(directory, f"127.0.0.1:{port}")
    children.append(sink.child)
    assert "60" in relay.queue("retry").stdout
    wait_until("an empty queue", lambda: "the queue is empty" in relay.queue("list").stdout)
    assert len(sink.wait_for(60)) == 60


def test_kill(directory, children):
    """kill -9 under load, again and again: everything acknowledged arrives"""
    sink = Sink(directory)
    children.append(sink)
    relay = Relay(directory, f"host 127.0.0.1:{sink.port}; tls off")
    children.append(relay)
    acknowledged = []
    stop = threading.Event()

    def load(number):
        count = 0
        while not stop.is_set():
            name = f"m{number}-{count}"
            count += 1
            try:
                send(relay, body=f"Subject: {name}\r\n\r\n{'x' * (100 if count % 5 else 100_000)}\r\n".encode())
                acknowledged.append(name)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.02)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    arrived = set()

    def missing():
        arrived.update(sink.take(lambda message: next(row[9:] for row in message.split(b"\r\n", 12) if row.startswith(b"Subject: ")).decode()))
        return set(acknowledged) - arrived

    rounds = int(os.environ.get("ADIEU_KILL_ROUNDS", "8"))
    for round_ in range(rounds):
        time.sleep(0.15 + (round_ % 7) * 0.03)
        relay.kill()
        relay.start()
        missing()
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(acknowledged) > 20, len(acknowledged)
    wait_until("everything acknowledged", lambda: not missing(), 120)
    wait_until("an empty queue", lambda: "the queue is empty" in relay.queue("list").stdout, 30)
    assert not list(pathlib.Path(directory, "spool", "data").iterdir()), "orphans"
    print(f"        {rounds} kills, {len(acknowledged)} acknowledged, none lost")


def test_tired_connections(directory, children):
    """a connection that was good for one message and ends at the next one costs that message no attempt"""
    for answer in ("421 4.3.2 Closing", None):

        class Tired(Recorder):
            async def handle_MAIL(self, server, session, envelope, address, mail_options):
                if getattr(session, "used", False):
                    if answer is None:
                        server.transport.abort()
                    return answer or "451 4.3.0 Never sent"
                session.used = True
                envelope.mail_from = address
                return "250 2.1.0 Ok"

        hop = Aiosmtpd(Tired())
        children.append(hop)
        relay = Relay(directory, f"host 127.0.0.1:{hop.port}; tls off")
        children.append(relay)
        for count in (1, 2, 3):
            send(relay)
            wait_until(f"{count} messages", lambda: len(hop.handler.messages) >= count)
        wait_until("the log", lambda: relay.child.log_of_this_run().count("event=removed") == 3)
        log = relay.child.log_of_this_run()
        assert log.count("event=again-at-once") == 2 and "event=deferred" not in log, log
        relay.stop()


def test_postfix(directory, children):
    """Postfix as the next hop, STARTTLS required"""
    postfix = Postfix(directory)
    children.append(postfix)
    relay = Relay(directory, f"host 127.0.0.1:{postfix.port}; tls required")
    children.append(relay)
    for _ in range(3):
        send(relay)
    wait_until("three deliveries", lambda: relay.log().count("event=delivered") == 3)
    assert relay.log().count("queued as") >= 3
    wait_until("the closure record", lambda: any("role=client" in line and "after-quit" in line for line in relay.closures()))


run([test_aiosmtpd, test_lmtp, test_notification, test_down_then_up, test_many, test_kill, test_tired_connections, test_postfix])
