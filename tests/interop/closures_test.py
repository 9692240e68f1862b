"""R18 and R19 for an administrator: what `adieu closures` tells of a running relay, after a restart and of a spool at rest; the alarm in the log."""
import json
import smtplib
import socket
import subprocess
import urllib.error
import urllib.request

from adieu_test_peers import ADIEU, MESSAGE, Relay, Sink, client_context, free_port, run, wait_until


def everything(directory, children, closure="", more=""):
    sink = Sink(directory)
    children.append(sink.child)
    relay = Relay(directory, f"host 127.0.0.1:{sink.port}; tls off", closure=closure, more=more)
    children.append(relay)
    return relay


def session(relay, messages=1, name="client.example"):
    client = smtplib.SMTP("127.0.0.1", relay.port, local_hostname=name, timeout=20)
    client.starttls(context=client_context())
    for _ in range(messages):
        client.sendmail("a@example.org", ["b@example.net"], MESSAGE)
    return client


def clean(relay, messages=1, name="client.example"):
    """Ends as most clients do: QUIT, then FIN without close_notify."""
    session(relay, messages, name).quit()


def cut(relay, name="client.example"):
    """A message that ends in the middle of its mail data, by FIN outside the TLS layer."""
    before = relay.log().count("effect=rolled-back")
    client = session(relay, 0, name)
    client.ehlo()
    for command in ("MAIL FROM:<a@example.org>", "RCPT TO:<b@example.net>", "DATA"):
        client.docmd(command)
    client.send(b"Subject: half\r\n\r\nhalf of it")
    plain = socket.socket(fileno=client.sock.detach())
    plain.shutdown(socket.SHUT_WR)
    plain.close()
    wait_until("the relay to notice", lambda: relay.log().count("effect=rolled-back") > before)


def closures(relay, *words):
    done = subprocess.run([ADIEU, "closures", "-c", str(relay.policy), *words], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


def peers(relay, *words):
    totals, *rest = [json.loads(line) for line in closures(relay, "--json", *words).splitlines()]
    return totals, {peer["name"]: peer for peer in rest if peer["role"] == "client"}


def alarms(relay):
    return [line for line in relay.child.log_of_this_run().splitlines() if "event=alarm" in line]


def test_told(directory, children):
    """the endings and effects of each client are told, and are the same after a restart and of a spool at rest"""
    relay = everything(directory, children)
    for _ in range(3):
        clean(relay)
    cut(relay, "lossy.example")
    clean(relay, 2, "lossy.example")

    def check():
        totals, told = peers(relay)
        assert told["client.example"]["layers"] == {"unanswered/after-quit": 3}, told
        assert told["client.example"]["network"] == "127.0.0.0/24"
        assert told["client.example"]["transactions"] == 3 and told["client.example"]["last-costly"] is None
        assert told["lossy.example"]["layers"] == {"fin/rolled-back": 1, "unanswered/after-quit": 1}, told
        assert told["lossy.example"]["lost"] == 1 and told["lossy.example"]["truncated"] == 1 and told["lossy.example"]["window"] == 3
        assert sum(day.get("unanswered", 0) for day in totals["days"]) == 4 and sum(day.get("fin", 0) for day in totals["hours"]) == 1, totals
        table = closures(relay).splitlines()
        assert table[1].endswith("client lossy.example [127.0.0.0/24]") and table[2].endswith("client client.example [127.0.0.0/24]"), table
        assert "endings of all peers, by day (UTC)" in table
        only = closures(relay, "--peer", "LOSSY", "--since", "1d")
        assert "fin/rolled-back" in only and "client.example" not in only, only

    wait_until("the last layer's record", lambda: len(relay.closures()) == 5)
    check()
    relay.stop()
    check()
    relay.start()
    check()


def test_alarm(directory, children):
    """R19: a client that was always clean and is cut raises one alarm; one that never got mail through raises none"""
    relay = everything(directory, children)
    for _ in range(12):
        clean(relay, 100)
    for _ in range(5):
        cut(relay)
        cut(relay, "lossy.example")
    lines = alarms(relay)
    assert len(lines) == 1, lines
    assert "reason=unusual" in lines[0] and "level=warning" in lines[0] and 'peer="client client.example [127.0.0.0/24]"' in lines[0], lines
    first = closures(relay, "--sort", "unusual").splitlines()[1]
    assert first.endswith("client client.example [127.0.0.0/24]"), first


def test_always_and_never(directory, children):
    """`alarm always` raises one for each transaction that was cut, `alarm never` none; neither for what cost nothing"""
    for policy, expected in (("always", 3), ("never", 0)):
        relay = everything(directory, children, closure=f"; closure {{ alarm {policy} }}")
        clean(relay)
        for _ in range(3):
            cut(relay)
        assert len(alarms(relay)) == expected, (policy, alarms(relay))
        relay.stop()


def test_metrics(directory, children):
    """what happened is counted over HTTP, which answers nothing else"""
    port = free_port()
    relay = everything(directory, children, more=f"metrics 127.0.0.1:{port}")
    clean(relay, 3)
    cut(relay)
    base = f"http://127.0.0.1:{port}"

    def text():
        with urllib.request.urlopen(base + "/metrics", timeout=20) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            return answer.read().decode().splitlines()

    wait_until("three deliveries", lambda: 'adieu_recipients_total{outcome="delivered"} 3' in text())
    told = text()
    assert "adieu_messages_queued_total 3" in told, told
    assert 'adieu_closures_total{role="server",ending="unanswered",effect="after-quit"} 1' in told, told
    assert 'adieu_closures_total{role="server",ending="fin",effect="rolled-back"} 1' in told, told
    assert all(line.startswith("#") or line.rsplit(" ", 1)[1].isdigit() for line in told), told
    for request, status in ((base + "/", 404), (urllib.request.Request(base + "/metrics", data=b"x"), 405)):
        try:
            urllib.request.urlopen(request, timeout=20)
            raise AssertionError("answered")
        except urllib.error.HTTPError as error:
            assert error.code == status, error.code


def test_invented_names(directory, children):
    """a client that invents names does not grow the ledger"""
    relay = everything(directory, children)
    for i in range(40):
        client = session(relay, 0, f"invented{i}.example")
        client.ehlo()
        client.quit()
    _, told = peers(relay)
    assert len(told) == 17 and told["*"]["sessions"] == 24, sorted(told)


run([test_told, test_alarm, test_always_and_never, test_metrics, test_invented_names])
