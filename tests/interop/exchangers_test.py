"""adieu and the hosts that it tries: the next exchanger after a deferral, connections beside busy ones, the bound on all of them, addresses that are not
dialled, and which reply of a next hop means what (MESSAGE FLOW of adieu(8))."""
import smtplib
import socket
import threading

from adieu_test_peers import MESSAGE, Nsd, Relay, free_port, run, wait_until

GOOD = {"greeting": "220 hop.example ESMTP", "EHLO": "250 hop.example", "HELO": "250 hop.example", "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok",
        "DATA": "354 go", "dot": "250 2.0.0 stored", "QUIT": "221 2.0.0 bye"}


class Hop:
    """A next hop in plaintext. `says` has its answers that are not GOOD: a text, or a function of the hop that gives one; None closes instead."""

    def __init__(self, says=None, address="127.0.0.1", port=0):
        self.says = says or {}
        self.listener = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.connections = self.open = self.most = self.transactions = self.stored = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.open += 1
                self.most = max(self.most, self.open)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def answer(self, stage):
        said = self.says.get(stage, GOOD.get(stage, "502 5.5.1 no"))
        return said(self) if callable(said) else said

    def serve(self, connection):
        try:
            with connection, connection.makefile("rb") as lines:
                connection.settimeout(30)

                def say(stage):
                    said = self.answer(stage)
                    if said is None:
                        raise ConnectionError(stage)
                    connection.sendall(said.encode() + b"\r\n")
                    return said

                say("greeting")
                for line in lines:
                    verb = line.split(None, 1)[0].upper().decode()
                    if verb == "MAIL":
                        with self.lock:
                            self.transactions += 1
                    if say(verb).startswith("354"):
                        while lines.readline() not in (b".\r\n", b""):
                            pass
                        stored = say("dot").startswith("250")
                        with self.lock:
                            self.stored += stored
                    if verb == "QUIT":
                        return
        except OSError:
            pass
        finally:
            with self.lock:
                self.open -= 1

    def stop(self):
        self.listener.close()


def send(relay, *recipients, sender="a@example.org"):
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20) as client:
        client.sendmail(sender, recipients, MESSAGE)


def lines_of(relay, event, to):
    return [line for line in relay.log().splitlines() if f"event={event} " in line and f"to=<{to}>" in line]


def line_of(relay, event, to):
    return wait_until(f"{event} {to}", lambda: lines_of(relay, event, to))[0]


def relay_to(directory, children, hops, policies=None, more=""):
    """A relay with a next hop for each {name: hop}, which gets the mail for name.example."""
    children.extend(hops.values())
    policies = policies or {}
    first = "".join(f"next-hop {name} {{ host 127.0.0.1:{hop.port}; {policies.get(name, 'tls off')} }}\ndomains {name} {name}.example\n" for name, hop in hops.items())
    first += "".join(f"relay from network local to domains {name} via {name}\n" for name in hops)
    relay = Relay(directory, f"host 127.0.0.1:{free_port()}; tls off", first=first, more=more)
    children.append(relay)
    return relay


# What a next hop says, and what comes of it. Before it knows the message, nothing it says is a verdict on the message.
FLOW = {
    "greeting-554": ({"greeting": "554 5.7.1 go away"}, "tls off", "deferred", "refused in the greeting: 554 5.7.1 go away"),
    "greeting-421": ({"greeting": "421 4.3.2 later"}, "tls off", "deferred", "421 4.3.2 later"),
    "hello-550": ({"EHLO": "550 5.7.1 not you", "HELO": "550 5.7.1 nor so"}, "tls off", "deferred", "550 5.7.1 nor so"),
    "starttls-502": ({"EHLO": "250-hop.example\r\n250 STARTTLS", "STARTTLS": "502 5.5.1 no TLS"}, "tls required", "deferred", "502 5.5.1 no TLS"),
    "starttls-absent": ({}, "tls required", "deferred", "TLS is required"),
    "mail-550": ({"MAIL": "550 5.7.1 no"}, "tls off", "failed", "550 5.7.1 no"),
    "mail-451": ({"MAIL": "451 4.3.0 later"}, "tls off", "deferred", "451 4.3.0 later"),
    "rcpt-552": ({"RCPT": "552 5.2.2 mailbox full"}, "tls off", "failed", "552 5.2.2 mailbox full"),
    "data-554": ({"DATA": "554 5.5.1 no"}, "tls off", "failed", "554 5.5.1 no"),
    "dot-554": ({"dot": "554 5.7.1 no"}, "tls off", "failed", "554 5.7.1 no"),
    "dot-451": ({"dot": "451 4.3.0 later"}, "tls off", "deferred", "451 4.3.0 later"),
    "size": ({"EHLO": "250-hop.example\r\n250 SIZE 10"}, "tls off", "failed", "5.3.4"),
}


