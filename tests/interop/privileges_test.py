"""adieu started by root: binds its ports, then becomes somebody else, whose the spool is."""
import os
import pathlib
import pwd
import socket
import smtplib
import sys

from adieu_test_peers import MESSAGE, Relay, Sink, run, wait_until

if os.geteuid() != 0:
    print("  only root can become somebody else: nothing was tested")
    sys.exit(0)


def low_port():
    for port in range(600, 1024):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no port below 1024 is free")


def test_user(directory, children):
    """no process of it stays root, and it delivers from a spool that its user alone can read"""
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


run([test_user])
