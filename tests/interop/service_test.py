"""adieu as a service: what it tells the service manager, and as which user it runs."""
import os
import pathlib
import pwd
import shutil
import smtplib
import signal
import socket
import ssl
import subprocess
import threading

from adieu_test_peers import ADIEU, MESSAGE, Relay, Sink, Skipped, certificate, run, wait_until


def test_notify(directory, children):
    """sd_notify: READY=1 once it listens, STOPPING=1 when it is told to end"""
    path = str(pathlib.Path(directory) / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(20)
        os.environ["NOTIFY_SOCKET"] = path
        try:
            relay = Relay(directory, "host 127.0.0.1:1; tls off")
        finally:
            del os.environ["NOTIFY_SOCKET"]
        children.append(relay)
        assert manager.recv(1000).strip() == b"READY=1"
        with socket.create_connection(("127.0.0.1", relay.port), timeout=20):
            pass
        assert relay.stop() == 0
        assert manager.recv(1000).strip() == b"STOPPING=1"


def test_unit(directory, children):
    """conf/adieu.service is a unit that systemd understands, where systemd is there to ask"""
    verify = shutil.which("systemd-analyze")
    if not verify:
        print("        (systemd-analyze is not here)")
        return
    unit = pathlib.Path(directory) / "adieu.service"
    text = (pathlib.Path(__file__).parents[2] / "conf" / "adieu.service").read_text()
    program = pathlib.Path(ADIEU).resolve()
    unit.write_text(text.replace("/usr/sbin/adieu ", f"{program} "))
    found = subprocess.run([verify, "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0 and not found.stderr.strip(), found.stderr


def in_the_middle_of_data(port):
    """A client inside TLS that has said the half of a message. What its socket reads as the end is close_notify and nothing else."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = smtplib.SMTP("127.0.0.1", port, local_hostname="client.example", timeout=20)
    client.starttls(context=context)
    client.sock.suppress_ragged_eofs = False
    client.ehlo()
    client.mail("a@example.org")
    client.rcpt("b@example.net")
    assert client.docmd("DATA")[0] == 354
    client.send("Subject: half\r\n\r\nhalf")
    return client


def test_cut(directory, children):
    """R7, R9: what a shutdown cuts gets 421 and close_notify, is rolled back, and leaves a closure record"""
    relay = Relay(directory, "host 127.0.0.1:1; tls off", "shutdown-timeout 1s")
    children.append(relay)
    client = in_the_middle_of_data(relay.port)
    relay.child.process.send_signal(signal.SIGTERM)
    assert client.getreply()[0] == 421
    assert client.sock.recv(1) == b"", "close_notify"
    assert relay.stop() == 0
    records = [line for line in relay.closures() if "role=server" in line]
    assert len(records) == 1 and "ending=unanswered effect=rolled-back" in records[0], records


class StalledHop(threading.Thread):
    """A next hop that takes TLS and an envelope, and answers DATA with nothing. `end`: what it read last."""

    def __init__(self, directory):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pathlib.Path(directory) / "chain.pem", pathlib.Path(directory) / "key.pem")
        self.stalls, self.end = threading.Event(), None
        self.start()

    def run(self):
        connection = self.listener.accept()[0]
        connection.settimeout(30)
        connection.sendall(b"220 hop\r\n")
        lines = connection.makefile("rb")
        while line := lines.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.stalls.set()
                try:
                    self.end = lines.read()
                except OSError as error:
                    self.end = error
                return
            connection.sendall(b"250-hop\r\n250 STARTTLS\r\n" if verb == b"EHLO" else b"220 go\r\n" if verb == b"STAR" else b"250 ok\r\n")
            if verb == b"STAR":
                connection = self.context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False)
                lines = connection.makefile("rb")


def test_cut_delivery(directory, children):
    """R16: a delivery that a shutdown cuts ends with close_notify, and its message is kept"""
    certificate(directory)
    hop = StalledHop(directory)
    relay = Relay(directory, f"host 127.0.0.1:{hop.port}; tls required", "shutdown-timeout 1s")
    children.append(relay)
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20) as client:
        client.sendmail("a@example.org", ["b@example.net"], MESSAGE)
    assert hop.stalls.wait(20)
    assert relay.stop() == 0
    hop.join(20)
    assert hop.end == b"", hop.end
    records = [line for line in relay.closures() if "role=client" in line]
    assert len(records) == 1 and "ending=unanswered effect=rolled-back" in records[0], records
    relay.start()
    assert "b@example.net" in relay.queue("list").stdout


def test_stop_while_nobody_answers(directory, children):
    """a connection that waits for its greeting carries nothing, and keeps no relay from stopping"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        relay = Relay(directory, f"host 127.0.0.1:{silent.getsockname()[1]}; tls off", "shutdown-timeout 1h")
        children.append(relay)
        with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20) as client:
            client.sendmail("a@example.org", ["b@example.net"], MESSAGE)
        silent.settimeout(20)
        with silent.accept()[0]:
            assert relay.stop() == 0
        relay.start()
        assert "b@example.net" in relay.queue("list").stdout


def low_port():
    for port in range(600, 1024):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no port below 1024 is free")


def test_user(directory, children):
    """no process of it stays root, and it delivers from a spool that its user alone can read"""
    if os.geteuid() != 0:
        raise Skipped("only root can become another user")
    os.chmod(directory, 0o755)
    sink = Sink(directory)
    children.append(sink.child)
    port = low_port()
    relay = Relay(directory, f"host 127.0.0.1:{sink.port}; tls off", f"user nobody\nlisten 127.0.0.1:{port} {{ tls off }}")
    children.append(relay)
    nobody = pwd.getpwnam("nobody")
    for task in pathlib.Path(f"/proc/{relay.child.process.pid}/task").iterdir():
        status = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines() if ":" in line)
        assert set(status["Uid"].split()) == {str(nobody.pw_uid)}, status["Uid"]
        assert set(status["Gid"].split()) == {str(nobody.pw_gid)} and status["CapEff"].strip("0\t") == "", status
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example", timeout=20) as client:
        client.sendmail("a@example.org", ["b@example.net"], MESSAGE)
    wait_until("the message", sink.messages)
    spool = os.stat(pathlib.Path(directory) / "spool")
    assert spool.st_uid == nobody.pw_uid and spool.st_mode & 0o77 == 0, spool
    assert relay.stop() == 0


run([test_notify, test_unit, test_cut, test_cut_delivery, test_stop_while_nobody_answers, test_user])
