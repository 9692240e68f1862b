"""Real clients against adieu: swaks, Python's smtplib with unwrap(), gnutls-cli, openssl s_client."""
import re
import smtplib
import ssl
import subprocess

from adieu_test_peers import MESSAGE, Relay, Sink, client_context, run, wait_until


def pair(directory, children, **options):
    sink = Sink(directory)
    children.append(sink)
    relay = Relay(directory, f"host 127.0.0.1:{sink.port}; tls opportunistic", **options)
    children.append(relay)
    return relay, sink


def swaks(relay, *words):
    return subprocess.run(
        ["swaks", "--server", f"127.0.0.1:{relay.port}", "--from", "a@example.org", "--to", "b@example.net", "--helo", "client.example", *words],
        capture_output=True, text=True, timeout=60)


def test_swaks_tls(directory, children):
    """swaks --tls: through STARTTLS, the spool, and STARTTLS again"""
    relay, sink = pair(directory, children)
    result = swaks(relay, "--tls")
    assert result.returncode == 0, result.stdout + result.stderr
    message = sink.wait_for(1)[0]
    assert b"with ESMTPS id" in message and b"X-Forward-Path: <b@example.net>" in message, message
    wait_until("both closure records", lambda: len(relay.closures()) == 2)
    assert any("role=server" in line and "effect=after-quit" in line and "transactions=1" in line for line in relay.closures())
    assert any("role=client" in line and "ending=mutual" in line for line in relay.closures())


def test_swaks_pipeline(directory, children):
    """swaks --pipeline, plaintext and TLS"""
    relay, sink = pair(directory, children)
    for words in (["--pipeline"], ["--pipeline", "--tls"]):
        result = swaks(relay, *words)
        assert result.returncode == 0, result.stdout + result.stderr
    sink.wait_for(2)


def test_swaks_on_connect(directory, children):
    """swaks --tls-on-connect to an implicit TLS listener"""
    relay, sink = pair(directory, children, listen="tls implicit")
    result = swaks(relay, "--tls-on-connect")
    assert result.returncode == 0, result.stdout + result.stderr
    sink.wait_for(1)


def test_swaks_data(directory, children):
    """swaks --data: mail data arrives octet for octet"""
    relay, sink = pair(directory, children)
    body = "Subject: x\n\n.\n..\n.a\nlast\n"
    result = swaks(relay, "--tls", "--data", body)
    assert result.returncode == 0, result.stdout + result.stderr
    assert sink.wait_for(1)[0].endswith(b"Subject: x\r\n\r\n.\r\n..\r\n.a\r\nlast\r\n\r\n"), sink.messages()


def test_swaks_required(directory, children):
    """a listener with `tls required` answers 530 in plaintext"""
    relay, sink = pair(directory, children, listen="tls required")
    result = swaks(relay)
    assert "530 5.7.0" in result.stdout, result.stdout
    assert swaks(relay, "--tls").returncode == 0
    sink.wait_for(1)


def test_unwrap(directory, children):
    """Python: message, unwrap(), EHLO in plaintext, STARTTLS again, second message, one connection; TLS 1.2 and 1.3"""
    relay, sink = pair(directory, children)
    count = 0
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = client_context(version)
        client = smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20)
        for _ in range(2):
            client.ehlo()
            assert client.has_extn("starttls") and not client.has_extn("xtlsreturn")
            code, _text = client.docmd("STARTTLS")
            assert code == 220
            secured = context.wrap_socket(client.sock, server_hostname="relay.example.org")
            client.sock, client.file = secured, None
            client.ehlo()
            assert client.has_extn("xtlsreturn") and not client.has_extn("starttls")
            client.sendmail("a@example.org", ["b@example.net"], MESSAGE)
            count += 1
            client.file.close()
            client.sock, client.file = secured.unwrap(), None
            # What was said inside TLS is not known any more.
            client.helo_resp = client.ehlo_resp = None
            code, text = client.docmd("MAIL", "FROM:<a@example.org>")
            assert code == 503, (code, text)
        client.ehlo()
        client.quit()
    sink.wait_for(count)
    wait_until("closure records", lambda: sum("role=server" in line and "ending=mutual effect=none" in line for line in relay.closures()) == count)


def test_truncation(directory, children):
    """Python: a connection cut inside TLS before the dot leaves nothing, and the record says so"""
    relay, sink = pair(directory, children)
    client = smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=20)
    client.starttls(context=client_context())
    client.ehlo()
    client.mail("a@example.org")
    client.rcpt("b@example.net")
    client.docmd("DATA")
    client.sock.sendall(b"half a message\r\n")
    client.file.close()
    client.sock.close()
    wait_until("the closure record", lambda: any("ending=fin effect=rolled-back" in line for line in relay.closures()))
    assert sink.messages() == []


SESSION = b"EHLO client.example\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"
SESSION += MESSAGE.replace(b"\r\n.", b"\r\n..") + b".\r\nQUIT\r\n"


def ends_cleanly(relay, sink, effect="after-quit"):
    """The one message came, and its session ended with both close_notify behind QUIT."""
    assert sink.wait_for(1)[0].endswith(MESSAGE), sink.messages()

    def records():
        return [line for line in relay.closures() if "role=server" in line]

    wait_until("the closure record", records)
    assert len(records()) == 1 and re.search(f"ending=mutual effect=({effect}) ", records()[0]) and "transactions=1 " in records()[0], records()


def test_gnutls_cli(directory, children):
    """gnutls-cli --starttls-proto=smtp: a message and a clean end"""
    relay, sink = pair(directory, children)
    result = subprocess.run(
        ["gnutls-cli", "--starttls-proto=smtp", "--insecure", "-p", str(relay.port), "127.0.0.1"],
        input=SESSION, capture_output=True, timeout=30)
    assert b"221 2.0.0" in result.stdout, result.stdout + result.stderr
    # It may say QUIT and close_notify before it can have seen the 250: neither shows then that it did (R11).
    ends_cleanly(relay, sink, "after-quit|ack-unconfirmed")


def test_openssl(directory, children):
    """openssl s_client -starttls smtp: a message and a clean end"""
    relay, sink = pair(directory, children)
    process = subprocess.Popen(
        ["openssl", "s_client", "-starttls", "smtp", "-quiet", "-ign_eof", "-connect", f"127.0.0.1:{relay.port}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    output, _ = process.communicate(SESSION, timeout=30)
    assert b"221 2.0.0" in output, output
    ends_cleanly(relay, sink)


def test_large(directory, children):
    """a message of 50 MB streams through, and the relay's memory does not hold it"""
    relay, sink = pair(directory, children)
    line = b"x" * 76 + b"\r\n"
    body = MESSAGE + line * (50_000_000 // len(line))
    client = smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=60)
    client.starttls(context=client_context())
    client.sendmail("a@example.org", ["b@example.net"], body)
    client.quit()
    message = sink.wait_for(1)[0]
    assert message.endswith(body)
    status = open(f"/proc/{relay.child.process.pid}/status", encoding="ascii").read()
    peak = int(next(row for row in status.splitlines() if row.startswith("VmHWM")).split()[1])
    assert peak < 150_000, f"{peak} KiB"


run([test_swaks_tls, test_swaks_pipeline, test_swaks_on_connect, test_swaks_data, test_swaks_required, test_unwrap, test_truncation, test_gnutls_cli,
     test_openssl, test_large])
