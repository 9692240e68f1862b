"""What adieu tells a reverse-path of failures: one notification for what fails together, bounded in size and number, durable with the failure it tells of."""
import email
import smtplib
import time

from adieu_next_hop import NextHop
from adieu_test_peers import Nsd, Relay, Sink, run, wait_until


def send(relay, recipients, sender="a@sender.example", body=b"Subject: x\r\n\r\nHello\r\n"):
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=30) as client:
        return client.sendmail(sender, list(recipients), body)


def refusing(verb, line, transaction):
    return "550 5.1.1 nobody of this name here" if verb == "RCPT" else None


def relay_with(directory, children, refuses, sink, more=""):
    """Mail for anybody goes to `refuses`, notifications for sender.example to `sink`."""
    relay = Relay(directory, f"host 127.0.0.1:{refuses.port}; tls off", more=more,
                  first=f"next-hop back {{ host 127.0.0.1:{sink.port}; tls off }}\ndomains senders sender.example\nrelay from any to domains senders via back")
    children.append(relay)
    return relay


def report(octets):
    """The notification's text for people, its groups of fields (the message's first), and the fields of the original."""
    message = email.message_from_bytes(octets)
    text, status, headers = message.get_payload()
    assert message.get_content_type() == "multipart/report" and message.get_param("report-type") == "delivery-status"
    assert status.get_content_type() == "message/delivery-status" and headers.get_content_type() == "text/rfc822-headers"
    return text.get_payload(), status.get_payload(), headers.get_payload()


def test_one_for_a_thousand(directory, children):
    """1,000 recipients at 1,000 domains that take no mail: few notifications, each recipient told of once, not ten times the octets that came"""
    sink, names = Sink(directory), Nsd(directory, "* MX 0 .")
    children += [sink, names]
    relay = Relay(directory, "mx; tls off", more=f"resolver 127.0.0.1:{names.port}",
                  first=f"next-hop back {{ host 127.0.0.1:{sink.port}; tls off }}\ndomains senders sender.example\nrelay from any to domains senders via back")
    children.append(relay)
    body = b"".join(b"X-Field-%d: %s\r\n" % (number, b"x" * 900) for number in range(60)) + b"Subject: the one\r\n\r\nHello\r\n"
    recipients = [f"b@d{i}.example.net" for i in range(1000)]
    send(relay, recipients, body=body)
    wait_until("all failures", lambda: relay.log().count("event=failed") >= 1000, 60)
    wait_until("the end of it", lambda: "the queue is empty" in relay.queue("list").stdout and sink.messages(), 60)
    messages = sink.messages()
    assert 1 <= len(messages) <= 5, len(messages)
    assert sum(len(each) for each in messages) < 10 * len(body), sum(len(each) for each in messages)
    told = [group["Final-Recipient"] for each in messages for group in report(each)[1][1:]]
    assert sorted(told) == sorted(f"rfc822; {address}" for address in recipients), len(told)
    for each in messages:
        assert len(report(each)[2]) <= 4098 and "Subject: the one" in report(each)[2]
    print(f"        {len(messages)} notifications, {sum(len(each) for each in messages)} octets, for a message of {len(body)} octets")


def test_what_it_says(directory, children):
    """a notification names the host that refused, its words, the time and the message; its own `queued` line names its parent"""
    refuses, sink = NextHop(refusing), Sink(directory)
    children += [refuses, sink]
    relay = relay_with(directory, children, refuses, sink)
    send(relay, ["b@example.net", "c@example.net"])
    text, status, headers = report(sink.wait_for(1)[0])
    queued = [line for line in relay.log().splitlines() if "event=queued" in line]
    parent = queued[0].split("queue-id=")[1].split()[0]
    assert f"parent={parent} from=<> to=<a@sender.example>" in queued[1], queued
    assert parent in text and f"127.0.0.1[127.0.0.1]:{refuses.port} said: 550 5.1.1 nobody of this name here" in text, text
    assert status[0]["Reporting-MTA"] == "dns; relay.example.org" and status[0]["Arrival-Date"]
    for group, recipient in zip(status[1:], "bc"):
        assert group["Final-Recipient"] == f"rfc822; {recipient}@example.net" and group["Action"] == "failed" and group["Status"] == "5.1.1"
        assert group["Remote-MTA"] == "dns; [127.0.0.1]" and group["Diagnostic-Code"] == "smtp; 550 5.1.1 nobody of this name here"
        assert email.utils.parsedate_to_datetime(group["Last-Attempt-Date"])
    assert "Subject: x" in headers


def test_limit(directory, children):
    """`notifications-per-address`: an address gets so many in an hour, others get theirs; the log tells"""
    refuses, sink = NextHop(refusing), Sink(directory)
    children += [refuses, sink]
    relay = relay_with(directory, children, refuses, sink, more="limits { notifications-per-address 2 }")
    for _ in range(4):
        send(relay, ["b@example.net"])
    send(relay, ["b@example.net"], sender="other@sender.example")
    wait_until("the end of it", lambda: relay.log().count("event=removed") >= 8)
    assert sorted(email.message_from_bytes(each)["To"] for each in sink.wait_for(3)) == ["<a@sender.example>"] * 2 + ["<other@sender.example>"]
    assert relay.log().count("event=no-notification") == 2


def test_reject_rules(directory, children):
    """a reverse-path that `reject from any` refuses gets no notification"""
    refuses, sink = NextHop(refusing), Sink(directory)
    children += [refuses, sink]
    relay = Relay(directory, f"host 127.0.0.1:{refuses.port}; tls off",
                  first='domains trap trap.example\nreject from any to domains trap with "550 5.7.1 no"')
    children.append(relay)
    send(relay, ["b@example.net"], sender="victim@trap.example")
    wait_until("the end of it", lambda: "event=removed" in relay.log())
    assert "event=no-notification" in relay.log() and refuses.transactions == []


def test_kill_while_collecting(directory, children):
    """killed while a failure waits for others: the attempt is done over, and the notification comes"""
    refuses = NextHop(lambda verb, line, transaction: refusing(verb, line, transaction) if "no@" in line else "450 4.2.0 later" if verb == "RCPT" else None)
    sink = Sink(directory)
    children += [refuses, sink]
    relay = relay_with(directory, children, refuses, sink)
    send(relay, ["no@example.net", "later@example.net"])
    wait_until("the failure", lambda: "event=failed" in relay.log())
    relay.kill()
    assert not sink.messages()
    relay.start()
    wait_until("the notification", lambda: sink.messages())
    assert report(sink.wait_for(1)[0])[1][1]["Final-Recipient"] == "rfc822; no@example.net"


def test_stop_while_collecting(directory, children):
    """stopped while a failure waits for others: told of at once, and stored; nothing of it is done over"""
    refuses = NextHop(lambda verb, line, transaction: refusing(verb, line, transaction) if "no@" in line else "450 4.2.0 later" if verb == "RCPT" else None)
    sink = Sink(directory)
    children += [refuses, sink]
    relay = relay_with(directory, children, refuses, sink)
    send(relay, ["no@example.net", "later@example.net"])
    wait_until("the failure", lambda: "event=failed" in relay.log())
    relay.stop()
    relay.start()
    sink.wait_for(1)
    time.sleep(1)
    assert relay.log().count("event=failed") == 1 and len(sink.messages()) == 1


run([test_one_for_a_thousand, test_what_it_says, test_limit, test_reject_rules, test_kill_while_collecting, test_stop_while_collecting])
