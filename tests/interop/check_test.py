"""adieu check, as an administrator runs it: what it prints, where, and how it ends."""
import pathlib
import subprocess

from adieu_test_peers import ADIEU, Nsd, certificate, run


def policy(directory, nsd, more="", hostname="relay.example.net"):
    certificate(pathlib.Path(directory))
    file = pathlib.Path(directory) / "adieu.conf"
    file.write_text(
        f"""hostname {hostname}
resolver 127.0.0.1:{nsd.port}
spool rocksdb spool
certificate default {{ chain chain.pem; key key.pem }}
listen 127.0.0.1:2525 {{ tls optional }}
next-hop out {{ host 127.0.0.1:2526 }}
{more}
"""
    )
    return file


def check(file):
    return subprocess.run([ADIEU, "check", "-c", str(file)], capture_output=True, text=True, timeout=60)


def test_well(directory, children):
    """a good file: one line, exit 0; warnings are told and keep nothing from starting"""
    nsd = Nsd(directory, "relay A 192.0.2.1")
    children.append(nsd)
    done = check(policy(directory, nsd))
    assert done.returncode == 0 and "/adieu.conf: ok" in done.stdout, done
    assert "does not resolve" not in done.stderr, done.stderr
    done = check(policy(directory, nsd, "relay from any to any via out", "none.example.net"))
    assert done.returncode == 0 and "warning" in done.stdout, done
    assert "adieu.conf:1:10: warning: none.example.net does not resolve" in done.stderr, done.stderr
    assert "adieu.conf:7:1: warning: this relays mail from anybody to anybody: an open relay" in done.stderr, done.stderr


def test_wrong(directory, children):
    """a wrong file: every mistake with its line and a caret, of the text and of the files that it names; exit 78"""
    nsd = Nsd(directory, "relay A 192.0.2.1")
    children.append(nsd)
    file = policy(directory, nsd, "certificate unused { chain none.pem; key none.key }\nspeling mistake")
    done = check(file)
    assert done.returncode == 78 and not done.stdout, done
    lines = done.stderr.splitlines()
    for wanted in ("7:28: error: certificate chain ", "7:42: error: certificate key ", "8:1: error: expected a statement, found `speling`"):
        assert any(f"{file}:{wanted}" in line for line in lines), (wanted, done.stderr)
    assert "    certificate unused { chain none.pem; key none.key }" in lines and "                               ^" in lines, done.stderr
    done = check(file.parent / "none.conf")
    assert done.returncode == 78 and "cannot be read: No such file or directory" in done.stderr, done


def test_binary(directory, children):
    """what is no text is one line, and none of it reaches the terminal"""
    file = pathlib.Path(directory) / "binary.conf"
    file.write_bytes(b"hostname x\n\x1b]0;title\x07\xff\xfe")
    done = subprocess.run([ADIEU, "check", "-c", str(file)], capture_output=True, timeout=60)
    assert done.returncode == 78 and done.stderr.count(b"\n") == 1, done
    assert b"title" not in done.stderr and b"\x1b" not in done.stderr, done.stderr


run([test_well, test_wrong, test_binary])
