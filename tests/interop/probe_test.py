"""`adieu probe` against adieu, against other relays, and against servers that do one thing: what it finds, and its command line."""
import json
import pathlib
import re
import socket
import ssl
import struct
import subprocess
import threading
import time

from adieu_other_relays import Exim, OpenSmtpd, Postfix, Sendmail
from adieu_test_peers import ADIEU, Relay, Sink, certificate, free_port, run

ROW = re.compile(r"(?P<verdict>\w+) +(?P<question>[a-z0-9.-]+) +(?P<tls>TLS1\.[23])? *(?P<rest>.*)")


def probe_of(*words):
    """The exit status, standard output and standard error of a probe."""
    result = subprocess.run([ADIEU, "probe", *words], capture_output=True, text=True, timeout=120)
    return result.returncode, result.stdout, result.stderr


def read_rows(output):
    """Of a table: (question, TLS version): (verdict, the rest of the row)."""
    *rows, summary = output.splitlines()
    assert re.fullmatch(r"[0-9]+ weak, [0-9]+ untested", summary), output
    found = {}
    for row in rows:
        match = ROW.fullmatch(row)
        assert match, row
        found[match["question"], match["tls"]] = match["verdict"], match["rest"]
    assert len(found) == len(rows), output
    return found


def read_json(output):
    return {(finding["question"], finding.get("tls")): finding for finding in map(json.loads, output.splitlines())}


def weak(found):
    return {question if tls is None else f"{question} {tls}" for (question, tls), (verdict, _rest) in found.items() if verdict == "weak"}


def both(*questions):
    return {f"{question} {tls}" for question in questions for tls in ("TLS1.2", "TLS1.3")}


def found_at(port, *words, host="localhost", timeout="2s", status):
    code, output, errors = probe_of("--hostname", "probe.example", "--timeout", timeout, *words, f"{host}:{port}")
    assert code == status and errors == "", (code, output, errors)
    return read_rows(output)


# Other relays


def test_adieu(directory, children):
    """adieu itself: all is good, exit 0; the whole message arrives, the cut one never"""
    sink = Sink(directory)
    children.append(sink)
    certificate(directory, "localhost")
    relay = Relay(directory, f"host 127.0.0.1:{sink.port}; tls off")
    children.append(relay)
    found = found_at(relay.port, "--trust", f"{directory}/chain.pem", "--rcpt", "b@example.net", status=0)
    notes = {question for (question, _tls), (verdict, _rest) in found.items() if verdict == "note"}
    assert notes == {"connection", "certificate-subject", "certificate-names", "certificate-issuer", "xtlsreturn", "whole-message"}, found
    for tls in ("TLS1.3", "TLS1.2"):
        for question, answer in (("quit-close-notify", r"sent, after \d+ ms"), ("quit-end", "FIN: only after our close_notify"),
                                 ("close-notify", r"answered, after \d+ ms"), ("after-closure", "goes on in plaintext"), ("state", "forgotten: 503 .*"),
                                 ("closure-injection", "ends the connection: FIN")):
            assert re.fullmatch(answer, found[question, tls][1]), found
    assert found["xtlsreturn", None][1] == "advertised" and found["starttls-injection", None][1].startswith("refused: 554 "), found
    assert b"Subject: adieu probe: whole, may arrive" in sink.wait_for(1)[0]
    endings = [re.search(r"ending=(\S+) effect=(\S+)", line).groups() for line in relay.closures() if "role=server" in line]
    assert set(endings) == {("mutual", "after-quit"), ("mutual", "rolled-back"), ("injected", "none"), ("handshake", "none")}, endings


