"""Clients of other families return to plaintext: a message, both close_notify, EHLO in plaintext, STARTTLS again, a second message, on one connection."""
import pathlib
import re
import subprocess

from adieu_test_peers import Relay, Sink, run, wait_until

CLIENTS = pathlib.Path(__file__).parent / "clients"


def both_messages(directory, children, name, command):
    """What the client printed, for each version."""
    sink = Sink(directory)
    children.append(sink.child)
    relay = Relay(directory, f"host 127.0.0.1:{sink.port}; tls off")
    children.append(relay)
    printed = {}
    for number, version in enumerate(("1.2", "1.3"), 1):
        result = subprocess.run([*command, str(relay.port), version], capture_output=True, text=True, timeout=120)
        assert result.returncode == 0, (version, result.stdout, result.stderr)
        printed[version] = result.stdout + result.stderr
        wait_until("both messages", lambda: len(sink.messages()) == 2 * number)
        wait_until("both closure records", lambda: len(relay.closures()) == 2 * number)
    for line in relay.closures():
        assert "ending=mutual" in line and "effect=none" in line and "transactions=1" in line, line
    assert sum("tls=TLS1.3" in line for line in relay.closures()) == 2
    for layer in (1, 2):
        assert sum(f"Subject: {name} {layer}".encode() in message for message in sink.messages()) == 2
    return printed


def test_perl(directory, children):
    """Perl: IO::Socket::SSL, stop_SSL; TLS 1.2 and 1.3"""
    both_messages(directory, children, "perl", ["/usr/bin/perl", str(CLIENTS / "return_to_plaintext.pl")])


def test_java(directory, children):
    """R20 Java: SSLSocket with autoClose=false; TLS 1.2, and 1.3 with its user_canceled before close_notify"""
    printed = both_messages(directory, children, "java", ["java", "-Djavax.net.debug=ssl:record", str(CLIENTS / "ReturnToPlaintext.java")])
    alerts = {version: re.findall(r"WRITE: TLSv1\.[23] alert\((\w+)\)", text) for version, text in printed.items()}
    assert alerts == {"1.2": ["close_notify"] * 2, "1.3": ["user_canceled", "close_notify"] * 2}, alerts


def test_node(directory, children):
    """Node: tls over a Duplex; TLS 1.2 and 1.3"""
    both_messages(directory, children, "node", ["/usr/bin/node", str(CLIENTS / "return_to_plaintext.js")])


run([test_perl, test_java, test_node])
