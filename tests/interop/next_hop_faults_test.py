"""adieu towards next hops that misbehave once, each in its own way, and behave well from the second connection on: every message is delivered, those that
were acknowledged once only, every connection ends, and the log tells what happened. Rules R8, R14 to R16 through the whole relay."""
import smtplib
import socket
import ssl
import struct
import threading
import time

from adieu_test_peers import MESSAGE, Relay, certificate, free_port, run, wait_until

GOOD = {
    "greeting": b"220 next.example ESMTP\r\n",
    "EHLO": b"250-next.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n",
    "STARTTLS": b"220 2.0.0 go\r\n",
    "EHLO inside": b"250-next.example\r\n250 PIPELINING\r\n",
    "MAIL": b"250 2.1.0 ok\r\n",
    "RCPT": b"250 2.1.5 ok\r\n",
    "DATA": b"354 go\r\n",
    "message": b"250 2.0.0 stored\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
}


class Over(Exception):
    """The connection is over."""


class Link:
    """One connection of a next hop: a layer of TLS in memory, so that what goes inside it and what goes outside is the test's choice."""

    def __init__(self, connection, context):
        self.connection, self.context = connection, context
        self.connection.settimeout(15)
        self.tls = None
        self.lines = b""

    def flush(self):
        if self.tls and self.outgoing.pending:
            self.connection.sendall(self.outgoing.read())

    def pull(self):
        """More octets of the client, decrypted."""
        while True:
            if self.tls:
                try:
                    got = self.tls.read(65536)
                    if not got:
                        raise Over("close_notify")
                    return got
                except ssl.SSLWantReadError:
                    self.flush()
                except ssl.SSLZeroReturnError:
                    raise Over("close_notify") from None
            octets = self.connection.recv(65536)
            if not octets:
                raise Over("FIN")
            if not self.tls:
                return octets
            self.incoming.write(octets)

    def until(self, end):
        while end not in self.lines:
            self.lines += self.pull()
        text, self.lines = self.lines.split(end, 1)
        return text

    def say(self, octets):
        if self.tls:
            self.tls.write(octets)
            self.flush()
        else:
            self.connection.sendall(octets)

    def raw(self, octets):
        self.connection.sendall(octets)

    def begin_tls(self):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        while True:
            try:
                self.tls.do_handshake()
                self.flush()
                return
            except ssl.SSLWantReadError:
                self.flush()
                octets = self.connection.recv(65536)
                if not octets:
                    raise Over("FIN") from None
                self.incoming.write(octets)

    def close_notify(self, behind=b""):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.connection.sendall(self.outgoing.read() + behind)

    def wait_for_end(self):
        """The client ends the connection; what it says meanwhile is not looked at."""
        while self.connection.recv(65536):
            pass
        raise Over("FIN")

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise Over("RST")

    def fin(self):
        self.connection.shutdown(socket.SHUT_WR)
        self.wait_for_end()


class NextHop:
    """`fault(link, stage)` acts instead of the answer on the first connection; it returns the octets to say, or None where it has done all."""

    def __init__(self, directory, fault, tls=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate(directory))
        self.context, self.fault, self.tls = context, fault, tls
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.taken = 0         # messages read to their end
        self.acknowledged = 0  # of those, with a whole 250 inside the layer
        self.connections = 0
        self.ended = 0
        self.faults = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection, self.connections), daemon=True).start()

    def serve(self, connection, number):
        try:
            self.talk(Link(connection, self.context), number)
        except (Over, ConnectionError, BrokenPipeError, ssl.SSLError):
            self.ended += 1
        except OSError as error:
            self.faults.append(f"connection {number}: {error}")  # a time-out: the client did not end it
        finally:
            connection.close()

    def talk(self, link, number):
        def answer(stage):
            said = GOOD[stage]
            if stage == "EHLO" and not self.tls:
                said = said.replace(b"STARTTLS", b"HELP")
            if number == 1:
                said = self.fault(link, stage, said)
            link.say(said)
            return said

        answer("greeting")
        while True:
            verb = link.until(b"\r\n").split(b" ")[0].upper().decode()
            if verb in ("EHLO", "HELO"):
                answer("EHLO inside" if link.tls else "EHLO")
            elif verb == "STARTTLS":
                if answer("STARTTLS").startswith(b"220"):
                    link.begin_tls()
            elif verb == "DATA":
                if answer("DATA").startswith(b"354"):
                    link.until(b"\r\n.\r\n")
                    self.taken += 1
                    said = self.fault(link, "message", GOOD["message"]) if number == 1 else GOOD["message"]
                    self.acknowledged += said.startswith(b"250 ") and said.endswith(b"\r\n") and b"\n" in said
                    link.say(said)
                    if number == 1:
                        self.fault(link, "behind", b"")
            elif verb == "QUIT":
                answer("QUIT")
                if link.tls:
                    try:
                        link.pull()
                    except Over:
                        link.close_notify()
                raise Over("QUIT")
            else:
                answer(verb)

    def stop(self):
        self.listener.close()


