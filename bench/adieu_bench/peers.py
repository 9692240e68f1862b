"""The peers, each as its distribution ships it, in a directory of its own. See relays.py for what is alike in all."""
import pathlib
import shutil
import subprocess

from .relays import DOWN, Relay

POSTFIX_SERVICES = ("pickup cleanup qmgr tlsmgr rewrite bounce defer trace verify flush proxymap smtp relay showq error retry discard local virtual "
                    "anvil scache").split()


class Postfix(Relay):
    name = "postfix"
    package = "postfix"
    keeps_running = False  # `postfix start` returns; the keeper adopts its master

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
        services = [f"127.0.0.1:{self.port} inet n - n - - smtpd", "postlog unix-dgram n - n - 1 postlogd"]
        for row in pathlib.Path("/usr/share/postfix/master.cf.dist").read_text().splitlines():
            words = row.split()
            if row[:1].isalpha() and words[0] in POSTFIX_SERVICES and words[1] == "unix":
                words[4] = "n"  # no chroot
                services.append(" ".join(words))
        (self.base / "etc" / "master.cf").write_text("\n".join(services) + "\n")

    def command(self):
        return ["postfix", "-c", self.base / "etc", "start"]

    def settings(self):
        return (self.base / "etc" / "main.cf").read_text()

    def stop(self):
        subprocess.run(["postfix", "-c", str(self.base / "etc"), "stop"], capture_output=True, timeout=60, check=False)
        super().stop()

    def log(self):
        path = self.base / "maillog"
        return super().log() + (path.read_text(errors="replace")[-2000:] if path.exists() else "")


PEERS = {peer.name: peer for peer in [Postfix]}
