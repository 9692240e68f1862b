"""R17 between two relays: an adieu with `renew-tls-after 2 messages` delivers to another one that shows XTLSRETURN, which delivers to a sink: layer
after layer of TLS on one connection; and one layer for everything where the other does not show it."""
import pathlib
import re
import smtplib

from adieu_test_peers import MESSAGE, Relay, Sink, run, wait_until

MESSAGES = 7


def two_relays(directory, children, closure=""):
    """Sends all messages through both; returns the closure records that each has left of the layers between them."""
    sink = Sink(directory)
    children.append(sink.child)
    (pathlib.Path(directory) / "hub").mkdir()
    hub = Relay(pathlib.Path(directory) / "hub", f"host 127.0.0.1:{sink.port}; tls off", listen="tls required", closure=closure)
    children.append(hub)
    relay = Relay(directory, f"host 127.0.0.1:{hub.port}; tls required; connections 1; renew-tls-after 2 messages")
    children.append(relay)
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20) as client:
        for _ in range(MESSAGES):
            client.sendmail("a@example.org", ["b@example.net"], MESSAGE)
    sink.wait_for(MESSAGES)
    wait_until("an empty queue", lambda: "the queue is empty" in relay.queue("list").stdout)

    def all_told():
        found = [[line for line in each.closures() if "tls=TLS" in line] for each in (hub, relay)]
        return all(sum(int(re.search(r"transactions=(\d+)", line)[1]) for line in lines) == MESSAGES for lines in found) and found

    found = wait_until("the record of every layer", all_told)
    assert "event=deferred" not in relay.log() and "event=again-at-once" not in relay.log(), relay.log()
    return found


def transactions(lines):
    return [int(re.search(r"transactions=(\d+)", line)[1]) for line in lines]


def test_renewal(directory, children):
    """two messages a layer, all layers on one connection, each ended by both with close_notify"""
    hub, relay = two_relays(directory, children)
    for lines in (hub, relay):
        assert transactions(lines) == [2, 2, 2, 1], lines
        assert all("ending=mutual" in line and "rolled-back" not in line for line in lines), lines
    assert len({re.search(r"client=(\S+)", line)[1] for line in hub}) == 1, hub


def test_not_offered(directory, children):
    """a next hop that ends the connection after close_notify does not show XTLSRETURN: one layer for all messages"""
    hub, relay = two_relays(directory, children, "; closure { after-close-notify quit }")
    for lines in (hub, relay):
        assert transactions(lines) == [MESSAGES], lines


run([test_renewal, test_not_offered])
