"""The scenarios: what each sends, and how its turns are taken in a row, relay after relay, round after round."""
import shutil
import time

from . import load as loads
from .measure import SETTLE, Load, count_syncs, how_many, turn
from .peers import PEERS
from .processes import Failure
from .relays import Adieu

RELAYS = {"adieu": Adieu, **PEERS}


class Plan:
    """How thoroughly to measure: rounds, seconds a turn, messages at most; `--quick` is for trying the benchmark out."""

    def __init__(self, rounds=3, quick=False):
        self.rounds = rounds or (1 if quick else 3)
        self.seconds, self.most, self.traced = (0.5, 200, 100) if quick else (6, None, 1000)


def straight(sink, load, messages):
    """The ceiling: smtp-source straight into smtp-sink; its CPU is that of both."""
    before, cpu, began = sink.count(), sink.cpu(), time.monotonic()
    accepted, source_cpu = loads.source(sink.port, load, messages, load.timeout)
    delivered = sink.wait_for(before + messages, load.timeout) - began
    time.sleep(SETTLE)
    return {"messages": messages, "accepted": messages / accepted, "delivered": messages / delivered,
            "cpu": (source_cpu + sink.cpu() - cpu) / messages * 1e6}


class Throughput:
    """A scenario that sends as fast as each relay takes it, by smtp-source."""

    def __init__(self, name, title, load):
        self.name, self.title, self.load = name, title, load

    def run(self, names, plan, directory, say):
        """{relay: {column: [a figure a round]}} and {relay: its settings}."""
        sink, relays, settings, counts = loads.Sink(directory), {}, {}, {}
        results = {name: {} for name in ["straight", *names]}
        most = min(plan.most or self.load.most, self.load.most)
        try:
            for name in names:
                relays[name] = RELAYS[name](directory, sink.port)
                settings[name] = relays[name].settings()
                relays[name].start()
                counts[name] = how_many(relays[name], sink, self.load, plan.seconds, most)
            for round_ in range(plan.rounds):
                keep(results["straight"], straight(sink, self.load, most))
                for name in names:
                    say(f"{self.name}: round {round_ + 1} of {plan.rounds}, {name}, {counts[name]} messages")
                    keep(results[name], turn(relays[name], sink, self.load, counts[name]))
            for name in names:
                relays[name].stop()
                shutil.rmtree(relays[name].directory)
            for name in names:
                say(f"{self.name}: counting the disk flushes of {name}")
                keep(results[name], {"syncs": count_syncs(lambda: RELAYS[name](directory, sink.port), sink, self.load,
                                                          min(plan.traced, counts[name]))})
        except Failure as failure:
            raise Failure(f"{self.name}: {failure}\n" + "\n".join(f"--- {name}\n{relay.log()}" for name, relay in relays.items())) from None
        finally:
            for relay in relays.values():
                relay.stop()
            sink.stop()
        return results, settings


def keep(figures, more):
    for column, value in more.items():
        figures.setdefault(column, []).append(value)


SCENARIOS = {scenario.name: scenario for scenario in [
    Throughput("plain1", "4 KiB, 50 sessions, one message each", Load()),
    Throughput("plainN", "4 KiB, 50 sessions, connections reused", Load(reuse=True)),
    Throughput("large", "5 MiB, 10 sessions, one message each", Load(size=5 << 20, sessions=10, most=200)),
]}