def test_flow(directory, children):
    """which reply of a next hop fails a recipient and which defers it, with the next hop's words in log and queue"""
    hops = {name: Hop(says) for name, (says, _, _, _) in FLOW.items()}
    relay = relay_to(directory, children, hops, {name: policy for name, (_, policy, _, _) in FLOW.items()})
    for name in FLOW:
        send(relay, f"b@{name}.example", sender="")
    for name, (_, _, event, words) in FLOW.items():
        line = line_of(relay, event, f"b@{name}.example")
        assert words in line, line
        dsn = line.split(" dsn=")[1][0]
        assert dsn == {"failed": "5", "deferred": "4"}[event], line
        if event == "deferred":
            assert words in relay.queue("list").stdout, relay.queue("list").stdout
            assert not lines_of(relay, "failed", f"b@{name}.example")


STAGES = {"mail": ("127.0.0.11", {"MAIL": "451 4.3.0 later"}), "rcpt": ("127.0.0.12", {"RCPT": "450 4.2.0 greylisted"}),
          "data": ("127.0.0.13", {"DATA": "451 4.3.0 later"}), "dot": ("127.0.0.14", {"dot": "451 4.3.0 later"}),
          "cut": ("127.0.0.15", {"RCPT": None}), "greet": ("127.0.0.16", {"greeting": "554 5.7.1 go away"})}
UNSURE = {"missing": ("127.0.0.17", {"dot": None})}
GREY = {"grey": ("127.0.0.18", {"RCPT": "450 4.2.0 greylisted"})}


def test_elsewhere(directory, children):
    """what the first exchanger defers goes to the second in the same attempt, once, and never where the reply to the dot is missing"""
    port = free_port()
    both = {**STAGES, **UNSURE, **GREY}
    zone = "".join(f"{name} MX 10 {name}-host\n{name}-host A {address}\n" + (f"{name} MX 20 healthy\n" if name != "grey" else "grey MX 20 second\ngrey MX 30 third\n")
                   for name, (address, _) in both.items())
    nsd = Nsd(directory, zone + "healthy A 127.0.0.20\nsecond A 127.0.0.21\nthird A 127.0.0.22\n")
    hops = {name: Hop(says, address, port) for name, (address, says) in both.items()}
    healthy, second, third = Hop({}, "127.0.0.20", port), Hop({"RCPT": "450 4.2.0 greylisted"}, "127.0.0.21", port), Hop({}, "127.0.0.22", port)
    children.extend([nsd, healthy, second, third, *hops.values()])
    relay = Relay(directory, f"mx; port {port}; tls off; local-addresses yes", f"resolver 127.0.0.1:{nsd.port}")
    relay.stop()
    relay.policy.write_text(relay.policy.read_text().replace("after 1s 1s 2s; then-every 2s", "then-every 1h").replace("retry { then-every", "retry { after 1h; then-every"))
    relay.start()
    children.append(relay)
    for name in both:
        send(relay, f"b@{name}.example.net")
    for name in STAGES:
        line = line_of(relay, "delivered", f"b@{name}.example.net")
        assert "relay=healthy.example.net[127.0.0.20]" in line, line
        assert not lines_of(relay, "deferred", f"b@{name}.example.net")
        assert hops[name].transactions == (name != "greet"), (name, hops[name].transactions)
        if name == "greet":
            assert any("event=tried" in row and "greet-host.example.net[127.0.0.16]" in row and "554 5.7.1 go away" in row for row in relay.log().splitlines())
        else:
            assert lines_of(relay, "again-elsewhere", f"b@{name}.example.net")
    assert "may have it" in line_of(relay, "deferred", "b@missing.example.net")
    assert "second.example.net" in line_of(relay, "deferred", "b@grey.example.net")
    assert healthy.stored == len(STAGES), healthy.stored
    assert (hops["grey"].transactions, second.transactions, third.transactions) == (1, 1, 0)


