"""adieu as a client: how it divides a message among transactions, and what it makes of it for a next hop. RFC 5321 section 4.5.3.1.10."""
import email
import email.policy
import smtplib

from adieu_next_hop import NextHop
from adieu_test_peers import MESSAGE, Relay, run, wait_until

# Whoever waits for a retry waits for longer than a test does.
NO_RETRY = "after 1h; then-every 1h"


def send(relay, recipients, body=MESSAGE, options=()):
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20) as client:
        return client.sendmail("a@example.org", list(recipients), body, mail_options=list(options))


def limited(limit, refusal):
    """An answer to RCPT: `refusal` for those beyond `limit` in a transaction."""

    def answer(verb, line, transaction):
        return refusal if verb == "RCPT" and len(transaction["recipients"]) >= limit else None

    return answer


def relay_to(directory, children, hop, more=""):
    relay = Relay(directory, f"host 127.0.0.1:{hop.port}; tls off; {more}", retry=NO_RETRY)
    children.append(relay)
    return relay


def test_too_many_recipients(directory, children):
    """452 to RCPT: those that were accepted have the message, the rest at once in the next transactions of the same connection"""
    hop = NextHop(limited(10, "452 4.5.3 too many recipients"))
    children.append(hop)
    relay = relay_to(directory, children, hop)
    recipients = [f"b{i}@example.net" for i in range(35)]
    send(relay, recipients)
    wait_until("all of them", lambda: sum(len(each["recipients"]) for each in hop.transactions) >= 35)
    assert [len(each["recipients"]) for each in hop.transactions] == [10, 10, 10, 5], hop.transactions
    assert sorted(address for each in hop.transactions for address in each["recipients"]) == sorted(recipients)
    assert hop.connections == 1
    assert all(each["data"].endswith(MESSAGE) for each in hop.transactions)
    wait_until("the end of it", lambda: "event=removed" in relay.log())
    assert "event=deferred" not in relay.log()


def test_one_transaction_holds_a_hundred(directory, children):
    """250 recipients: a hundred in a transaction, so that a next hop which counts its refusals never ends the session"""
    refused = []

    def answer(verb, line, transaction):
        if verb == "RCPT" and len(transaction["recipients"]) >= 100:
            refused.append(line)
            return "452 4.5.3 too many recipients"
        return None

    hop = NextHop(answer)
    children.append(hop)
    relay = relay_to(directory, children, hop)
    send(relay, [f"b{i}@example.net" for i in range(250)])
    wait_until("all of them", lambda: sum(len(each["recipients"]) for each in hop.transactions) >= 250)
    assert [len(each["recipients"]) for each in hop.transactions] == [100, 100, 50]
    assert not refused


def test_no_progress(directory, children):
    """452 to every RCPT, or 451 to the end of data: the rest waits for its retry"""
    hop = NextHop(lambda verb, line, transaction: "452 4.5.3 too many" if verb == "RCPT" and "first" not in line else "451 4.3.0 later" if line == "." else None)
    children.append(hop)
    relay = relay_to(directory, children, hop)
    send(relay, ["first@example.net", "b@example.net", "c@example.net"])
    wait_until("the deferrals", lambda: relay.log().count("event=deferred") >= 3)
    assert relay.log().count("event=deferred") == 3 and not hop.transactions


def test_used_up_connection(directory, children):
    """the rest goes by another connection where this one has carried all that it may"""
    hop = NextHop(limited(1, "452 too many"))
    children.append(hop)
    relay = relay_to(directory, children, hop, "messages-per-connection 2")
    send(relay, [f"b{i}@example.net" for i in range(5)])
    wait_until("all of them", lambda: len(hop.transactions) >= 5)
    assert hop.connections == 3 and "event=deferred" not in relay.log()