def says(at, octets, then=None):
    """At that stage these octets, and then an act."""

    def fault(link, stage, good):
        if stage != at:
            return good
        if then is None:
            return octets
        if octets:
            link.say(octets)
        then(link)
        return b""

    return fault


def after(then):
    """The 250 is whole; an act follows it."""
    return lambda link, stage, good: good if stage != "behind" else then(link) or b""


def fin(link):
    link.fin()


def reset(link):
    time.sleep(0.1)  # what was said before is to arrive
    link.reset()


def ends_layer(behind=b""):
    def act(link):
        link.close_notify(behind)
        link.wait_for_end()

    return act


def wants_a_certificate(link, stage, good):
    """Of the client, which has none: TLS 1.3 tells it behind the handshake."""
    if stage == "STARTTLS":
        shake_hands = link.begin_tls

        def begin_tls():
            link.context.verify_mode = ssl.CERT_REQUIRED
            try:
                shake_hands()
            except ssl.SSLError:
                link.raw(link.outgoing.read())  # the alert
                link.wait_for_end()
            finally:
                link.context.verify_mode = ssl.CERT_NONE

        link.begin_tls = begin_tls
    return good


def silence(link):
    link.wait_for_end()


def endless(line):
    def act(link):
        while True:
            link.say(line * 1000)

    return act


