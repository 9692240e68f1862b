"""adieu as a client: how it divides a message among transactions, and what it makes of it for a next hop. RFC 5321 section 4.5.3.1.10."""
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


run([test_too_many_recipients, test_one_transaction_holds_a_hundred, test_no_progress, test_used_up_connection])
