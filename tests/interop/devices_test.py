"""Mail as devices send it: text without a header, commands that are nearly right, long addresses, the same recipient again. What arrives is a message
by RFC 5322 whose text is whole."""
import socket

from adieu_test_peers import Relay, Sink, run


def send(relay, commands, data):
    """One message; returns the replies."""
    with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as client, client.makefile("rb") as stream:

        def reply():
            while True:
                line = stream.readline()
                if line[3:4] != b"-":
                    return line

        replies = [reply()]
        for command in (*commands, b"DATA"):
            client.sendall(command + b"\r\n")
            replies.append(reply())
        client.sendall(data + b".\r\n")
        replies.append(reply())
        client.sendall(b"QUIT\r\n")
        replies.append(reply())
        return replies


def relay_and_sink(directory, children, more=""):
    sink = Sink(directory)
    children.append(sink.child)
    relay = Relay(directory, f"host 127.0.0.1:{sink.port}; tls off", more=more)
    children.append(relay)
    return relay, sink


def parts(message):
    header, _, body = message.partition(b"\r\n\r\n")
    return header, body


def test_no_header(directory, children):
    """text without a header arrives whole, behind our trace field, whatever its first line begins with"""
    relay, sink = relay_and_sink(directory, children)
    envelope = (b"HELO pump", b"MAIL FROM:<a@example.org>", b"RCPT TO:<b@example.net>")
    texts = [b"\tAlarm: tank 3\r\nlevel low\r\n", b"level low\r\n", b" folded: into nothing\r\n\r\nx\r\n"]
    for count, text in enumerate(texts, 1):
        assert send(relay, envelope, text)[-2].startswith(b"250"), text
        assert any(parts(message)[1] == text for message in sink.wait_for(count)), (text, sink.messages())
    assert send(relay, envelope, b"Subject: tank 3\r\nlevel low\r\n")[-2].startswith(b"250")
    last = [parts(message) for message in sink.wait_for(4) if b"\r\nSubject: tank 3" in message]
    assert len(last) == 1 and last[0][1] == b"level low\r\n", last


def test_commands(directory, children):
    """commands that are nearly right, a long local-part and the same recipient again: delivered once, to the address as it was written"""
    relay, sink = relay_and_sink(directory, children)
    recipient = b"bounces+" + b"x" * 300 + b"=Example.ORG@example.net"
    replies = send(relay, (b"HELO", b"MAIL FROM:  a@example.org", b"RCPT TO :\t<" + recipient + b">", b"RCPT TO:" + recipient), b"Subject: x\r\n\r\nx\r\n")
    assert [reply[:3] for reply in replies] == [b"220", b"250", b"250", b"250", b"250", b"354", b"250", b"221"], replies
    (message,) = sink.wait_for(1)
    assert b"for <" + recipient + b">" in message, message
    assert relay.log().count("event=delivered") == 1


def test_strict(directory, children):
    """`lenient-commands no` refuses them"""
    relay, _ = relay_and_sink(directory, children, more="lenient-commands no")
    replies = send(relay, (b"HELO", b"HELO pump", b"MAIL FROM:  <a@example.org>", b"MAIL FROM:a@example.org"), b"")
    assert [reply[:3] for reply in replies[:5]] == [b"220", b"501", b"250", b"501", b"501"], replies


run([test_no_header, test_commands, test_strict])
