"""The Promela model of closure searched by spin: the true model has no error in any of its worlds, each broken one has."""
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MEMORY = 480  # MiB, for one search; two run at a time

# Each is searched to its end: the bounds, and what they are for.
WORLDS = {
    "octets injected anywhere, a return to plaintext": "-DINJECTIONS=1 -DTRIES=1",
    "two layers, a shutdown": "-DLAYERS=2 -DSHUTDOWNS=1 -DTRIES=1",
    "two connections, a crash": "-DCONNECTIONS=2 -DCRASHES=1",
    "two connections in plaintext, octets injected": "-DCONNECTIONS=2 -DLAYERS=0 -DINJECTIONS=1",
}
# Searched for cycles: a run that never ends.
ENDS = {
    "every connection ends: two layers, a shutdown": "-DLAYERS=2 -DSHUTDOWNS=1 -DTRIES=1",
    "every connection ends: octets injected": "-DINJECTIONS=1 -DTRIES=0",
}
INJECTED, LAYERS, TWICE, CLEAR = WORLDS.values()
SMALL = "-DTRIES=1"
# A broken rule, and the world in which it shows.
MUTANTS = {
    "R1": INJECTED,                        # a forged alert in the handshake leads back to plaintext
    "R2_TLS12": TWICE,                     # the message whose reply was dropped is kept
    "R2_TLS13": LAYERS,                    # S before what came before R was carried out
    "R3": INJECTED,                        # the transaction goes on behind the layer
    "R4_AFTER_R_ALONE": LAYERS,            # plain again
    "R4_AFTER_S_ALONE": LAYERS,            # plain again
    "R4_OCTETS_BEHIND": INJECTED,          # what stands behind R is left for the plaintext session
    "R4_WRITES_BEFORE_READING": INJECTED,  # S goes out over what has arrived behind R
    "R4_NO_S": INJECTED,                   # octets behind R end the connection without S
    "R4_CLIENT": INJECTED,                 # the client takes an alert in clear for S
    "R5": INJECTED,                        # EHLO is remembered
    "R6": LAYERS,                          # plaintext again behind QUIT
    "R6_SHUTDOWN": LAYERS,                 # STARTTLS makes the connection forget a shutdown
    "R7": LAYERS,                          # no S behind the reply to QUIT
    "R7_WAIT": LAYERS,                     # R is not waited for
    "R8_FIN": LAYERS,                      # FIN is read as R
    "R8_CORRUPT": INJECTED,                # octets that are no record are obeyed
    "R9": LAYERS,                          # the cut is taken for the end of data
    "R9_ORPHAN": LAYERS,                   # a commit under way at the end of its connection stays on the disk
    "R10": LAYERS,                         # delivered once durable
    "R10_REVOKE": LAYERS,                  # durable, its 250 not handed over, and not withdrawn
    "R11_PLAINTEXT": CLEAR,                # an end of ours in plaintext stands for the client's goodbye
    "R11_EARLY_R": TWICE,                  # R that was read before the 250 went out stands for the client's goodbye
    "R11": LAYERS,                         # forgotten with its connection, behind the 250
    "R11_AFTER_QUIT": TWICE,               # a QUIT pipelined behind the message counts as having seen its 250
    "R11_IN_TRANSACTION": CLEAR,           # the next transaction's rollback hides the 250 that may be lost
    "R12": TWICE,                          # nothing is remembered
    "R12_REVOKED": TWICE,                  # what was revoked is remembered as stored
    "R14": INJECTED,                       # the client takes a reply in clear inside TLS
    "R20": LAYERS,                         # user_canceled alone is read as R
    "STARTTLS": INJECTED,                  # what stood behind STARTTLS is carried out inside TLS
    "TIMEOUT_CLOSE_NOTIFY": SMALL,         # no timer: the connection waits for ever
    "TIMEOUT_HANDSHAKE": SMALL,
    "TIMEOUT_WRITE": SMALL,
    "TIMEOUT_COMMAND": SMALL,
}
ENDLESS = {"TIMEOUT_AGAIN": LAYERS}        # the timer only starts again
# Ending and effect of layers, TLS and plaintext, all of which the worlds must show.
SEEN = """mutual/none mutual/after_quit mutual/ack_unconfirmed mutual/rolled_back unanswered/none unanswered/after_quit unanswered/ack_unconfirmed
unanswered/rolled_back fin/none fin/rolled_back fin/revoked fin/ack_unconfirmed rst/none rst/rolled_back rst/revoked
rst/ack_unconfirmed timed_out/revoked corrupt/none corrupt/rolled_back corrupt/revoked corrupt/ack_unconfirmed injected/none
injected/rolled_back injected/revoked handshake/none""".split()


class Skipped(Exception):
    """This machine cannot run a test."""


def command(directory, *words):
    return subprocess.run(words, cwd=directory, capture_output=True, text=True, timeout=300)


def names():
    """The model's names, by their numbers: spin counts from the last."""
    mtype = re.search(r"\nmtype = \{(.*?)\};", (HERE / "closure.pml").read_text(), re.S)[1]
    return [None, *reversed(re.findall(r"\w+", re.sub(r"/\*.*?\*/", "", mtype, flags=re.S)))]


