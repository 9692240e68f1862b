"""Measures adieu against its peers, in turn, on one machine, in one run. bench/README.md tells what the figures mean."""
import argparse
import json
import os
import pathlib
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

from . import report
from .processes import Failure
from .relays import ROOT
from .scenario import RELAYS, Plan
from .scenarios import SCENARIOS

PACKAGES = ["postfix", "openssl", "linux-perf"]


def say(line):
    print(f"-- {line}", file=sys.stderr, flush=True)


def set_up(names):
    """Installs from Debian what is missing, and builds the load client, and adieu unless ADIEU names one."""
    wanted = " ".join([*PACKAGES, *(package for name in names for package in RELAYS[name].needs)])
    programs = "load_client ceiling_bench" + ("" if "ADIEU" in os.environ else " adieu")
    steps = [". scripts/setup", f'install_missing "${{BUILD_PACKAGES[@]}}" {wanted}', "cmake --preset release -D ADIEU_BENCH=ON >/dev/null",
             f"for program in {programs}; do build release $program; done"]
    subprocess.run(["bash", "-ec", "\n".join(steps)], cwd=ROOT, check=True, stdout=sys.stderr)


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"of {' '.join(SCENARIOS)} (all)")
    parser.add_argument("--peers", default="postfix", help=f"of {','.join(RELAYS)}, separated by commas; none: adieu alone (postfix)")
    parser.add_argument("--rounds", type=int, help="turns a relay (3)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--quick", action="store_true", help="one short round, to try the benchmark out: no figures of record")
    parser.add_argument("--directory", default="/var/tmp", help="where queues are kept: a directory on the disk to be measured (/var/tmp)")
    given = parser.parse_args()
    given.peers = [name for name in given.peers.split(",") if name not in ("", "none", "adieu")]
    for name in given.peers:
        if name not in RELAYS:
            parser.error(f"no such peer: {name}")
    for name in given.scenario:
        if name not in SCENARIOS:
            parser.error(f"no such scenario: {name}")
    return given


def main():
    given = arguments()
    if os.geteuid() != 0:
        sys.exit("bench/run: must be root: the peers become users of their own, and /proc tells their figures to nobody else")
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    names, plan = ["adieu", *given.peers], Plan(given.rounds, given.quick)
    set_up(names)
    machine = f"{platform.platform()}, {os.cpu_count()} cores, load before {os.getloadavg()[0]:.2f}"
    command = " ".join(["bench/run", *sys.argv[1:]])
    out = {"command": command, "machine": machine, "versions": [f"{name} {RELAYS[name].version()}" for name in names], "quick": given.quick, "scenarios": {}, "settings": {}}
    if not given.json:
        print(f"{command}\n{machine}\n{', '.join(out['versions'])}\nmedian [least most] of {plan.rounds} rounds\n", flush=True)
    for name in given.scenario or SCENARIOS:
        directory = pathlib.Path(tempfile.mkdtemp(prefix="adieu-bench-", dir=given.directory))
        directory.chmod(0o755)
        try:
            results, settings = SCENARIOS[name].run(names, plan, directory, say)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        out["scenarios"][name] = results
        out["settings"].update({relay: text.replace(str(directory), "DIR") for relay, text in settings.items()})
        if not given.json:
            print(report.text(f"{name}: {SCENARIOS[name].title}", results), flush=True)
    save(out, given.json)


def save(out, as_json):
    place = ROOT / "build" / "bench"
    place.mkdir(parents=True, exist_ok=True)
    (place / "latest.json").write_text(json.dumps(out, indent=1) + "\n")
    (place / "latest.svg").write_text(report.plot(out["scenarios"], {name: SCENARIOS[name].title for name in out["scenarios"]}))
    if as_json:
        print(json.dumps(out, indent=1))
        return
    for relay, text in out["settings"].items():
        print(f"-- settings of {relay}\n{text}")
    print(f"-- {place}/latest.json, latest.svg")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        main()
    except Failure as failure:
        sys.exit(f"bench/run: {failure}")
