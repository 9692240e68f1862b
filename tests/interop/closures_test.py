"""R18 and R19 for an administrator: what `adieu closures` tells of a running relay, after a restart and of a spool at rest; the alarm in the log."""
import datetime
import json
import os
import pathlib
import resource
import shlex
import smtplib
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from adieu_test_peers import ADIEU, MESSAGE, Relay, Sink, client_context, free_port, run, wait_until


def everything(directory, children, closure="", more="", tls="off"):
    sink = Sink(directory)
    children.append(sink.child)
    relay = Relay(directory, f"host 127.0.0.1:{sink.port}; tls {tls}", closure=closure, more=more)
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


def first_peer(relay, *words):
    return closures(relay, *words).splitlines()[1].split("client ", 1)[1].split(" ")[0]


def answering(relay, answer):
    """In the place of a relay that has stopped: gives this answer to whoever asks, and ends it there."""
    path = relay.directory / "control"
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve():
        connection, _ = server.accept()
        with connection, connection.makefile("r") as lines:
            lines.readline()
            connection.sendall(answer)
        server.close()

    threading.Thread(target=serve, daemon=True).start()


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
        # Of days the sessions are known, not the transactions.
        assert "rate" in table[0] and "share" not in table[0] and "share" in only.splitlines()[0], (table[0], only)
        assert only.splitlines()[1].split()[:3] == ["1", "50.00%", "2"] and table[1].split()[:3] == ["1", "33.33%", "2"], (only, table)

    wait_until("the last layer's record", lambda: len(relay.closures()) == 5)
    check()
    relay.stop()
    check()
    relay.start()
    check()


def test_order(directory, children):
    """peers are sorted by what they lost or by its rate; who was not seen since is left out; what makes no sense is 64"""
    relay = everything(directory, children)
    clean(relay, 1, "old.example")
    gone = time.monotonic()
    time.sleep(3)
    for _ in range(2):
        cut(relay, "seldom.example")
    clean(relay, 20, "seldom.example")
    cut(relay, "often.example")
    clean(relay, 1, "often.example")
    wait_until("the last layer's record", lambda: len(relay.closures()) == 6)
    since = f"{int(time.monotonic() - gone) - 1}s"
    assert first_peer(relay) == first_peer(relay, "--sort", "lost") == "seldom.example"
    assert first_peer(relay, "--sort", "rate") == "often.example"
    assert "old.example" in closures(relay) and "old.example" not in closures(relay, "--since", since)
    assert set(peers(relay, "--since", since)[1]) == {"seldom.example", "often.example"}
    assert closures(relay, "--peer", "nobody") == "no peer\n"
    time.sleep(3)
    nobody = closures(relay, "--since", "1s").splitlines()
    assert nobody[0] == "no peer" and "endings of all peers, by hour (UTC)" in nobody, nobody
    for words in (("--since", "yesterday"), ("--sort", "size"), ("--peer",), ("--what",), ("who",)):
        done = subprocess.run([ADIEU, "closures", "-c", str(relay.policy), *words], capture_output=True, text=True, timeout=20)
        assert done.returncode == 64 and done.stderr, (words, done)


def test_histogram(directory, children):
    """a bar a day, of a letter for each ending, for all peers and for one; from a day on, if one is given, in JSON too"""
    relay = everything(directory, children)
    relay.stop()
    day = [(datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=ago)).strftime("%Y-%m-%d") for ago in range(6)]
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    days = [{"from": day[5] + "T00:00:00Z", "mutual": 80, "fin": 20}, {"from": day[1] + "T00:00:00Z", "unanswered": 49, "corrupt": 1, "rst": 10}]
    own = [{"from": day[5] + "T00:00:00Z", "fin": 2, "costly": 2}, {"from": day[1] + "T00:00:00Z", "unanswered": 3, "timeout": 1, "costly": 1}]
    hours = [{"from": day[1] + "T05:00:00Z", "alert": 2, "injected": 2}]
    peer = {"peer": "client a.example", "name": "a.example", "role": "client", "lost": 3.0, "sessions": 6.0, "last": now, "first": day[5] + "T00:00:00Z",
            "last-costly": None, "layers": {"fin/rolled-back": 2.0}, "days": own}
    answer = "".join(json.dumps(line) + "\n" for line in ({"hours": hours, "days": days}, peer)).encode() + b"\n"

    def told(*words):
        answering(relay, answer)
        return closures(relay, *words).splitlines()

    all_of_them = told()
    legend = "= mutual  - unanswered  f fin  r rst  t timeout  a alert  C corrupt  I injected  h handshake  "
    assert all_of_them[-3:] == [f"{day[5]}      100 {'=' * 40}{'f' * 10}", f"{day[1]}       60 {'-' * 25}{'r' * 5}C", legend], all_of_them
    assert f"{day[1]} 05        4 {'a' * 25}{'I' * 25}" in all_of_them, all_of_them
    one = told("--peer", "a.example")
    assert one[-3:] == [f"{day[5]}        2 {'f' * 25}  2 lost", f"{day[1]}        4 {'-' * 38}{'t' * 13}  1 lost", legend], one
    late = told("--peer", "a.example", "--since", "3d")
    assert late[-2] == f"{day[1]}        4 {'-' * 38}{'t' * 13}  1 lost" and not any(line.startswith(day[5]) for line in late), late
    assert late[1].split()[:3] == ["1", "25.00%", "4"], late
    totals, late = [json.loads(line) for line in told("--json", "--since", "3d")]
    assert totals == {"hours": hours, "days": days[1:]} and late["days"] == own[1:] and late["lost"] == 1 and late["sessions"] == 4, (totals, late)
    totals, late = [json.loads(line) for line in told("--json")]
    assert totals == {"hours": hours, "days": days} and late == peer
    assert told("--since", "60d")[0].startswith("The ledger keeps days from ") and not told("--since", "3d")[0].startswith("The ledger")


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


