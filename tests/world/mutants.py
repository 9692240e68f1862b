#!/usr/bin/env python3
"""Faults put into the relay's sources one at a time: the world must find each of them, or its checks are worth nothing.

usage: tests/world/mutants.py [--seeds N] BUILD [NAME…]

BUILD is a build folder in which `world` is built. Each mutant is one file with one change in it, compiled with BUILD's flags and linked in front of the
library that has the original. Prints the seed that found it, and how it showed; exit status 1 when one was not found within N seeds (2000).
"""
import argparse
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

# name: (file, what stands there, what stands there instead)
MUTANTS = {
    "a-session-never-times-out": ("src/relay/receive/inbound.cpp", "  timer_->set(connection_.deadline());\n", ""),
    "a-next-hop-never-times-out": ("src/relay/deliver/outbound.cpp", "  timer_->set(connection_->deadline());\n", ""),
    "connecting-never-times-out": ("src/relay/deliver/outbound.cpp", "  timer_->set(loop_.now() + profile_.connect_timeout);\n", ""),
    "a-retry-has-no-timer": ("src/relay/deliver/delivery.cpp", "  wake_->set(shutting_down_ ? std::nullopt : when);\n", ""),
    "an-inbound-connection-is-counted-for-ever": ("src/relay/receive/listening.cpp", "  limits_.release(found->second.address, profile_.number);\n", ""),
    "an-outbound-connection-is-counted-for-ever": ("src/relay/deliver/delivery_connections.cpp", "  budget_.give_back();\n", ""),
    "memory-of-a-transaction-is-kept": ("src/relay/receive/reception.cpp", "    shared_.memory.fetch_sub(memory_, std::memory_order_relaxed);\n", ""),
    "an-acknowledged-message-is-not-queued": ("src/relay/receive/reception.cpp", "    shared_.accept(std::move(kept));\n", ""),
    "a-failure-is-not-told": ("src/relay/deliver/settling.cpp", "  const bool tells = !message->head()->reverse_path.is_null();\n", "  const bool tells = false;\n"),
    "a-notification-is-not-queued": ("src/relay/deliver/settling.cpp", "      shared_.accept(std::move(kept));\n", ""),
    "a-message-never-leaves-the-spool": ("src/relay/deliver/settling.cpp", "settlement.finished = finished;", "settlement.finished = false;"),
    "a-message-leaves-the-spool-at-its-first-settlement": ("src/relay/deliver/settling.cpp", "settlement.finished = finished;", "settlement.finished = true;"),
    "deferred-is-delivered": ("src/relay/queue/settle.cpp", "      case smtp::Fate::deferred:\n        update.state = spool::RecipientState::pending;\n",
                              "      case smtp::Fate::deferred:\n        update.state = spool::RecipientState::delivered;\n        break;\n"),
    "given-up-at-the-first-trouble": ("src/relay/queue/settle.cpp", "const bool too_old = gives_up(retry, job.message->head()->arrived, now);",
                                     "const bool too_old = true;"),
    "a-reply-that-was-lost-is-a-success": ("src/protocol/smtp/client_transaction.cpp", "  outcome.may_have_arrived = stage_ == Stage::sent;\n",
                                           "  if (stage_ == Stage::sent) outcome.fate = Fate::delivered;\n"),
    "the-rest-of-a-message-has-no-next-transaction": ("src/relay/deliver/delivery_connections.cpp", "  connection.rest = judge_and_settle(", "  judge_and_settle("),
    "failures-are-never-told-together": ("src/relay/deliver/settling.cpp", "  std::vector<queue::Failed> failures = message->take_failures();\n", "  std::vector<queue::Failed> failures;\n"),
    "input-is-not-read-again": ("src/relay/receive/inbound.cpp", "  transport_.await_input(connection_.wants_input());\n",
                                "  if (!connection_.wants_input()) transport_.await_input(false);\n"),
    "the-spool-is-read-from-its-start-each-time": ("src/relay/deliver/outbound.cpp", "const std::uint64_t offset = supplied_ - trace.size();", "const std::uint64_t offset = 0;"),
    "mail-data-ends-with-its-first-part": ("src/relay/deliver/outbound.cpp", "connection_->supply(part, supplied_ == size);", "connection_->supply(part, true);"),
    "dots-are-not-doubled": ("src/protocol/smtp/mail_data.cpp", "      out += '.';\n", ""),
    "dots-stay-doubled": ("src/protocol/smtp/mail_data.cpp", "      if (c == '.' && framing_ == Framing::dot) {\n        at_ = At::dot;\n        return;\n      }\n", ""),
    "a-commit-is-not-synced": ("src/io/rocksdb/committer.cpp", "  options.sync = sync_ && durable;", "  options.sync = false;"),
    "a-commit-is-answered-before-it-is-written": ("src/io/rocksdb/committer.cpp", "    const Result<> result = write(changes);\n    note(result);\n    tell(std::move(changes), result);\n",
                                                  "    std::vector<Change> early = changes;\n    for (Change& change : changes) change.executor = nullptr, change.committed = nullptr;\n"
                                                  "    tell(std::move(early), Result<>());\n    note(write(changes));\n"),
    "a-record-is-there-before-its-file": ("src/io/rocksdb/incoming.cpp", "    if (result) result = incoming->file.sync_and_close();\n", ""),
    "the-names-of-files-are-not-synced": ("src/io/rocksdb/data_file.cpp", "  return sync_directory(directory_);\n", "  return {};\n"),
    "the-name-of-the-spool-is-not-synced": ("src/io/rocksdb/store.cpp", 'sync_directory(directory + "/..")', "sync_directory(directory)"),
    "a-file-goes-before-its-record": ("src/io/rocksdb/store.cpp", "  change.durable |= in_file;\n", ""),
    "what-no-record-names-is-not-swept": ("src/io/rocksdb/store.cpp", "      remove_data_file(data_directory_, *id);\n      ++swept;\n", "      ++swept;\n"),
    "a-roll-back-keeps-its-file": ("src/io/rocksdb/incoming.cpp", "{ gone->remove(); }", "{}"),
    "what-came-of-a-recipient-is-not-written": ("src/io/rocksdb/rocksdb_spool.cpp", "      batch.Put(update_key(id, update.index), spool::encode(update));\n", ""),
    "a-settlement-is-dropped": ("src/io/rocksdb/rocksdb_spool.cpp", "    *late = !store_.holds(id);\n", "    *late = id.value % 8 == 0 || !store_.holds(id);\n"),
    "a-withdrawal-is-dropped": ("src/io/rocksdb/incoming.cpp", "      store.remove(id, std::move(change));\n", ""),
    "what-a-failed-sync-has-lost-is-not-written-again": ("src/io/rocksdb/file_system.cpp", "      if (std::exchange(write_again_, false) && keeps_unsynced_) {", "      if (false) {"),
    "what-an-earlier-run-wrote-is-not-written-again": ("src/io/rocksdb/wal.cpp", "write_and_sync(descriptor, log.substr(from), from)", "write_and_sync(descriptor, log.substr(log.size()), from)"),
    "a-disk-that-keeps-a-commit-waiting-is-not-told-of": ("src/io/rocksdb/store.cpp", "      committer->keeps_waiting(*why);\n", "      static_cast<void>(committer);\n"),
    "a-disk-is-in-trouble-for-ever": ("src/io/rocksdb/disk.cpp", "  if (--waiting_ != 0 || frozen_) return;\n", "  return;\n"),
    "a-disk-that-was-full-stays-full": ("src/io/rocksdb/store.cpp", "    workers_->run([this] {\n      check_space();\n", "    workers_->run([this] {\n"),
}