class Search:
    """One run of pan, compiled for one world."""

    def __init__(self, world, cycles, optimisation):
        with tempfile.TemporaryDirectory(prefix="adieu-model-") as directory:
            made = command(directory, "spin", "-a", *world.split(), f"{HERE}/closure.pml")
            assert made.returncode == 0, made.stdout + made.stderr
            kind = "-DNP" if cycles else "-DSAFETY"
            made = command(directory, "gcc", optimisation, "-w", kind, f"-DMEMLIM={MEMORY}", "-o", "pan", "pan.c")
            assert made.returncode == 0, made.stderr
            run = command(directory, "./pan", "-m20000", "-w22", *(["-l"] if cycles else []))
        self.output = run.stdout + run.stderr
        self.errors = int(re.search(r"errors: (\d+)", self.output)[1])
        self.states = int(re.search(r"(\d+) states, stored", self.output)[1])
        self.complete = not re.search(r"not completed|max search depth|out of memory|reached -DMEMLIM", self.output)
        wrong = re.search(r"pan:1: (.*)", self.output)
        self.wrong = wrong[1] if wrong else "nothing"


def transitions():
    """The model's machine: lines of a state, an event, and the state that it leads to; by the code's names."""
    with tempfile.TemporaryDirectory(prefix="adieu-model-") as directory:
        model = command(directory, "spin", "-T", "-DTABLE", f"{HERE}/closure.pml").stdout
    return [line.replace("timed_out", "timeout") for line in model.splitlines() if line[0].isupper()]


def machine():
    """Transitions and the names of courses are those of the code."""
    with tempfile.TemporaryDirectory(prefix="adieu-model-") as directory:
        made = command(directory, "g++", "-std=c++20", f"-I{ROOT}/include", "-o", "table", f"{HERE}/closure_table.cpp",
                       f"{ROOT}/src/protocol/tls/closure.cpp")
        assert made.returncode == 0, made.stderr
        code = command(directory, "./table").stdout
    lines = transitions()
    assert lines == code.splitlines() and len(lines) == 60, set(lines) ^ set(code.splitlines())
    header = (ROOT / "include/adieu/protocol/smtp/server_connection.h").read_text()
    courses = re.findall(r"^\s*(\w+),", re.search(r"enum class Course[^{]*\{(.*?)\};", header, re.S)[1], re.M)
    assert courses and set(courses) <= set(names()), courses
    return f"{len(lines)} transitions, {len(courses)} courses"


def walks():
    """What TLS layers did in simulated worlds (tests/world) are walks through the model's machine, and lead where it says."""
    programs = [ROOT / "build" / preset / "world" for preset in ("asan", "dev")]
    program = next((path for path in programs if path.exists()), None)
    if program is None:
        raise Skipped("no build has the program `world`")
    leads = {tuple(line.split()[:2]): line.split()[2] for line in transitions()}
    told = command(".", program, "--walks", "--seeds", "1..40").stdout
    seen = [line.split()[1:] for line in told.splitlines() if line.startswith("walk ")]
    assert len(seen) > 5, told
    for *events, end in seen:
        state = "Plain"
        for event in events:
            state = leads[state, event]
        assert state == end, f"{events} lead to {state}, the world came to {end}"
    return f"{len(seen)} walks"


def world(bounds, cycles):
    search = Search(bounds, cycles, "-O1")
    assert search.errors == 0, search.wrong
    assert search.complete, search.output
    return search


def mutant(name, bounds, cycles):
    search = Search(f"{bounds} -DBREAK_{name}", cycles, "-O0")  # found soon: optimising takes longer
    assert search.errors > 0, f"spin did not find it in {search.states} states"
    return search.wrong


def main():
    began = time.monotonic()
    tests = [("the machine of the model is that of closure.h", machine, ()), ("simulated layers walk through it", walks, ())]
    tests += [(title, world, (bounds, False)) for title, bounds in WORLDS.items()]
    tests += [(title, world, (bounds, True)) for title, bounds in ENDS.items()]
    tests += [(f"broken: {name}", mutant, (name, bounds, False)) for name, bounds in MUTANTS.items()]
    tests += [(f"broken: {name}", mutant, (name, bounds, True)) for name, bounds in ENDLESS.items()]
    tests = [test for test in tests if not sys.argv[1:] or sys.argv[1] in test[0]]
    passed = failed = skipped = 0
    seen = set()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for title, result in [(title, pool.submit(test, *words)) for title, test, words in tests]:
            try:
                told = result.result()
                if isinstance(told, Search):
                    name = names()
                    pairs = re.findall(r"^seen (\d+) (\d+)$", told.output, re.M)
                    seen |= {f"{name[int(how)]}/{name[int(cost)]}" for how, cost in pairs}
                    told = f"{told.states} states"
                passed += 1
                print(f"  ok    {title}: {told}", flush=True)
            except Skipped as why:
                skipped += 1
                print(f"  skip  {title}: {why}", flush=True)
            except Exception as error:  # noqa: BLE001: whatever went wrong is the test's failure
                failed += 1
                print(f"  FAIL  {title}\n        {type(error).__name__}: {error}", flush=True)
    if not sys.argv[1:]:
        missing = sorted(set(SEEN) - seen)
        passed, failed = passed + (not missing), failed + bool(missing)
        print(f"  FAIL  the worlds do not show {', '.join(missing)}" if missing else f"  ok    {len(seen)} endings with their effects were seen")
    print(f"{time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


main()