STALL = "; command-timeout 2s; data-timeout 2s; end-of-data-timeout 2s"
UNTIL_EOD = "the reply to the end of mail data"
BYE = b"421 4.3.2 bye\r\n"
# Name: policy, fault, words of the log (none: nothing goes wrong), how often the next hop may have read the message to its end.
FAULTS = {
    "silent": ("tls required" + STALL, says("greeting", b"", silence), "timed out while waiting for the greeting", 1),
    "listed": ("tls required", says("greeting", b"554 5.7.1 listed\r\n"), "refused in the greeting: 554 5.7.1 listed", 1),
    "busy": ("tls required", says("greeting", BYE, fin), "421 4.3.2 bye", 1),
    "bye-ehlo": ("tls required", says("EHLO inside", BYE, fin), "421 4.3.2 bye", 1),
    "bye-mail": ("tls required", says("MAIL", BYE, fin), "421 4.3.2 bye", 1),
    "bye-rcpt": ("tls required", says("RCPT", BYE, ends_layer()), "421 4.3.2 bye", 1),
    "bye-data": ("tls required", says("DATA", BYE, fin), "421 4.3.2 bye", 1),
    "bye-message": ("tls required", says("message", BYE, fin), "421 4.3.2 bye", 2),
    "http": ("tls off", says("MAIL", b"HTTP/1.1 400 Bad Request\r\n"), r'not an SMTP reply while waiting for the reply to MAIL: \"HTTP/1.1 400 Bad Request\"', 1),
    "unsolicited": ("tls required", says("EHLO inside", GOOD["EHLO inside"] + b"250 ok\r\n"), "unasked", 1),
    "data-250": ("tls required", says("DATA", b"250 2.0.0 stored\r\n", silence), "250 makes no sense as the reply to DATA", 1),
    "early-250": ("tls required", says("DATA", b"354 go\r\n250 2.0.0 stored\r\n", silence), "a reply came unasked: 250", 1),
    "injected": ("tls required", says("STARTTLS", b"220 go\r\n250 PIPELINING\r\n", silence), "octets behind the reply to STARTTLS", 1),
    "injected-opportunistic": ("tls opportunistic", says("STARTTLS", b"220 go\r\n250 PIPELINING\r\n", silence), "octets behind the reply to STARTTLS", 1),
    "refused": ("tls required", says("STARTTLS", b"454 4.7.0 no\r\n"), "TLS is required, and STARTTLS was refused: 454 4.7.0 no", 1),
    "refused-opportunistic": ("tls opportunistic", says("STARTTLS", b"454 4.7.0 no\r\n"), None, 1),
    "stripped": ("tls required", says("EHLO", b"250 next.example\r\n"), "TLS is required, and STARTTLS was not offered", 1),
    "no-handshake": ("tls required", says("STARTTLS", b"220 go\r\n", lambda link: (time.sleep(0.1), link.raw(b"250 ok\r\n"), silence(link))), "TLS handshake failed", 1),
    "no-handshake-opportunistic": ("tls opportunistic", says("STARTTLS", b"220 go\r\n", lambda link: (time.sleep(0.1), link.raw(b"250 ok\r\n"), silence(link))), None, 1),
    "closes-at-starttls": ("tls required", says("STARTTLS", b"", fin), "the next hop closed the connection while waiting for the reply to STARTTLS", 1),
    "closes-at-starttls-opportunistic": ("tls opportunistic", says("STARTTLS", b"", fin), None, 1),
    "resets-at-starttls-opportunistic": ("tls opportunistic", says("STARTTLS", b"", reset), None, 1),
    "bye-starttls-opportunistic": ("tls opportunistic", says("STARTTLS", BYE, fin), None, 1),
    "closes-in-handshake": ("tls required", says("STARTTLS", b"220 go\r\n", fin), "TLS handshake failed: fin", 1),
    "closes-in-handshake-opportunistic": ("tls opportunistic", says("STARTTLS", b"220 go\r\n", fin), None, 1),
    "closes-behind-handshake": ("tls required", says("EHLO inside", b"", fin), "TLS ended without close_notify while waiting for the reply to EHLO", 1),
    "closes-behind-handshake-opportunistic": ("tls opportunistic", says("EHLO inside", b"", fin), None, 1),
    "ends-behind-handshake-opportunistic": ("tls opportunistic", says("EHLO inside", b"", ends_layer()), None, 1),
    "wants-a-certificate": ("tls required", wants_a_certificate, "TLS ended by the alert certificate_required while waiting for the reply to EHLO", 1),
    "wants-a-certificate-opportunistic": ("tls opportunistic", wants_a_certificate, None, 1),
    "no-crlf": ("tls required", says("message", b"250 2.0.0 stored", fin), "TLS ended without close_notify while waiting for " + UNTIL_EOD, 2),
    "half-closed": ("tls required", says("message", b"250 2.0.0 st", ends_layer()), "the next hop ended TLS while waiting for " + UNTIL_EOD, 2),
    "reply-outside": ("tls required", says("message", b"", ends_layer(GOOD["message"])), "the next hop ended TLS while waiting for " + UNTIL_EOD, 2),
    "rest-outside": ("tls required", says("message", b"250 2.0.0 st", ends_layer(b"ored\r\n")), "the next hop ended TLS while waiting for " + UNTIL_EOD, 2),
    "plaintext-reply": ("tls required", says("message", b"", lambda link: (link.raw(GOOD["message"]), silence(link))), "while waiting for " + UNTIL_EOD, 2),
    "stalls": ("tls required" + STALL, says("message", b"250 2.0.0 st", silence), "timed out while waiting for " + UNTIL_EOD, 2),
    "endless-line": ("tls required", says("message", b"", endless(b"250 and so on")), "a line of the reply is too long", 2),
    "endless-reply": ("tls required", says("message", b"", endless(b"250-and so on\r\n")), "the reply has too many lines", 2),
    "endless-plaintext": ("tls off", says("MAIL", b"", endless(b"250-and so on\r\n")), "the reply has too many lines", 1),
    "then-fin": ("tls required", after(fin), None, 1),
    "then-rst": ("tls required", after(reset), None, 1),
    "then-close": ("tls required", after(ends_layer()), None, 1),
    "then-injects": ("tls required", after(ends_layer(b"421 bye\r\n")), None, 1),
    "then-421": ("tls required", lambda link, stage, good: BYE if stage == "behind" else good, None, 1),
}


def relay_to(directory, children, faults):
    """A relay with a next hop for each {name: (policy, fault)}, which gets the mail for name.example; and the next hops."""
    hops = {name: NextHop(directory, fault, tls="off" not in policy) for name, (policy, fault) in faults.items()}
    children.extend(hops.values())
    first = "".join(f"next-hop {name} {{ host 127.0.0.1:{hops[name].port}; {policy} }}\ndomains {name} {name}.example\n"
                    for name, (policy, _) in faults.items())
    first += "".join(f"relay from network local to domains {name} via {name}\n" for name in faults)
    relay = Relay(directory, f"host 127.0.0.1:{free_port()}; tls off", first=first)
    children.append(relay)
    return relay, hops


