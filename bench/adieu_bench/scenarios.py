"""The scenarios by name."""
from .load import KEPT, Load
from .scenario import Throughput
from .special import Backlog, Ceiling, Cores, Idle, ManyRecipients, Slow

SCENARIOS = {scenario.name: scenario for scenario in [
    Throughput("plain1", "4 KiB, 50 sessions, one message each", Load()),
    Throughput("plainN", "4 KiB, 50 connections, kept", Load(per_session=KEPT)),
    Throughput("single", "4 KiB, one connection, kept", Load(sessions=1, per_session=KEPT, most=10000)),
    Throughput("tls1", "4 KiB, 50 sessions, STARTTLS with P-256, one message each", Load(tls=True)),
    Throughput("tls1-rsa", "4 KiB, 50 sessions, STARTTLS with RSA-2048, one message each", Load(tls=True, certificate="rsa2048")),
    Throughput("tlsN", "4 KiB, 50 sessions, STARTTLS with P-256, 100 messages each", Load(tls=True, per_session=100)),
    Throughput("large", "5 MiB, 10 sessions, one message each", Load(size=5 << 20, sessions=10, most=200)),
    Idle("idle", "idle TLS connections, and plain1 beside them"),
    Backlog("backlog", "many messages for a next hop that is down, and plain1 to another"),
    ManyRecipients("bigrcpt", "1,000 recipients a message, 4 KiB, 5 sessions", Load(sessions=5, recipients=1000, most=50)),
    Slow("slow", "200 clients of 1,000 octets a second, and plain1 beside them"),
    Cores("cores", "plain1 with one loop and with two"),
    Cores("cores-rsa", "STARTTLS with RSA-4096, one message each, with one loop and with two", Load(tls=True, certificate="rsa4096")),
    Ceiling(),
]}