def other(kind, weaknesses, answers):
    """A test that this kind of relay is weak in these questions and no others, and gives these answers."""
    def test(directory, children):
        certificate(directory, "localhost")
        peer = kind(directory, free_port())
        children.append(peer)
        found = found_at(peer.port, "--trust", f"{directory}/chain.pem", "--rcpt", "b@example.net", host="127.0.0.1", status=1)
        certificate_of_name = set() if kind is OpenSmtpd else {"certificate"}  # it is for localhost, not for the address
        assert weak(found) == weaknesses | certificate_of_name, found
        assert not any(verdict == "untested" for verdict, _rest in found.values()), found
        for question, answer in answers.items():
            told = {rest for (asked, _tls), (_verdict, rest) in found.items() if asked == question}
            assert told and all(re.fullmatch(answer, rest) for rest in told), (question, told)

    test.__name__ = f"test_{kind.name}"
    test.__doc__ = f"{kind.__name__}: how it begins and ends TLS, and what of that is weak"
    return test


ENDS_WITHOUT_CLOSE_NOTIFY = {"close-notify": "not answered: FIN", "after-closure": "ends the connection", "closure-injection": "ends the connection: RST",
                             "quit-close-notify": r"sent, after \d+ ms", "quit-end": "FIN", "starttls-injection": "discarded: 221 .*"}

test_postfix = other(Postfix, both("close-notify") | {"tls-old"}, {**ENDS_WITHOUT_CLOSE_NOTIFY, "cut-message": "not accepted: FIN"})
test_sendmail = other(Sendmail, both("close-notify"), {**ENDS_WITHOUT_CLOSE_NOTIFY, "cut-message": "not accepted: 421 .*"})
test_exim = other(Exim, both("close-notify", "after-closure", "state", "closure-injection") | {"tls-old", "cut-message"}, {
    "close-notify": "not answered: no answer in time", "after-closure": "goes on in plaintext: without a close_notify of its own",
    "state": "transaction kept: RCPT: 250 .*", "closure-injection": "carried out: 250 OK", "cut-message": "accepted by a dot in the clear: 250 .*",
    "quit-close-notify": r"sent, after \d+ ms", "quit-end": "FIN: only after our close_notify", "starttls-injection": "discarded: 221 .*"})
test_opensmtpd = other(OpenSmtpd, {"starttls"}, {"starttls": "no STARTTLS: not offered"})


# Servers of our own


