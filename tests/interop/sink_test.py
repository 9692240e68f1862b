"""adieu sink: what it takes, what it refuses as every relay does, and how it ends where it cannot begin."""
import pathlib
import smtplib
import subprocess

from adieu_test_peers import ADIEU, MESSAGE, Sink, free_port, run


def test_takes(directory, children):
    """from anybody to anybody, but no line end that is none"""
    sink = Sink(directory)
    children.append(sink)
    with smtplib.SMTP("127.0.0.1", sink.port, local_hostname="client.example", timeout=20) as client:
        client.sendmail("anybody@example.org", ["nobody@example.invalid"], MESSAGE)
        client.mail("a@example.org")
        client.rcpt("b@example.net")
        client.docmd("DATA")
        client.send(b"Subject: bare\r\n\r\none\ntwo\r\n.\r\n")
        assert client.getreply()[0] == 550
    sink.wait_for(1)


def test_without_a_directory(directory, children):
    """a directory that cannot be made is exit 1: there is no policy file that could be wrong"""
    missing = pathlib.Path(directory) / "none" / "sink"
    done = subprocess.run([ADIEU, "sink", f"127.0.0.1:{free_port()}", str(missing)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "No such file or directory" in done.stderr, done


run([test_takes, test_without_a_directory])
