"""Other relays as peers: each takes mail on a free port of loopback and hands it on to another, by STARTTLS where that is offered.

Debian's mail transport agents exclude one another as packages. Postfix is installed; the others are unpacked into build/peers, once, and run in a
mount namespace of their own, where the users and directories they were compiled for stand in the test's directory. That takes root; where it is
refused, the test is skipped.
"""
import os
import pathlib
import shlex
import shutil
import socket
import subprocess

from adieu_test_peers import Child, Skipped, certificate, free_port, wait_until

PLACE = pathlib.Path(__file__).resolve().parents[2] / "build" / "peers"
FIRST_ID = 61180  # of the users that exist in a namespace alone


def unpack(package):
    """Fetches Debian's package and unpacks it, once."""
    place = PLACE / package
    if not place.exists():
        fresh = PLACE / f"{package}.new"
        subprocess.run(["rm", "-rf", str(fresh)], check=True)
        fresh.mkdir(parents=True)
        fetch = f"apt-get download -qq {package}"
        script = f"{fetch} || {{ apt-get update -qq; {fetch}; }}; dpkg-deb -x {package}_*.deb .; rm {package}_*.deb; chmod 755 ."
        subprocess.run(["bash", "-ec", script], cwd=fresh, check=True, capture_output=True, timeout=120)
        fresh.rename(place)
    return place


def in_namespace(base, command, users=(), binds=()):
    """The words that run `command` in a mount namespace where `users` exist, and where each (here, there) of `binds` stands over another."""
    binds = list(binds)
    for table, more in (("passwd", f"{FIRST_ID}::/nonexistent:/usr/sbin/nologin"), ("group", "")):
        known = pathlib.Path("/etc", table).read_text()
        known += "".join(f"{user}:x:{FIRST_ID + index}:{more}\n" for index, user in enumerate(users))
        (base / table).write_text(known)
        binds.append((base / table, f"/etc/{table}"))
    # sendmail waits a minute for a name of this machine with a dot in it.
    (base / "hosts").write_text(f"127.0.0.1 next.example.net localhost {socket.gethostname()}\n")
    binds.append((base / "hosts", "/etc/hosts"))
    # Other names do not resolve: no name server is asked.
    (base / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    binds.append((base / "resolv.conf", "/etc/resolv.conf"))
    steps = [f"mount --bind {shlex.quote(str(here))} {there}" for here, there in binds]
    steps.append("exec " + " ".join(shlex.quote(str(word)) for word in command))
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join(steps)]


POSTFIX_SERVICES = ("pickup cleanup qmgr tlsmgr rewrite bounce defer trace verify flush proxymap smtp relay showq error retry discard local virtual "
                    "anvil scache").split()


def postfix_services(port):
    """The text of a master.cf: an smtpd on `port` of loopback, the services of the distribution's file, all without chroot."""
    services = [f"127.0.0.1:{port} inet n - n - - smtpd", "postlog unix-dgram n - n - 1 postlogd"]
    for row in pathlib.Path("/usr/share/postfix/master.cf.dist").read_text().splitlines():
        words = row.split()
        if row[:1].isalpha() and words[0] in POSTFIX_SERVICES and words[1] == "unix":
            words[4] = "n"
            services.append(" ".join(words))
    return "\n".join(services) + "\n"


class OtherRelay:
    """`start` is the kind's own. Everything it writes is in `base`, which other users may enter."""

    def __init__(self, directory, next_port=None):
        self.directory = pathlib.Path(directory)
        self.directory.chmod(0o755)
        self.base = self.directory / self.name
        self.base.mkdir()
        self.port, self.next_port = free_port(), next_port
        self.chain, self.key = certificate(directory)
        self.start()
        try:
            wait_until(self.name, self.answers)
        except AssertionError:
            self.stop()
            raise

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def room(self, *names, owner="root", mode=0o755):
        for name in names:
            (self.base / name).mkdir(parents=True)
            (self.base / name).chmod(mode)
            subprocess.run(["chown", str(owner), str(self.base / name)], check=True)

    def stop(self):
        return self.child.stop()


class Postfix(OtherRelay):
    """With no next port it takes mail and drops it."""

    name = "postfix"
    agent = "(Postfix)"

    def start(self):
        base = self.base
        self.room("etc", "spool")
        self.room("data", owner="postfix")
        onward = f"relayhost = [127.0.0.1]:{self.next_port}" if self.next_port else "default_transport = discard\nrelay_transport = discard"
        (base / "etc" / "main.cf").write_text(f"""compatibility_level = 3.6
queue_directory = {base}/spool
data_directory = {base}/data
config_directory = {base}/etc
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = next.example.net
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
smtpd_tls_cert_file = {self.chain}
smtpd_tls_key_file = {self.key}
smtpd_tls_security_level = encrypt
smtp_tls_security_level = encrypt
smtpd_recipient_restrictions = permit_mynetworks, reject
{onward}
maillog_file = {self.directory}/postfix.log
maillog_file_prefixes = {self.directory}
""")
        (base / "etc" / "master.cf").write_text(postfix_services(self.port))
        started = subprocess.run(["postfix", "-c", str(base / "etc"), "start"], capture_output=True, text=True, timeout=60)
        assert started.returncode == 0, started.stderr

    def stop(self):
        subprocess.run(["postfix", "-c", str(self.base / "etc"), "stop"], capture_output=True, timeout=30)


