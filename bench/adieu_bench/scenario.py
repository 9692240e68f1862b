"""How a scenario is run: all relays started, then turn after turn, relay after relay, round after round, against one sink.

The plain ones, which send as fast as each relay takes it, are whole here; the others, in special.py, put their own turn in its place.
"""
import shutil

from . import load as loads
from .measure import count_syncs, how_many, straight, turn, waits_of_dots
from .peers import PEERS
from .processes import Failure
from .relays import Adieu

RELAYS = {"adieu": Adieu, **PEERS}


class Plan:
    """How thoroughly to measure: rounds, seconds a turn, messages at most; `quick` is for trying the benchmark out."""

    def __init__(self, rounds=None, quick=False):
        self.rounds, self.quick = rounds or (1 if quick else 3), quick
        self.seconds, self.most = (0.5, 200) if quick else (6, 1 << 30)


class Throughput:
    """A scenario: `run` gives {relay: {column: [a figure a round]}} and {relay: its settings}."""

    straight = "straight"  # the name of its ceiling's row; None: it has none
    syncs = True

    def __init__(self, name, title, load=loads.Load()):
        self.name, self.title, self.load = name, title, load
        self.tls = load.tls  # some part of it is: relays that cannot are left out

    def sink(self):
        return loads.Sink()

    def relays(self, names, directory, sink):
        """{row of the table: a function that makes the relay}."""
        able = [name for name in names if RELAYS[name].speaks_tls or not self.tls]
        return {name: lambda name=name: RELAYS[name](directory, sink.port, self.load.certificate) for name in able}

    def prepare(self, relay, sink, plan):
        """Once a relay, before the rounds; what it returns is handed to each turn."""
        return how_many(relay, sink, self.load, plan.seconds, min(plan.most, self.load.most))

    def turn(self, relay, sink, messages):
        figures = turn(relay, sink, self.load, messages)
        return figures if "p50" in figures else {**figures, **waits_of_dots(relay, sink, self.load, max(messages // 3, 1))}

    def run(self, names, plan, directory, say):
        sink, started, prepared, settings = self.sink(), {}, {}, {}
        makers = self.relays(names, directory, sink)
        results = {row: {} for row in [*([self.straight] if self.straight else []), *makers]}

        def start(row):
            started[row] = makers[row]()
            settings[row] = started[row].settings()
            started[row].start()
            prepared[row] = self.prepare(started[row], sink, plan)

        def each(what, step):
            for row in list(makers):
                say(f"{self.name}: {what} {row}")
                try:
                    step(row)
                except Failure as failure:
                    out_of(self, row, started[row], failure, say)
                    started[row].stop()
                    del makers[row], results[row]

        try:
            each("starting", start)
            for round_ in range(plan.rounds):
                if self.straight:
                    keep(results[self.straight], straight(sink, self.load, min(plan.most, self.load.most)))
                each(f"round {round_ + 1} of {plan.rounds},", lambda row: keep(results[row], self.turn(started[row], sink, prepared[row])))
            if self.syncs:
                each("counting the disk flushes of",
                     lambda row: keep(results[row], count_syncs(started[row], sink, self.load, max(prepared[row] // 3, 1))))
            for relay in started.values():
                relay.stop()
                shutil.rmtree(relay.directory)
        finally:
            for relay in started.values():
                relay.stop()
            sink.stop()
        return results, settings


def out_of(scenario, row, relay, failure, say):
    """A peer that fails falls out of the scenario; adieu's failure is the end."""
    if row not in PEERS:
        raise Failure(f"{scenario.name}: {failure}\n--- {row}\n{relay.log()}") from None
    say(f"{scenario.name}: {row} falls out: {failure}")

def keep(figures, more):
    for column, value in more.items():
        figures.setdefault(column, []).append(value)