class Server:
    """SMTP with STARTTLS, a thread for each connection. What it does well unless told else: it ends with TLS."""

    def __init__(self, directory, answers_close_notify=True, end="fin", implicit=False):
        certificate(directory, "localhost")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(f"{directory}/chain.pem", f"{directory}/key.pem")
        self.answers_close_notify, self.end, self.implicit = answers_close_notify, end, implicit
        self.lines = []  # all that was said, by all clients
        self.ended = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                plain, _peer = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain):
        try:
            Session(self, plain).run()
        except (OSError, ssl.SSLError):
            pass
        finally:
            plain.close()

    def stop(self):
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Session:
    """TLS over memory: only so can a close_notify be left unanswered, or be sent with nothing waited for."""

    def __init__(self, server, plain):
        self.server, self.plain = server, plain
        self.plain.settimeout(30)
        self.incoming, self.outgoing, self.tls = ssl.MemoryBIO(), ssl.MemoryBIO(), None
        self.waiting = b""

    def flush(self):
        self.plain.sendall(self.outgoing.read())

    def step(self, what, *words):
        """What TLS makes of it, with as many octets of the client's as that takes; None at close_notify."""
        while True:
            try:
                return what(*words)
            except ssl.SSLWantReadError:
                self.flush()
                octets = self.plain.recv(65_536)
                if not octets:
                    raise ConnectionError("FIN") from None
                self.incoming.write(octets)
            except ssl.SSLZeroReturnError:
                return None

    def begin_tls(self):
        self.waiting = b""
        self.tls = self.server.context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.step(self.tls.do_handshake)
        self.flush()

    def line(self):
        """None at close_notify or FIN."""
        while b"\n" not in self.waiting:
            more = self.step(self.tls.read, 65_536) if self.tls else self.plain.recv(65_536)
            if not more:
                return None
            self.waiting += more
        line, _end, self.waiting = self.waiting.partition(b"\n")
        self.server.lines.append(line.rstrip(b"\r").decode())
        return self.server.lines[-1]

    def say(self, *lines):
        octets = b"".join(line.encode() + b"\r\n" for line in lines)
        if self.tls:
            self.tls.write(octets)
            self.flush()
        else:
            self.plain.sendall(octets)

    def close_tls(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def run(self):
        if self.server.implicit:
            self.begin_tls()
        self.say("220 server.example")
        while (line := self.line()) is not None:
            verb = line[:4]
            if verb == "EHLO" and not self.tls:
                self.say("250-server.example", "250 STARTTLS")
            elif verb == "STAR":
                self.say("220 go")
                self.begin_tls()
            elif verb == "DATA":
                self.say("354 go")
                while (text := self.line()) not in (None, "."):
                    pass
                if text is None:
                    break
                self.say("250 taken")
            elif verb == "QUIT":
                return self.quit()
            else:
                self.say("250 ok")
        if self.tls and self.server.answers_close_notify:
            self.close_tls()
        elif self.tls:
            self.server.ended.wait(30)

    def quit(self):
        self.say("221 bye")
        if self.tls and self.server.answers_close_notify:
            self.close_tls()
        if self.server.end == "later":
            time.sleep(0.3)  # what the client says meanwhile is not read: the end would be RST
        if self.server.end == "rst":
            # The client is to hear what was said: RST destroys what it has not read.
            self.plain.settimeout(0.3)
            try:
                self.plain.recv(65_536)
            except TimeoutError:
                pass
            self.plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def serve(directory, children, **options):
    server = Server(directory, **options)
    children.append(server)
    return server


def test_quit_fin(directory, children):
    """a server that ends by FIN behind its close_notify, at once or later: quit-end is good, and no close_notify of ours makes an RST of it"""
    for end in ("fin", "later"):
        found = found_at(serve(directory, children, end=end).port, status=1)
        assert weak(found) == {"certificate"}, found
        assert found["quit-end", "TLS1.3"] == found["quit-end", "TLS1.2"] == ("good", "FIN"), found
        assert found["after-closure", "TLS1.3"] == ("good", "ends the connection"), found


def test_quit_rst(directory, children):
    """a server that ends by RST behind its close_notify, unprovoked: quit-end is weak"""
    found = found_at(serve(directory, children, end="rst").port, status=1)
    assert weak(found) == {"certificate"} | both("quit-end"), found
    assert found["quit-end", "TLS1.3"][1] == found["quit-end", "TLS1.2"][1] == "RST", found


def test_time(directory, children):
    """the answer to close_notify is told with the milliseconds it took, and without them where none came"""
    server = serve(directory, children)
    silent = serve(directory, children, answers_close_notify=False)
    for port, answered in ((server.port, True), (silent.port, False)):
        status, output, errors = probe_of("--json", "--timeout", "1s", f"localhost:{port}")
        assert status == 1 and errors == "", (output, errors)
        found = read_json(output)
        for tls in ("TLS1.2", "TLS1.3"):
            for question in ("close-notify", "quit-close-notify"):
                finding = found[question, tls]
                assert finding["verdict"] == ("good" if answered else "weak"), finding
                assert 0 <= finding["milliseconds"] < 1000 if answered else "milliseconds" not in finding, finding
            assert found["closure-injection", tls]["verdict"] == ("good" if answered else "untested"), found
        others = {question for (question, _tls), finding in found.items() if "milliseconds" in finding}
        assert others == ({"close-notify", "quit-close-notify"} if answered else set()), others


def test_messages(directory, children):
    """without --rcpt no transaction has a forward-path; with it two messages are sent"""
    server = serve(directory, children)
    found = found_at(server.port, status=1)
    assert ("cut-message", None) not in found and ("whole-message", None) not in found, found
    assert "DATA" not in server.lines and {line for line in server.lines if line.startswith("MAIL")} == {"MAIL FROM:<>"}, server.lines
    assert not any(line.startswith(("RCPT", "BDAT")) for line in server.lines), server.lines
    del server.lines[:]
    found = found_at(server.port, "--rcpt", "b@example.net", "--from", "a@example.org", status=1)
    assert found["cut-message", None][0] == "good" and found["whole-message", None] == ("note", "accepted: 250 taken"), found
    for line in ("MAIL FROM:<a@example.org>", "RCPT TO:<b@example.net>", "DATA"):
        assert server.lines.count(line) == 2, server.lines
    assert [line for line in server.lines if line.startswith("Subject")] == [
        "Subject: adieu probe: cut before its end, must not arrive", "Subject: adieu probe: whole, may arrive"], server.lines


# The command line


def test_json(directory, children):
    """--json has the findings of the table, a JSON object a line"""
    relay = Relay(directory, "host 127.0.0.1:9; tls off")
    children.append(relay)
    status, output, errors = probe_of("--json", f"127.0.0.1:{relay.port}")
    assert status == 1 and errors == "", (output, errors)
    findings = read_json(output)
    table = found_at(relay.port, host="127.0.0.1", status=1)
    assert list(findings) == list(table), (findings, table)
    for key, finding in findings.items():
        assert finding["verdict"] == table[key][0], finding
        took = f", after {finding['milliseconds']} ms" if "milliseconds" in finding else ""
        answer = finding.get("answer", "")
        row = answer + took + (": " if answer and "detail" in finding else "") + finding.get("detail", "")
        assert re.sub(r"\d+ ms$", "", row) == re.sub(r"\d+ ms$", "", table[key][1]), (row, table[key])


def test_trust(directory, children):
    """--trust: the server's chain makes its certificate good; a file without a usable certificate is a mistake of the command line"""
    server = serve(directory, children)
    assert found_at(server.port, status=1)["certificate", None][0] == "weak"
    assert found_at(server.port, "--trust", f"{directory}/chain.pem", status=0)["certificate", None] == ("good", "verified")
    del server.lines[:]
    unusable = pathlib.Path(directory) / "unusable.pem"
    for text, reason in (("no PEM", "holds no certificate"), ("", "holds no certificate"), (None, "Error while reading file"),
                         ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ASN1 parser")):
        if text is None:
            unusable.unlink()
        else:
            unusable.write_text(text)
        status, output, errors = probe_of("--trust", str(unusable), f"localhost:{server.port}")
        assert status == 64 and output == "" and f"--trust: trust anchors {unusable}" in errors and reason in errors, (status, output, errors)
    assert server.lines == []


def test_implicit(directory, children):
    """--implicit-tls: TLS from the first octet, nothing about STARTTLS"""
    server = serve(directory, children, implicit=True)
    found = found_at(server.port, "--implicit-tls", "--trust", f"{directory}/chain.pem", status=0)
    assert not any(question.startswith("starttls") for question, _tls in found) and found["close-notify", "TLS1.2"][0] == "good", found
    assert "STARTTLS" not in server.lines and server.lines.count("EHLO probe.example") >= 4, server.lines


def test_unreachable(directory, children):
    """nobody listens, or nobody greets in time: untested, exit 75"""
    found = found_at(free_port(), host="127.0.0.1", status=75)
    assert found["connection", None][0] == "untested" and "refused" in found["connection", None][1], found
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = found_at(silent.getsockname()[1], host="127.0.0.1", timeout="200ms", status=75)
        assert found == {("connection", None): ("untested", "no greeting: no answer in time")}, found


def test_usage(directory, children):
    """what makes no sense exits 64 and says why"""
    for words, why in ((["localhost"], "expected HOST:PORT"), (["localhost:0"], "expected HOST:PORT"), ([], "HOST:PORT"),
                       (["--timeout", "soon", "localhost:25"], "--timeout: expected"), (["--timeout", "0s", "localhost:25"], "--timeout: expected"),
                       (["--hostname", "a b", "localhost:25"], "--hostname: expected"), (["--rcpt", "nobody", "localhost:25"], "--rcpt: expected"),
                       (["--from", "nobody", "localhost:25"], "--from: expected"), (["--unknown", "localhost:25"], "--unknown")):
        status, output, errors = probe_of(*words)
        assert status == 64 and output == "" and why in errors, (words, status, output, errors)


run([test_adieu, test_postfix, test_exim, test_sendmail, test_opensmtpd, test_quit_fin, test_quit_rst, test_time, test_messages, test_json, test_trust,
     test_implicit, test_unreachable, test_usage])
