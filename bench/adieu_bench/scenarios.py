"""The scenarios by name."""
from .load import KEPT, Load
from .scenario import Throughput

SCENARIOS = {scenario.name: scenario for scenario in [
    Throughput("plain1", "4 KiB, 50 sessions, one message each", Load()),
    Throughput("plainN", "4 KiB, 50 connections, kept", Load(per_session=KEPT)),
    Throughput("single", "4 KiB, one connection, kept", Load(sessions=1, per_session=KEPT, most=10000)),
    Throughput("tls1", "4 KiB, 50 sessions, STARTTLS with P-256, one message each", Load(tls=True)),
    Throughput("tls1-rsa", "4 KiB, 50 sessions, STARTTLS with RSA-2048, one message each", Load(tls=True, certificate="rsa2048")),
    Throughput("tlsN", "4 KiB, 50 sessions, STARTTLS with P-256, 100 messages each", Load(tls=True, per_session=100)),
    Throughput("large", "5 MiB, 10 sessions, one message each", Load(size=5 << 20, sessions=10, most=200)),
]}