def need_namespace():
    """Skips the test where no mount namespace is to be had: without root, in a chroot, in most containers."""
    made = subprocess.run(["unshare", "--mount", "--propagation", "private", "mount", "--bind", "/etc/hosts", "/etc/hosts"], capture_output=True, text=True,
                          timeout=20)
    if made.returncode != 0:
        raise Skipped(f"no mount namespace: {made.stderr.strip()}")


class Unpacked(OtherRelay):
    users = ()

    def __init__(self, *arguments, **more):
        need_namespace()
        super().__init__(*arguments, **more)

    def serve(self, command, binds=()):
        self.child = Child(self.directory, self.name, in_namespace(self.base, command, self.users, binds))

    def answers(self):
        assert self.child.process.poll() is None, f"{self.name} ended:\n{self.child.log()}"
        return super().answers()


class Exim(Unpacked):
    name = "exim"
    agent = "(Exim 4"
    users = ("Debian-exim",)

    def start(self):
        program = unpack("exim4-daemon-light") / "usr/sbin/exim4"
        self.room("spool", "logs", owner=FIRST_ID)
        for pem in (self.chain, self.key):
            shutil.copy(pem, self.base / "spool")
            shutil.chown(self.base / "spool" / pem.name, FIRST_ID)
        configuration = self.base / "exim.conf"
        configuration.write_text(f"""exim_path = {program}
spool_directory = {self.base}/spool
log_file_path = {self.base}/logs/%s.log
pid_file_path = {self.base}/exim.pid
primary_hostname = next.example.net
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
deliver_drop_privilege
acl_smtp_rcpt = relay
tls_advertise_hosts = *
tls_certificate = {self.base}/spool/{self.chain.name}
tls_privatekey = {self.base}/spool/{self.key.name}
keep_environment =
begin acl
relay:
  accept hosts = 127.0.0.1
begin routers
onward:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = onward
begin transports
onward:
  driver = smtp
  allow_localhost
  port = {self.next_port}
  hosts_require_tls = *
""")
        self.serve([program, "-C", configuration, "-bdf"])


class Sendmail(Unpacked):
    name = "sendmail"
    agent = "(8.17"

    def start(self):
        program = unpack("sendmail-bin") / "usr/libexec/sendmail/sendmail"
        rules = unpack("sendmail-cf") / "usr/share/sendmail/cf"
        self.room("queue", mode=0o700)
        (self.base / "switch").write_text("hosts files\naliases files\n")
        source = f"""divert(-1)
include(`{rules}/m4/cf.m4')
OSTYPE(`linux')
define(`confDOMAIN_NAME', `next.example.net')
define(`confSERVICE_SWITCH_FILE', `{self.base}/switch')
define(`confDONT_PROBE_INTERFACES', `True')
define(`confPID_FILE', `{self.base}/pid')
define(`confTO_IDENT', `0s')
define(`confDONT_BLAME_SENDMAIL', `TrustStickyBit')
define(`confCACERT', `{self.chain}')
define(`confCACERT_PATH', `{self.base}')
define(`confSERVER_CERT', `{self.chain}')
define(`confSERVER_KEY', `{self.key}')
define(`QUEUE_DIR', `{self.base}/queue')
define(`ALIAS_FILE', `')
define(`STATUS_FILE', `')
define(`SMART_HOST', `relay:[127.0.0.1]')
define(`RELAY_MAILER_ARGS', `TCP $h {self.next_port}')
undefine(`confCW_FILE')
FEATURE(`nocanonify')
FEATURE(`accept_unresolvable_domains')
FEATURE(`no_default_msa')
DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port={self.port}')
MAILER(`smtp')
"""
        made = subprocess.run(["m4", f"-D_CF_DIR_={rules}/", "-"], input=source, capture_output=True, text=True, timeout=30, check=True)
        configuration = self.base / "sendmail.cf"
        configuration.write_text(made.stdout)
        self.serve([program, f"-C{configuration}", "-bD", "-q1s"])


class OpenSmtpd(Unpacked):
    """Without TLS: Debian 12's fails every handshake under OpenSSL 3."""

    name = "opensmtpd"
    agent = "(OpenSMTPD)"
    users = ("opensmtpd", "opensmtpq")

    def start(self):
        place = unpack("opensmtpd")
        self.room("spool", "run", "lib/opensmtpd/empty", mode=0o711)
        configuration = self.base / "smtpd.conf"
        configuration.write_text(f"""listen on 127.0.0.1 port {self.port} hostname next.example.net
action "onward" relay host smtp+notls://127.0.0.1:{self.next_port}
match from any for any action "onward"
""")
        configuration.chmod(0o644)
        binds = [(self.base / "spool", "/var/spool"), (self.base / "run", "/run"), (self.base / "lib", "/var/lib")]
        self.serve([place / "usr/sbin/smtpd", "-d", "-f", configuration], binds)
