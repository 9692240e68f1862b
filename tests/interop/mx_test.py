"""adieu and the mail exchangers of a zone on Debian's nsd: preference, fallback, IPv6, null MX, loops."""
import smtplib

from adieu_test_peers import MESSAGE, Nsd, Relay, Sink, free_port, run, wait_until

ZONE = """
both      MX 10 dead
both      MX 20 live
implicit  A 127.0.0.2
null      MX 0 .
six       MX 10 six-host
ours      MX 10 self
backup    MX 10 dead
backup    MX 20 self
backup    MX 30 live
named     MX 10 relay.example.org.
red       MX 10 \\027[31mred
dead      A 127.0.0.9
live      A 127.0.0.2
self      A 127.0.0.3
\\027[31mred A 127.0.0.9
six-host  AAAA ::1
"""


def everything(directory, children, more=""):
    port = free_port()
    nsd = Nsd(directory, ZONE)
    children.append(nsd)
    four = Sink(directory, f"127.0.0.2:{port}", "four")
    six = Sink(directory, f"[::1]:{port}", "six")
    children.extend((four.child, six.child))
    relay = Relay(directory, f"mx; port {port}; tls off; local-addresses yes", f"resolver 127.0.0.1:{nsd.port}\nlisten 127.0.0.3:{port} {{ tls optional }}\n{more}")
    children.append(relay)
    return relay, four, six


def send(relay, to, sender="a@example.org"):
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20) as client:
        client.sendmail(sender, [to], MESSAGE)


def attempt(relay, event, to):
    """The log line of that event for that recipient."""

    def found():
        return next((line for line in relay.log().splitlines() if f"event={event} " in line and to in line), None)

    return wait_until(f"{event} {to}", found)


def test_delivered(directory, children):
    """the best exchanger that answers, the domain's own address, and IPv6"""
    relay, four, six = everything(directory, children)
    for domain, sink, host in (("both", four, "live.example.net[127.0.0.2]"), ("implicit", four, "implicit.example.net[127.0.0.2]"), ("six", six, "six-host.example.net[::1]")):
        before = len(sink.messages())
        send(relay, f"b@{domain}.example.net")
        assert host in attempt(relay, "delivered", f"b@{domain}.example.net")
        assert len(sink.messages()) == before + 1


def test_failed(directory, children):
    """null MX, a domain that is not there, and mail that would come back fail at once, each with its status code"""
    relay, four, six = everything(directory, children)
    for to, status in (("b@null.example.net", "5.1.10"), ("b@gone.example.net", "5.1.2"), ("b@ours.example.net", "5.4.6"), ("b@named.example.net", "5.4.6")):
        send(relay, to, sender="")
        line = attempt(relay, "failed", to)
        assert f"dsn={status}" in line, line
    assert not four.messages() and not six.messages()


def test_backup(directory, children):
    """a relay that is itself the second exchanger waits for the first, and never goes on to those behind itself"""
    relay, four, _ = everything(directory, children)
    send(relay, "b@backup.example.net")
    line = attempt(relay, "deferred", "b@backup.example.net")
    assert "dsn=4.4.1" in line and "127.0.0.9" in line, line
    assert not four.messages()


def test_no_name_server(directory, children):
    """a name server that does not answer defers"""
    relay, _, _ = everything(directory, children)
    children[0].stop()
    send(relay, "b@both.example.net")
    line = attempt(relay, "deferred", "b@both.example.net")
    assert "dsn=4.4.3" in line, line


def test_names(directory, children):
    """a name in DNS that is a terminal's escape sequence is none in what `adieu queue` prints"""
    relay, _, _ = everything(directory, children)
    send(relay, "b@red.example.net")
    attempt(relay, "deferred", "b@red.example.net")
    listed = wait_until("the queue", lambda: relay.queue("list").stdout)
    assert "connect to \\x1b[31mred.example.net[127.0.0.9]" in listed and "\x1b" not in listed, listed


run([test_delivered, test_failed, test_backup, test_no_name_server, test_names])