def test_faults(directory, children):
    """next hops that misbehave in as many ways, through the whole relay: none lost, none twice that was acknowledged, every connection ends"""
    relay, hops = relay_to(directory, children, {name: (f"{policy}; idle-timeout 1s", fault) for name, (policy, fault, _, _) in FAULTS.items()})
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20) as client:
        for name in FAULTS:
            client.sendmail("a@example.org", [f"b@{name}.example"], MESSAGE)
    wait_until("an empty queue", lambda: "the queue is empty" in relay.queue("list").stdout, 40)
    wait_until("the end of every connection", lambda: all(hop.ended + len(hop.faults) == hop.connections for hop in hops.values()), 20)
    wrong = []
    for name, (_, _, words, taken) in FAULTS.items():
        hop = hops[name]
        lines = [line for line in relay.log().splitlines() if f"to=<b@{name}.example>" in line and "event=queued" not in line]
        deferred = [line for line in lines if "event=deferred" in line]
        if sum("event=delivered" in line for line in lines) != 1 or "event=delivered" not in lines[-1]:
            wrong.append(f"{name}: {lines}")
        if hop.acknowledged != 1 or hop.taken != taken:
            wrong.append(f"{name}: read {hop.taken} times, acknowledged {hop.acknowledged} times")
        if hop.faults:
            wrong.append(f"{name}: {hop.faults}")
        if len(deferred) != (0 if words is None else 1) or any(words not in line for line in deferred):
            wrong.append(f"{name}: {deferred}")
        if words and (taken == 2) != ("the next hop may have it" in "".join(deferred)) and not name.startswith("bye"):
            wrong.append(f"{name}: {deferred}")
    assert not wrong, "\n" + "\n".join(wrong)
    print(f"        {len(FAULTS)} faults")


# Behind the 250 of the first message, while the connection waits for another one. Name: policy, act.
WHILE_IT_WAITS = {
    "says-bye": ("tls required", lambda link: (link.say(BYE), silence(link))),
    "says-an-octet": ("tls off", lambda link: (link.say(b"2"), silence(link))),
}


def test_the_next_message(directory, children):
    """a second message meets a connection that its next hop has had enough of: it goes to another one at once, the relay goes on"""
    relay, hops = relay_to(directory, children, {name: (f"{policy}; idle-timeout 20s", after(act)) for name, (policy, act) in WHILE_IT_WAITS.items()})
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20) as client:
        for number in (1, 2):
            for name in WHILE_IT_WAITS:
                client.sendmail("a@example.org", [f"b@{name}.example"], MESSAGE)
            wait_until(f"message {number}", lambda: all(hop.taken >= number for hop in hops.values()))
            time.sleep(0.5)
    wait_until("an empty queue", lambda: "the queue is empty" in relay.queue("list").stdout, 40)
    for name, hop in hops.items():
        lines = [line for line in relay.log().splitlines() if f"to=<b@{name}.example>" in line]
        assert sum("event=delivered" in line for line in lines) == 2 and not any("event=deferred" in line for line in lines), lines
        assert (hop.taken, hop.acknowledged, hop.connections, hop.faults) == (2, 2, 2, []), (name, hop.__dict__)
    assert relay.log().count("event=again-at-once") == len(hops), relay.log()


class Returning:
    """A next hop that shows XTLSRETURN, ends TLS behind each message, and goes on in plaintext."""

    def __init__(self):
        self.outside = []  # verbs heard in the clear
        self.returns = 0   # layers that both have ended

    def __call__(self, link, stage, good):
        if not link.tls:
            self.outside.append(stage)
        if stage == "EHLO inside":
            return good.replace(b"250 PIPELINING", b"250-PIPELINING\r\n250 XTLSRETURN")
        if stage == "behind":
            link.close_notify()
            try:
                link.pull()
            except Over as over:
                assert str(over) == "close_notify", over
            link.tls, link.lines = None, b""
            self.returns += 1
        return good


def test_returning(directory, children):
    """R16: a next hop that ends TLS while the connection waits, and returns to plaintext: a new layer for the next message, or a new connection"""
    faults = {"plaintext": Returning(), "quit": Returning()}
    relay, hops = relay_to(directory, children, {policy: (f"tls required; closure {{ after-close-notify {policy} }}", fault)
                                                 for policy, fault in faults.items()})
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20) as client:
        for number in (1, 2, 3):
            for policy in hops:
                client.sendmail("a@example.org", [f"b@{policy}.example"], MESSAGE)
            wait_until(f"the end of layer {number}", lambda: faults["plaintext"].returns >= number and faults["quit"].returns == 1)
    wait_until("an empty queue", lambda: "the queue is empty" in relay.queue("list").stdout)
    assert "event=deferred" not in relay.log(), relay.log()
    assert [(hop.taken, hop.acknowledged, hop.faults) for hop in hops.values()] == [(3, 3, [])] * 2, [hop.__dict__ for hop in hops.values()]
    assert hops["plaintext"].connections == 1 and hops["quit"].connections >= 2, [hop.__dict__ for hop in hops.values()]
    assert faults["plaintext"].outside == ["greeting"] + ["EHLO", "STARTTLS"] * 3, faults["plaintext"].outside
    lines = [line for line in relay.closures() if "next-hop=plaintext" in line]
    assert len(lines) >= 2 and all("ending=mutual" in line and "effect=none" in line and "transactions=1" in line for line in lines), lines


run([test_faults, test_the_next_message, test_returning])
