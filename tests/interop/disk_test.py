"""The disk under the spool: full, by another program; damaged; nothing acknowledged is lost, nothing is delivered twice, and the relay lives."""
import atexit
import os
import pathlib
import shutil
import smtplib
import subprocess
import sys
import time

from adieu_test_peers import Relay, Sink, free_port, run, wait_until

SPOOL = " reserve 16MiB; disk-timeout 1s;"


def relay_of(directory, children, next_hop_port, size=None):
    """A relay, its spool on a file system of its own where `size` is given."""
    spool = pathlib.Path(directory) / "spool"
    spool.mkdir(mode=0o700)
    if size:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "adieu-test", str(spool)], check=True)
        atexit.register(lambda: (subprocess.run(["umount", str(spool)], check=False), shutil.rmtree(directory, ignore_errors=True)))
    relay = Relay(directory, f"host 127.0.0.1:{next_hop_port}; tls off", retry="after 1s; then-every 1s; give-up 1h", spool=SPOOL)
    children.append(relay)
    return relay


def send(relay, name):
    """The code of the reply that decided."""
    message = f"From: a@example.org\r\nTo: b@example.net\r\nSubject: {name}\r\nX-Name: {name}\r\n\r\n" + "text\r\n" * 500
    try:
        with smtplib.SMTP("127.0.0.1", relay.port, "client.example", timeout=30) as client:
            client.sendmail("a@example.org", ["b@example.net"], message)
        return 250
    except smtplib.SMTPSenderRefused as refused:
        return refused.smtp_code
    except smtplib.SMTPDataError as refused:
        return refused.smtp_code


def names(sink):
    return sorted(line.split()[1].decode() for message in sink.messages() for line in message.splitlines() if line.startswith(b"X-Name:"))


def until_refused(directory, relay, name, acknowledged):
    """Another program fills the disk; what the relay had allocated may hold a few messages more."""
    fill(directory)
    for number in range(200):
        code = send(relay, f"{name}-{number}")
        if code in (451, 452):
            return
        assert code == 250, code
        acknowledged.append(f"{name}-{number}")
        time.sleep(0.05)
    raise AssertionError("mail is taken although the disk is full")


def fill(directory):
    """All of it, as another program would."""
    with open(pathlib.Path(directory) / "spool" / "other", "ab", buffering=0) as other:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    other.write(b"x" * size)
            except OSError:
                pass


def full_disk(directory, children):
    """a disk that another program fills: 452, what is queued is delivered, a start on it, and mail again when there is room"""
    port = free_port()
    relay = relay_of(directory, children, port, size="256m")
    acknowledged = [f"queued-{number}" for number in range(100) if send(relay, f"queued-{number}") == 250]
    assert len(acknowledged) == 100, len(acknowledged)
    until_refused(directory, relay, "full", acknowledged)
    sink = Sink(directory, f"127.0.0.1:{port}")
    children.append(sink.child)
    wait_until("the queue's delivery on a full disk", lambda: names(sink) == sorted(acknowledged), 60)
    wait_until("the end of their settlement", lambda: relay.log().count("event=removed") == len(acknowledged))
    assert relay.child.process.poll() is None, relay.log()
    relay.kill()
    relay.start()
    until_refused(directory, relay, "again", acknowledged)
    (pathlib.Path(directory) / "spool" / "other").unlink()
    wait_until("mail to be taken again", lambda: send(relay, "after") == 250)
    wait_until("its delivery", lambda: "after" in names(sink))
    relay.stop()
    relay.start()
    assert send(relay, "last") == 250
    wait_until("the last", lambda: "last" in names(sink))
    assert names(sink) == sorted(acknowledged + ["after", "last"]), "delivered twice, or what was refused"


def start_on_a_full_disk_with_a_queue(directory, children):
    """a start on a full disk with mail queued: it greets, delivers, and says 452"""
    port = free_port()
    relay = relay_of(directory, children, port, size="256m")
    acknowledged = [f"queued-{number}" for number in range(50) if send(relay, f"queued-{number}") == 250]
    relay.kill()
    fill(directory)
    relay.start()
    sink = Sink(directory, f"127.0.0.1:{port}")
    children.append(sink.child)
    until_refused(directory, relay, "full", acknowledged)
    wait_until("the queue's delivery", lambda: names(sink) == sorted(acknowledged), 60)
    assert relay.stop() == 0, relay.log()


def damaged_log(directory, children):
    """sixteen octets damaged in the middle of the log: no start without a word; --accept-loss keeps the rest"""
    relay = relay_of(directory, children, free_port())
    for number in range(21):
        assert send(relay, f"queued-{number}") == 250
    relay.stop()
    log = max((pathlib.Path(directory) / "spool" / "records").glob("*.log"), key=lambda path: path.stat().st_size)
    with open(log, "r+b") as damaged:
        damaged.seek(log.stat().st_size // 2)
        damaged.write(b"\0" * 16)
    for more, status in (([], 78), (["--accept-loss"], None), ([], None)):
        child = subprocess.Popen([os.environ.get("ADIEU", "build/release/adieu"), "serve", "-c", str(relay.policy), *more], stderr=subprocess.PIPE, text=True)
        if status:
            told = child.communicate(timeout=20)[1]
            assert child.returncode == status, told
            assert "event=spool-damage" in told and str(log) in told and "--accept-loss" in told, told
            continue
        said = ""
        while "event=listening" not in said:
            line = child.stderr.readline()
            assert line, said
            said += line
        listed = relay.queue("list")
        child.terminate()
        child.communicate(timeout=20)
        assert child.returncode == 0
        # What was damaged may have been no message, but what had been noted of one since.
        assert 15 <= listed.stdout.count("b@example.net") <= 21, listed.stdout


if __name__ == "__main__":
    private = "--private" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--private"]
    tests = [damaged_log]
    if private:
        tests += [full_disk, start_on_a_full_disk_with_a_queue]
    elif subprocess.run(["unshare", "--mount", "--propagation", "private", "true"], capture_output=True).returncode == 0:
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv, "--private"])
    else:
        print("  SKIPPED  full disks: no mount namespace is to be had here")
    sys.exit(run(tests))
