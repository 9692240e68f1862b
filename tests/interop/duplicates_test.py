"""R11 and R12: a message whose 250 was lost gets it again, and is delivered once; nothing else is ever suppressed."""
import socket
import ssl
import struct
import time

from adieu_test_peers import Relay, Sink, client_context, run, wait_until

BODY = b"Subject: once\r\n\r\nThis is to arrive once.\r\n"


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
    confirmed = speak(relay, body=b"confirmed\r\n", vanish=False)
    assert speak(relay, body=b"confirmed\r\n", vanish=False) != confirmed
    settled(relay, sink, 6)


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


run([test_once, test_lost_again, test_nothing_else, test_another_address, test_tls, test_window, test_restart, test_crash])