def test_many_addresses(directory, children):
    """the one address of an exchanger that answers is found among ten without a way to them, in the first attempt, and among ten that refuse"""
    port = free_port()
    # TCP to a multicast address is refused by the kernel as one without a route is, and no packet leaves this machine.
    zone = "six MX 10 six-host\n" + "".join(f"six-host AAAA ff0e::{number}\n" for number in range(1, 11)) + "six-host A 127.0.0.31\n"
    zone += "four MX 10 four-host\n" + "".join(f"four-host A 127.0.0.{number}\n" for number in range(41, 52))
    nsd = Nsd(directory, zone)
    six, four = Hop({}, "127.0.0.31", port), Hop({}, "127.0.0.51", port)
    relay = Relay(directory, f"mx; port {port}; tls off; local-addresses yes", f"resolver 127.0.0.1:{nsd.port}")
    children.extend([nsd, six, four, relay])
    send(relay, "b@six.example.net", "b@four.example.net")
    assert "relay=six-host.example.net[127.0.0.31]" in line_of(relay, "delivered", "b@six.example.net")
    assert not lines_of(relay, "deferred", "b@six.example.net")
    # An attempt dials ten of the eleven, and may leave out the one that lives: the next attempt begins at another.
    assert "relay=four-host.example.net[127.0.0.51]" in line_of(relay, "delivered", "b@four.example.net")


def test_busy(directory, children):
    """a message that is due does not wait for the one before it, whose next hop takes its time for the reply to the dot"""
    two = threading.Event()

    def slow(hop):
        if hop.transactions == 2:
            two.set()
        return GOOD["dot"] if two.wait(25) else "451 4.3.0 only one connection came"

    hop = Hop({"dot": slow})
    relay = relay_to(directory, children, {"slow": hop})
    send(relay, "b@slow.example")
    wait_until("the first message", lambda: hop.transactions == 1)
    send(relay, "c@slow.example")
    line_of(relay, "delivered", "b@slow.example")
    line_of(relay, "delivered", "c@slow.example")
    assert hop.connections == 2 and "event=deferred" not in relay.log(), relay.log()


def test_due_while_idle(directory, children):
    """a retry that comes due while its connection waits for mail goes out by that connection, at once"""
    answers = iter(["450 4.2.0 later"])
    hop = Hop({"RCPT": lambda _: next(answers, GOOD["RCPT"]), "RSET": "250 2.0.0 ok"})
    relay = relay_to(directory, children, {"grey": hop}, {"grey": "tls off; idle-timeout 10m"})
    send(relay, "b@grey.example")
    line_of(relay, "delivered", "b@grey.example")
    assert hop.connections == 1, hop.connections


def test_bound(directory, children):
    """no more connections than `outbound-connections` over all destinations; those that idle make room for others"""
    hops = {f"d{number}": Hop() for number in range(12)}
    lock, now, most = threading.Lock(), [0], [0]
    for hop in hops.values():
        def count(_, step):
            with lock:
                now[0] += step
                most[0] = max(most[0], now[0])

        hop.says = {"greeting": lambda hop, count=count: count(hop, 1) or GOOD["greeting"], "QUIT": lambda hop, count=count: count(hop, -1) or GOOD["QUIT"]}
    relay = relay_to(directory, children, hops, {name: "tls off; idle-timeout 10m" for name in hops}, more="limits { outbound-connections 3 }\nloops 2")
    send(relay, *[f"b@{name}.example" for name in hops])
    for name in hops:
        line_of(relay, "delivered", f"b@{name}.example")
    assert most[0] <= 3, most