def test_record(directory, children):
    """the log's record of a layer says all of it, as a server and as a client"""
    relay = everything(directory, children, tls="opportunistic")
    clean(relay, 2)
    wait_until("the records of both sides", lambda: len(relay.closures()) >= 2 and any("role=client" in line for line in relay.closures()))

    def fields(role):
        line = [line for line in relay.closures() if f"role={role}" in line][0]
        return dict(word.split("=", 1) for word in shlex.split(line) if "=" in word)

    server, client = fields("server"), fields("client")
    assert server["ending"] == "unanswered" and server["effect"] == "after-quit" and server["transactions"] == "2", server
    assert server["client"].startswith("[127.0.0.1]:") and server["helo"] == "client.example" and server["listener"] == f"127.0.0.1:{relay.port}", server
    assert client["ending"] == "mutual" and client["effect"] == "after-quit" and int(client["transactions"]) >= 1, client
    assert client["relay"].startswith("127.0.0.1[127.0.0.1]:") and client["next-hop"] == "out", client
    for told in (server, client):
        assert told["tls"] == "TLS1.3" and told["cipher"].startswith("TLS_AES_"), told
        assert int(told["in"]) > 100 and int(told["out"]) > 100 and 0 <= float(told["seconds"]) < 20, told
    assert int(server["in"]) > 2 * len(MESSAGE) and int(client["out"]) > len(MESSAGE), (server, client)


def test_metrics(directory, children):
    """what happened is counted over HTTP, which answers nothing else"""
    port = free_port()
    relay = everything(directory, children, closure="; closure { alarm always }", more=f"metrics 127.0.0.1:{port}", tls="opportunistic")
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
    assert 'adieu_alarms_total{reason="truncation"} 1' in told and 'adieu_alarms_total{reason="unusual"} 0' in told, told
    ours = 'adieu_closures_total{role="client",ending="mutual",effect="after-quit"} '
    wait_until("the end of our own layer", lambda: any(line.startswith(ours) and int(line.rsplit(" ", 1)[1]) >= 1 for line in text()))
    assert all(line.startswith("#") or line.rsplit(" ", 1)[1].isdigit() for line in told), told
    for request, status in ((base + "/", 404), (urllib.request.Request(base + "/metrics", data=b"x"), 405)):
        try:
            urllib.request.urlopen(request, timeout=20)
            raise AssertionError("answered")
        except urllib.error.HTTPError as error:
            assert error.code == status, error.code


def ask(relay, request):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(relay.directory / "control"))
        client.sendall(request + b"\n")
        return client.makefile().read()


def test_nonsense(directory, children):
    """whatever the control socket is asked, the relay goes on; half an answer is an error, never a crash"""
    relay = everything(directory, children)
    clean(relay)
    for request in (b'{"command":1}', b'{"command":{}}', b'{"command":"list","queue-id":7}', b'[]', b'"list"', b"{", b"", b"\xff\x00"):
        assert "error" in json.loads(ask(relay, request)), request
    assert len(ask(relay, b'{"command":"closures"}').rstrip("\n").splitlines()) == 2
    relay.stop()
    answering(relay, b'{"queue-id":"half of')
    done = relay.queue("list")
    assert done.returncode == 75 and "broke off" in done.stderr, done
    answering(relay, b'{"hours":[],"days":[]}\n{"peer":"half of')
    assert "client client.example" in closures(relay), "what the spool at rest says"
    for answer, status in ((b"", 75), (b"5\n", 1), (b'{"hours":[],"days":[]}\nnonsense\n', 1)):
        answering(relay, answer + b"\n")  # an empty line ends an answer
        done = subprocess.run([ADIEU, "closures", "-c", str(relay.policy)], capture_output=True, text=True, timeout=20)
        assert done.returncode == status and done.stderr.startswith("adieu closures: "), (answer, done)
    answering(relay, b"5\n\n")
    assert relay.queue("list").returncode == 1


def test_no_descriptors(directory, children):
    """without descriptors the control socket waits, at no cost, and answers once there are some"""
    relay = everything(directory, children)
    pid = relay.child.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)

    def seconds():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(relay.directory / "control"))
        client.sendall(b'{"command":"closures"}\n')
        used = seconds()
        time.sleep(2)
        used = seconds() - used
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        assert "hours" in json.loads(client.makefile().readline())
    assert used < 0.3, f"{used} s of CPU within 2 s"


def test_invented_names(directory, children):
    """a client that invents names does not grow the ledger"""
    relay = everything(directory, children)
    for i in range(40):
        client = session(relay, 0, f"invented{i}.example")
        client.ehlo()
        client.quit()
    _, told = peers(relay)
    assert len(told) == 17 and told["*"]["sessions"] == 24, sorted(told)


run([test_told, test_order, test_histogram, test_alarm, test_always_and_never, test_record, test_metrics, test_nonsense, test_no_descriptors, test_invented_names])