def commands(build):
    """Of `world`: how to compile each of its sources, and how to link it."""
    listed = subprocess.run(["ninja", "-C", build, "-t", "commands", "world"], check=True, capture_output=True, text=True).stdout
    compile_of, link = {}, None
    for line in listed.splitlines():
        source = re.search(r" -c (\S+)$", line)
        if source:
            compile_of[str(pathlib.Path(source[1]).resolve())] = line
        elif re.search(r" -o world ", line):
            link = line
    return compile_of, link


def build_mutant(build, compile_of, link, file, old, new, folder):
    path = ROOT / file
    text = path.read_text()
    if text.count(old) < 1:
        raise SystemExit(f"{file} has no longer what the mutant changes: {old!r}")
    source = folder / path.name
    source.write_text(text.replace(old, new))
    command = shlex.split(compile_of[str(path)])
    command[command.index("-o") + 1] = str(folder / "mutant.o")
    command[command.index("-c") + 1] = str(source)
    for option in ("-MF", "-MT"):
        command[command.index(option) + 1] = str(folder / "mutant.d")
    command = [word for word in command if not word.endswith("ccache")] + [f"-I{path.parent}"]
    subprocess.run(command, check=True, cwd=build)
    words = shlex.split(re.sub(r"^: && | && :$", "", link))
    at = words.index("-o")
    words[at + 1] = str(folder / "world")
    words.insert(at, str(folder / "mutant.o"))
    subprocess.run(words, check=True, cwd=build)
    return folder / "world"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    build = str(pathlib.Path(arguments.build).resolve())
    compile_of, link = commands(build)
    missed = 0
    for name in arguments.names or MUTANTS:
        with tempfile.TemporaryDirectory() as folder:
            world = build_mutant(build, compile_of, link, *MUTANTS[name], pathlib.Path(folder))
            found = subprocess.run([world, "--until-fault", str(arguments.seeds)], capture_output=True, text=True)
            told = found.stdout.splitlines()
            if found.returncode == 0:
                missed += 1
                print(f"MISSED {name}: {arguments.seeds} seeds", flush=True)
            elif found.returncode == 1 and told:
                print(f"found  {name}: {told[0].split(' (')[0]}: {told[1].strip()}", flush=True)
            else:
                words = (found.stderr.splitlines() or ["no words"])[-1]
                print(f"found  {name}: the process ended ({found.returncode}): {words}", flush=True)
    print(f"{len(arguments.names or MUTANTS) - missed} passed, {missed} failed, 0 skipped")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