def test_tarpits(directory, children):
    """mail to domains that take connections and say nothing holds up neither a configured host nor a domain that answered before"""
    port = free_port()
    nsd = Nsd(directory, "live MX 10 live-host\nlive-host A 127.0.0.31\n" + "".join(f"dead{number} MX 10 tarpit\n" for number in range(60)) + "tarpit A 127.0.0.32\n")
    silent = threading.Event()

    def never(_):
        silent.wait(60)

    tarpit = Hop({"greeting": never}, "127.0.0.32", port)
    hop, live = Hop(), Hop({}, "127.0.0.31", port)
    children.extend([nsd, hop, live, tarpit])
    relay = Relay(directory, f"mx; port {port}; tls off; local-addresses yes", f"resolver 127.0.0.1:{nsd.port}\nlimits {{ outbound-connections 20 }}\nloops 2",
                  first=f"next-hop host {{ host 127.0.0.1:{hop.port}; tls off }}\ndomains host host.example\nrelay from network local to domains host via host\n")
    children.append(relay)
    send(relay, "b@live.example.net")
    line_of(relay, "delivered", "b@live.example.net")
    send(relay, *[f"b@dead{number}.example.net" for number in range(60)])
    wait_until("connections to the tarpit", lambda: tarpit.open >= 18)
    send(relay, "c@host.example", "c@live.example.net")
    line_of(relay, "delivered", "c@host.example")
    line_of(relay, "delivered", "c@live.example.net")
    assert tarpit.most == 18, tarpit.most
    silent.set()


def test_local(directory, children):
    """an exchanger at an address of this machine is refused unless the policy says otherwise; a literal is dialled with its tag in any case"""
    port = free_port()
    nsd = Nsd(directory, "home MX 10 home-host\nhome-host A 127.0.0.2\nmapped MX 10 mapped-host\nmapped-host AAAA ::ffff:127.0.0.1\nnumber MX 10 127.0.0.1.\n")
    hop = Hop({}, "::1", port)
    children.extend([nsd, hop])
    first = f"next-hop lab {{ mx; port {port}; tls off; local-addresses yes }}\ndomains lab lab.example\nrelay from network local to domains lab via lab\n"
    relay = Relay(directory, f"mx; port {port}; tls off", f"resolver 127.0.0.1:{nsd.port}", first=first)
    children.append(relay)
    for to in ("b@home.example.net", "b@mapped.example.net", "b@[127.0.0.2]", "b@[IPv6:::1]", "b@[IPv6:::]"):
        send(relay, to, sender="")
        line = line_of(relay, "failed", to)
        assert "dsn=5.4.6" in line and "`local-addresses private` of next-hop out" in line, line
    send(relay, "b@number.example.net", sender="")
    assert "dsn=5.4.4" in line_of(relay, "failed", "b@number.example.net")
    assert hop.connections == 0
    relay.stop()
    relay.policy.write_text(relay.policy.read_text().replace(f"mx; port {port}; tls off; idle", f"mx; port {port}; tls off; local-addresses yes; idle"))
    relay.start()
    send(relay, "b@[IPv6:::1]")
    line_of(relay, "delivered", "b@[IPv6:::1]")


def test_host_gone(directory, children):
    """a configured host that does not exist is the policy file's mistake: mail is deferred, and the host is named"""
    nsd = Nsd(directory, "")
    relay = Relay(directory, "host gone.example.net; tls off", f"resolver 127.0.0.1:{nsd.port}")
    children.extend([nsd, relay])
    send(relay, "b@example.net")
    line = line_of(relay, "deferred", "b@example.net")
    assert "dsn=4.4.4" in line and "host gone.example.net of next-hop out" in line, line


def test_given_up(directory, children):
    """a message that was given up has a failed line with 5.4.7, and its notification the next hop's words"""
    hop, own = Hop({"greeting": "554 5.7.1 go away"}), Hop()
    relay = relay_to(directory, children, {"refuses": hop, "own": own})
    relay.stop()
    relay.policy.write_text(relay.policy.read_text().replace("give-up 1h", "give-up 2s"))
    relay.start()
    send(relay, "b@refuses.example", sender="a@own.example")
    line = line_of(relay, "failed", "b@refuses.example")
    assert "dsn=5.4.7" in line and "554 5.7.1 go away" in line, line
    wait_until("the notification", lambda: own.stored == 1)


run([test_flow, test_elsewhere, test_many_addresses, test_busy, test_due_while_idle, test_bound, test_tarpits, test_local, test_host_gone, test_given_up])