def eight_bit(padding=0):
    """A message as people send it, with octets beyond ASCII in its header, its text, and a file's name and content."""
    text = "Gr\u00fc\u00dfe aus K\u00f6ln, and some more that is plain\r\n" + "x" * 70 + "\r\n" + "a plain line that is here for its length\r\n" * (padding // 42)
    return (
        'From: "J\u00f6rg M\u00fcller" <a@example.org>\r\nTo: b@example.net\r\nSubject: Gr\u00fc\u00dfe\r\nMIME-Version: 1.0\r\n'
        "DKIM-Signature: v=1\r\nContent-Type: multipart/mixed; boundary=limit\r\n\r\n"
        f"--limit\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
        "--limit\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"\u00e9t\u00e9.bin\"\r\n\r\n\u00ff\u00fe \r\n"
        "--limit\r\nContent-Type: text/plain\r\n\r\n.plain = plain\r\n--limit--\r\n"
    ).encode()


def read(octets):
    message = email.message_from_bytes(octets, policy=email.policy.default)
    return (str(message["From"].addresses[0].display_name), str(message["Subject"]),
            [(part.get_content_type(), part.get_filename(), part.get_payload(decode=True)) for part in message.iter_parts()])


def test_eight_bit_converted(directory, children):
    """8-bit mail to a next hop without 8BITMIME goes as 7-bit mail that reads the same; declared or not, small or in a file, several at once"""
    hop = NextHop()
    children.append(hop)
    relay = relay_to(directory, children, hop)
    sent = [eight_bit(), eight_bit(400_000), eight_bit(), b"Subject: none of MIME\r\n\r\nK\xc3\xb6ln\r\n"]
    for message, options in zip(sent, [(), (), ("BODY=8BITMIME",), ()]):
        send(relay, ["b@example.net"], message, options)
    wait_until("the messages", lambda: len(hop.transactions) >= len(sent))
    for each in hop.transactions:
        assert each["data"].isascii() and "BODY" not in each["mail"], each["mail"]
        assert all(len(line) <= 998 for line in each["data"].split(b"\r\n"))
    taken = sorted((each["data"] for each in hop.transactions), key=len)
    text = email.message_from_bytes(taken[0], policy=email.policy.default)
    assert text.get_content().replace("\r\n", "\n") == "K\u00f6ln\n" and text["Subject"] == "none of MIME", taken[0]
    for octets, original in zip(taken[1:], sorted(sent[:3], key=len)):
        name, subject, parts = read(octets)
        assert name == "J\u00f6rg M\u00fcller" and subject == "Gr\u00fc\u00dfe", (name, subject)
        assert [part[1] for part in parts] == [None, "\u00e9t\u00e9.bin", None]
        assert [part[2] for part in parts] == [part[2] for part in read(original)[2]]
    assert "converted to 7 bits, so that its DKIM signature no longer matches" in relay.log()


def test_eight_bit_offered(directory, children):
    """8-bit mail goes as it is, with BODY=8BITMIME, where that is offered, whatever the client said of it; plain mail without"""
    hop = NextHop(keywords=("PIPELINING", "8BITMIME"))
    children.append(hop)
    relay = relay_to(directory, children, hop)
    for message in (eight_bit(), eight_bit(400_000), MESSAGE):
        send(relay, ["b@example.net"], message)
    send(relay, ["b@example.net"], MESSAGE, ("BODY=8BITMIME",))
    wait_until("the messages", lambda: len(hop.transactions) >= 4)
    for each in hop.transactions:
        plain = each["data"].endswith(MESSAGE)
        assert ("BODY=8BITMIME" in each["mail"]) == (not plain), each["mail"]
        assert plain or each["data"].endswith(eight_bit()) or each["data"].endswith(eight_bit(400_000))


def test_eight_bit_failed(directory, children):
    """`eight-bit fail`: nothing of it is said, and the reverse-path is told with 5.6.3; `pass`: as it is"""
    hop = NextHop()
    children.append(hop)
    relay = relay_to(directory, children, hop, "eight-bit fail")
    send(relay, ["b@example.net"], eight_bit())
    wait_until("the notification", lambda: hop.transactions)
    assert b"Status: 5.6.3" in hop.transactions[0]["data"] and hop.transactions[0]["recipients"] == ["a@example.org"]
    relay.stop()
    relay.policy.write_text(relay.policy.read_text().replace("eight-bit fail", "eight-bit pass"))
    relay.start()
    send(relay, ["b@example.net"], eight_bit())
    wait_until("the message", lambda: len(hop.transactions) >= 2)
    assert hop.transactions[1]["data"].endswith(eight_bit())


run([test_too_many_recipients, test_one_transaction_holds_a_hundred, test_no_progress, test_used_up_connection, test_eight_bit_converted,
     test_eight_bit_offered, test_eight_bit_failed])
