"""Other relays as peers in both directions, with TLS 1.2 and 1.3: one adieu hands a message on to the peer by STARTTLS, the peer hands it on to
another adieu by STARTTLS, that one to a sink. What is asserted of the closure records is what the peer always does.
"""
import pathlib
import smtplib

from adieu_other_relays import Exim, OpenSmtpd, Postfix, Sendmail
from adieu_test_peers import MESSAGE, Relay, Sink, run, wait_until

BODY = MESSAGE.partition(b"\r\n\r\n")[2]  # they add fields to the header section's end


def chain(directory, children, kind, version=None):
    """The relays before and behind a relay of this kind, when a message has gone through all three."""
    directory = pathlib.Path(directory)
    for name in ("before", "behind"):
        (directory / name).mkdir()
    tls = f"tls {{ priority NORMAL:-VERS-ALL:+VERS-{version} }}" if version else ""
    sink = Sink(directory)
    children.append(sink)
    behind = Relay(directory / "behind", f"host 127.0.0.1:{sink.port}; tls off", more=tls, listen="tls required" if version else "tls off")
    children.append(behind)
    peer = kind(directory, behind.port)
    children.append(peer)
    before = Relay(directory / "before", f"host 127.0.0.1:{peer.port}; tls {'required' if version else 'off'}", more=tls)
    children.append(before)
    with smtplib.SMTP("127.0.0.1", before.port, local_hostname="client.example", timeout=20) as client:
        client.sendmail("a@example.org", ["b@example.net"], MESSAGE)
    message = sink.wait_for(1)[0]
    assert message.endswith(BODY) and peer.agent.encode() in message, message
    return before, behind


def test_opensmtpd(directory, children):
    """OpenSMTPD in both directions, in plaintext"""
    before, behind = chain(directory, children, OpenSmtpd)
    assert before.closures() == behind.closures() == []


def by_starttls(kind, as_client):
    """A test for each version of TLS. Towards us as a server every one of them answers our close_notify; `as_client`: how it ends its own layers."""
    def test_of(version):
        def test(directory, children):
            before, behind = chain(directory, children, kind, version)
            for relay, role, ending in ((before, "client", "mutual"), (behind, "server", as_client)):
                wait_until(f"the {role}'s closure record", relay.closures)
                records = relay.closures()
                assert len(records) == 1, records
                for text in (f"role={role} ", f"ending={ending} ", "effect=after-quit ", f"tls={version} ", "transactions=1 "):
                    assert text in records[0], (text, records)

        test.__name__ = f"test_{kind.name}_{version}"
        test.__doc__ = f"{kind.__name__} in both directions by STARTTLS, {version}: as a server mutual, as a client {as_client}"
        return test

    return [test_of("TLS1.2"), test_of("TLS1.3")]


# sendmail, as a client, writes its close_notify to a descriptor that it has closed just before.
run([test_opensmtpd, *by_starttls(Postfix, "mutual"), *by_starttls(Exim, "mutual"), *by_starttls(Sendmail, "unanswered")])
