"""Scenarios that ask for more than speed: each turn has a relay of its own, fresh from the start, and compares its rate with the same
relay's rate without what the scenario adds.
"""
import dataclasses
import json
import os
import resource
import shutil
import subprocess
import time

from . import load as loads
from .measure import how_many, turn
from .processes import Failure, free_port
from .recipient_sink import RecipientSink
from .relays import DOWN, Adieu
from .scenario import RELAYS, Throughput, keep, out_of


class Fresh(Throughput):
    """A throughput scenario whose turns each start and end a relay."""

    straight = None

    def __init__(self, name, title, load=loads.Load(timeout=120)):
        super().__init__(name, title, load)

    def run(self, names, plan, directory, say):
        sink, settings = self.sink(), {}
        makers = self.relays(names, directory, sink)
        results = {row: {} for row in makers}
        try:
            for round_ in range(plan.rounds):
                for row, make in list(makers.items()):
                    say(f"{self.name}: round {round_ + 1} of {plan.rounds}, {row}")
                    relay = make()
                    settings[row] = relay.settings()
                    try:
                        relay.start()
                        keep(results[row], self.fresh_turn(relay, sink, plan))
                    except Failure as failure:
                        out_of(self, row, relay, failure, say)
                        del makers[row], results[row]
                    finally:
                        relay.stop()
                        shutil.rmtree(relay.directory)
        finally:
            sink.stop()
        return results, settings

    def fresh_turn(self, relay, sink, plan):
        raise NotImplementedError


def beside(figures, without):
    """The figures of a turn, and beside them the rate of the turn without what the scenario adds."""
    return {**figures, "without": without["delivered"], "unchanged": figures["delivered"] / without["delivered"]}


class Idle(Fresh):
    """As many idle TLS connections as the relay holds, then traffic, then the same traffic without them."""

    def __init__(self, name, title):
        super().__init__(name, title)
        self.tls = True

    def fresh_turn(self, relay, sink, plan):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500
        held = min(relay.holds, most, 500 if plan.quick else relay.holds)
        messages = how_many(relay, sink, self.load, plan.seconds, min(plan.most, self.load.most))
        time.sleep(1)
        before = relay.kept.pss()
        command = loads.client_command(relay.port, loads.Load(sessions=held, tls=True), 0, "--hold")
        with subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            try:
                told = holder.stdout.readline()
                if not told:
                    raise Failure(f"{relay.name} did not hold {held} connections")
                opened = json.loads(told)
                each = (relay.kept.pss() - before) / held
                figures = turn(relay, sink, self.load, messages)
            finally:
                holder.stdin.close()
                holder.wait(30)
        without = turn(relay, sink, self.load, messages)
        return {"held": held, "opened": held / opened["seconds"], "each": each, **beside(figures, without)}


class Backlog(Fresh):
    """Traffic with an empty queue, then with many messages queued for a next hop that is down."""

    def relays(self, names, directory, sink):
        down = free_port()  # nobody listens there
        return {name: lambda name=name: RELAYS[name](directory, sink.port, down_port=down) for name in names}

    def fresh_turn(self, relay, sink, plan):
        messages = how_many(relay, sink, self.load, plan.seconds, min(plan.most, self.load.most))
        without = turn(relay, sink, self.load, messages)
        queued = min(plan.most, relay.backlog)
        loads.send(relay.port, dataclasses.replace(relay.able(self.load), domain=DOWN), queued)
        return {"queued": queued, **beside(turn(relay, sink, self.load, messages), without)}


class Slow(Fresh):
    """Clients that send 1000 octets a second, in the midst of one message each, beside fast ones."""

    slow = loads.Load(sessions=200, size=10 << 20)

    def fresh_turn(self, relay, sink, plan):
        messages = how_many(relay, sink, self.load, plan.seconds, min(plan.most, self.load.most))
        without = turn(relay, sink, self.load, messages, loads.client)
        command = loads.client_command(relay.port, self.slow, self.slow.sessions, "--pace", 1000)
        slow = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(2)
            load = dataclasses.replace(self.load, timeout=60)
            figures = turn(relay, sink, load, messages, loads.client)
        except Failure:
            # Its connections are all taken; what had been accepted of the fast ones still arrives, in nobody's count.
            return {"messages": messages, "delivered": 0.0, "without": without["delivered"], "unchanged": 0.0}
        finally:
            slow.terminate()
            slow.wait(30)
        return beside(figures, without)


class ManyRecipients(Fresh):
    """Messages to 1,000 recipients; a sink that counts recipients sees whether each had each message once."""

    def sink(self):
        return RecipientSink(self.load.recipients)

    def fresh_turn(self, relay, sink, plan):
        return turn(relay, sink, self.load, 2 if plan.quick else self.load.most, loads.client)


class Cores(Throughput):
    """adieu alone, by loops; with four cores or more the source and the sink keep to those the relay has not."""

    syncs = False

    def __init__(self, name, title, load=loads.Load()):
        super().__init__(name, title, load)
        self.straight = None if load.tls else Throughput.straight

    def relays(self, names, directory, sink):
        cores = os.cpu_count()
        rows = {"1 loop": {"loops": 1}, "2 loops": {"loops": 2}, "1 loop, core 0": {"loops": 1, "cpus": "0"}}
        if cores >= 4:
            rows["2 loops, cores 0 and 1"] = {"loops": 2, "cpus": "0,1"}
        return {row: lambda row=row, more=more: Adieu(directory, sink.port, self.load.certificate, row=row, **more) for row, more in rows.items()}

    def run(self, names, plan, directory, say):
        everywhere = os.sched_getaffinity(0)
        try:
            if len(everywhere) >= 4:
                os.sched_setaffinity(0, sorted(everywhere)[2:])
            return super().run(names, plan, directory, say)
        finally:
            os.sched_setaffinity(0, everywhere)


class Ceiling:
    """What the machine gives, without any relay."""

    name, title = "ceiling", "what the machine gives"

    def run(self, names, plan, directory, say):
        seconds = 0.2 if plan.quick else 2
        rows = {}
        for round_ in range(plan.rounds):
            say(f"ceiling: round {round_ + 1} of {plan.rounds}")
            keep_rate(rows, "4 KiB appended, fdatasync each", synced(directory, seconds, 1))
            keep_rate(rows, "4 KiB appended, fdatasync for 50", synced(directory, seconds, 50))
            for line in loads.run([loads.CEILING, seconds], 60).splitlines():
                what, rate = line.rsplit(": ", 1)
                keep_rate(rows, what, float(rate))
        return rows, {}


def keep_rate(rows, what, rate):
    rows.setdefault(what, {}).setdefault("rate", []).append(rate)


def synced(directory, seconds, batch):
    """Blocks of 4 KiB a second appended to a file, with one fdatasync for each `batch`."""
    count, block = 0, b"x" * 4096 * batch
    with open(directory / "synced", "wb", buffering=0) as file:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            file.write(block)
            os.fdatasync(file.fileno())
            count += batch
        took = time.monotonic() - began
    (directory / "synced").unlink()
    return count / took
