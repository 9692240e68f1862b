"""Faults put into the relay's sources one at a time: the world must find each of them, or its checks are worth nothing. `run --mutant` uses this.

Each mutant is one file with a change in it, compiled with a build's flags and linked in front of the library that has the original.
"""
import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

# name: (file, what stands there, what stands there instead, and so on)
MUTANTS = {
    "a-session-never-times-out": ("src/relay/receive/inbound.cpp", "  timer_->set(connection_.deadline());\n", ""),
    "a-next-hop-never-times-out": ("src/relay/deliver/outbound.cpp", "  timer_->set(connection_->deadline());\n", ""),
    "connecting-never-times-out": ("src/relay/deliver/outbound.cpp", "  timer_->set(loop_.now() + profile_.connect_timeout);\n", ""),
    "a-retry-has-no-timer": ("src/relay/deliver/delivery.cpp", "  wake_->set(shutting_down_ ? std::nullopt : when);\n", ""),
    "an-inbound-connection-is-counted-for-ever": ("src/relay/receive/listening.cpp", "  limits_.release(found->second.address, profile_.number);\n", ""),
    "an-outbound-connection-is-counted-for-ever": ("src/relay/deliver/delivery_connections.cpp", "  budget_.give_back(connection->second.standing);\n", ""),
    "memory-of-a-transaction-is-kept": ("src/relay/receive/reception.cpp", "    shared_.memory.fetch_sub(memory_, std::memory_order_relaxed);\n", ""),
    "an-acknowledged-message-is-not-queued": ("src/relay/receive/reception.cpp", "    shared_.accept(std::move(claimed));\n", ""),
    "a-failure-is-not-told": ("src/relay/deliver/settling.cpp", "  const bool tells = !job.message->head()->reverse_path.is_null();\n", "  const bool tells = false;\n"),
    "a-notification-is-not-queued": ("src/relay/deliver/settling.cpp", "        shared_.accept({std::move(notification)});\n", ""),
    "a-message-never-leaves-the-spool": ("src/io/rocksdb/jobs.cpp", "  if (finished) remove_message(", "  if (false) remove_message("),
    "a-message-leaves-the-spool-at-its-first-settlement": ("src/io/rocksdb/jobs.cpp", "!defers && (in_hand || !last_number(batch, id.message))", "!defers"),
    "deferred-is-delivered": ("src/relay/queue/settle.cpp", "        again.push_back(index);\n", "        verdict.delivered.push_back(index);\n"),
    "given-up-at-the-first-trouble": ("src/relay/queue/settle.cpp", "const bool too_old = gives_up(retry, job.message->head()->arrived, now.wall);",
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
    "a-commit-is-not-synced": ("src/io/rocksdb/committer.cpp", "  options.sync = sync_ && batch.sync;", "  options.sync = false;"),
    "a-commit-is-answered-before-it-is-written": ("src/io/rocksdb/committer.cpp", "    const Result<> result = write(changes);\n    note(result);\n    tell(std::move(changes), result);\n",
                                                  "    std::vector<Change> early = changes;\n    for (Change& change : changes) change.executor = nullptr, change.committed = nullptr;\n"
                                                  "    tell(std::move(early), Result<>());\n    note(write(changes));\n"),
    "a-record-is-there-before-its-file": ("src/io/rocksdb/incoming.cpp", "    if (result) result = incoming->file.sync_and_close();\n", ""),
    "the-names-of-files-are-not-synced": ("src/io/rocksdb/data_file.cpp", "  return sync_directory(directory_);\n", "  return {};\n"),
    "the-name-of-the-spool-is-not-synced": ("src/io/rocksdb/store.cpp", 'sync_directory(directory + "/..")', "sync_directory(directory)"),
    "what-no-record-names-is-not-swept": ("src/io/rocksdb/store.cpp", "    remove_data_file(data_directory_, *id);\n    ++swept;\n", "    ++swept;\n"),
    "a-roll-back-keeps-its-file": ("src/io/rocksdb/incoming.cpp", "{ gone->remove(); }", "{}"),
    "what-came-of-a-recipient-is-not-written": ("src/io/rocksdb/jobs.cpp", "      batch.records.Put(job_key(id), encode(rest));\n", ""),
    "a-settlement-is-dropped": ("src/io/rocksdb/rocksdb_spool.cpp", "        const auto effect = store_.jobs().settle(batch, job);\n",
                                "        if (job.claim.job.message.value % 8 == 0) continue;\n        const auto effect = store_.jobs().settle(batch, job);\n"),
    "a-withdrawal-is-dropped": ("src/io/rocksdb/incoming.cpp", "      store.committer().submit(std::move(change));\n    } else if", "    } else if"),
    "what-a-failed-sync-has-lost-is-not-written-again": ("src/io/rocksdb/file_system.cpp", "      if (std::exchange(write_again_, false) && keeps_unsynced_) {", "      if (false) {"),
    "what-an-earlier-run-wrote-is-not-written-again": ("src/io/rocksdb/wal.cpp", "write_and_sync(descriptor, log.substr(from), from)", "write_and_sync(descriptor, log.substr(log.size()), from)"),
    "a-disk-is-in-trouble-for-ever": ("src/io/rocksdb/disk.cpp", "  if (--waiting_ != 0 || frozen_) return;\n", "  return;\n"),
    "a-disk-that-was-full-stays-full": ("src/io/rocksdb/store.cpp", "    workers_->run([this] {\n      check_space();\n", "    workers_->run([this] {\n"),
    "closed-without-waiting-for-R": ("src/protocol/smtp/server_connection.cpp", "    if (layer_.is_over()) end_or_go_on(now);\n", "    end_or_go_on(now);\n"),
    "plaintext-again-behind-R-alone": ("src/protocol/smtp/server_connection.cpp", "    course_ = Course::replying;\n",
                                       "    end_session();\n    finish_layer(now);\n    layer_ = tls::Layer(now);\n    begin_plaintext(false, now);\n"),
    "S-is-not-said": ("src/protocol/smtp/server_connection.cpp", "      if (layer_.is_tls()) {\n        close_layer(now);",
                      "      if (layer_.is_tls()) {\n        end_session();\n        finish_layer(now);\n        course_ = Course::ending;\n        layer_.drop();"),
    "octets-behind-R-cost-nothing": ("src/protocol/smtp/server_connection.cpp", "} else if (layer_.unread() != 0) {", "} else if (false) {"),
    "a-session-outlives-its-layer": (
        "src/protocol/smtp/server_connection.cpp", "    end_session();\n    if (layer_.is_over())", "    if (!stays_plain_) end_session();\n    if (layer_.is_over())",
        "  session_ = std::make_unique<ServerSession>(profile_.session, layer, now, standing_.counts);\n  course_",
        "  if (!session_) session_ = std::make_unique<ServerSession>(profile_.session, layer, now, standing_.counts);\n  course_"),
    "the-client-takes-a-reply-in-clear": (
        "src/protocol/smtp/client_connection.cpp", "  switch (layer_.receive(octets)) {",
        "  if (layer_.is_tls() && session_ && octets[0] == '2') {\n    session_->receive(octets, now);\n    return;\n  }\n  switch (layer_.receive(octets)) {"),
    "FIN-is-read-as-R": ("src/protocol/smtp/server_connection.cpp", "      case tls::ChannelEvent::broken: break_layer(",
                         "      case tls::ChannelEvent::broken:\n        if (layer_.failure().event == tls::Event::fin && layer_.info() != nullptr) {\n"
                         "          peer_closed(now);\n          return false;\n        }\n        break_layer("),
    "delivered-once-durable": ("src/relay/receive/reception.cpp", "    transaction.durable = true;\n", "    transaction.durable = true;\n    transaction.acknowledge();\n"),
    "what-is-acknowledged-is-taken-for-a-duplicate": ("src/relay/receive/reception.cpp", "    shared_.accept(std::move(claimed));\n",
                                                      "    shared_.accept(std::move(claimed));\n    unconfirmed();\n"),
    "5xx-is-taken-for-4xx": ("src/protocol/smtp/client_transaction.cpp", "reply.permanent() ? Fate::failed : Fate::deferred", "Fate::deferred"),
    "4xx-is-taken-for-5xx": ("src/protocol/smtp/client_transaction.cpp", "reply.permanent() ? Fate::failed : Fate::deferred", "Fate::failed"),
    "a-back-off-never-ends": ("src/relay/queue/queue.cpp", "  while (!blocked_.empty() && blocked_.begin()->first <= now.instant) {", "  while (false) {"),
    "connections-beyond-their-bound": ("src/relay/deliver/connection_budget.cpp", "return used < limit_ && (", "return ("),
    "a-next-hop-waits-for-another-one": ("src/relay/deliver/delivery_connections.cpp", "    settling_.put_back(others, destination);\n    if",
                                         "    settling_.put_back(others, destination);\n    paused_until_ = loop_.now() + back_off.wait;\n    if"),
    "a-closure-record-without-its-connection": ("src/relay/observe/closure_record.cpp", "  line.optional(\"connection\", connection);\n", ""),
    "a-disconnect-record-without-its-connection": ("src/relay/observe/events.cpp", "line.optional(\"connection\", record.connection).field", "line.field"),
    "a-layer-is-recorded-twice": ("src/relay/receive/inbound.cpp", "  for (tls::LayerEnd& end : connection_.take_layer_ends()) {\n",
                                  "  for (tls::LayerEnd& end : connection_.take_layer_ends()) {\n    if (end.ending == tls::Ending::rst) closures_.record({observe::Role::server, end, peer_, listener_.name, {}, id_}, listener_.alarm);\n"),
    "an-attempt-is-counted-twice": ("src/relay/observe/metrics.cpp", "      if (attempts_before == 0) ++deferred;", "      ++deferred;"),
    "a-duplicate-is-not-counted": ("src/relay/receive/reception.cpp", "      ++shared_.metrics.duplicates;\n", ""),
    "an-attempt-is-not-told": ("src/relay/deliver/delivery.cpp", "    if (outcomes[i].at_once) continue;", "    if (outcomes[i].at_once || outcomes[i].fate == smtp::Fate::failed) continue;"),
    "a-domain-that-does-not-exist-is-deferred": ("src/relay/route/mx_order.cpp", "decided({5, 1, 2}, \"domain \" + domain + \" does not exist\")",
                                                 "decided({4, 1, 2}, \"domain \" + domain + \" does not exist\")"),
    "a-name-service-in-trouble-fails": ("src/relay/route/mx_order.cpp", "decided({4, 4, 3}, \"mail exchangers", "decided({5, 4, 3}, \"mail exchangers"),
    "an-address-in-trouble-fails": ("src/relay/deliver/search.cpp", "  if (temporary_) return route::no_addresses(place_.destination.domain, true);\n", ""),
    "the-exchangers-behind-are-not-tried": ("src/relay/deliver/delivery_connections.cpp", "    search_on(found->first, dialled);\n",
                                            "    static_cast<void>(dialled);\n    unreachable(found, *failure);\n"),
    "what-this-machine-lacks-is-the-next-hops-fault": ("src/relay/deliver/outbound.cpp", "lacked_descriptors_ = stream.error().whose == Whose::ours;",
                                                       "lacked_descriptors_ = false;"),
    "nobody-looks-for-descriptors-again": ("src/relay/deliver/delivery.cpp",
                                           "  if (paused_until_ > loop_.now() && (!when || paused_until_ < *when)) when = paused_until_;\n", ""),
    "a-claim-is-given-twice": ("src/io/rocksdb/jobs_due.cpp", "  if (!is_new && (held->second.token == 0 || ", "  if (false && (held->second.token == 0 || "),
    "a-deferral-is-not-queued": ("src/io/rocksdb/jobs.cpp", "  batch.records.Put(queued, ::rocksdb::Slice());\n", ""),
    "a-due-time-is-lost": ("src/relay/deliver/settling.cpp", "      for (const auto& [destination, due] : deferred) shared_.queued(destination, due);\n", ""),
    "the-next-due-time-is-lost": ("src/relay/deliver/delivery.cpp", "  queue_.fetched(destination, due->next, now());\n", "  queue_.fetched(destination, std::nullopt, now());\n"),
    "what-was-in-hand-is-not-queued": ("src/io/rocksdb/store.cpp", "  done = jobs_->queue_what_was_in_hand();\n", ""),
    "what-is-put-in-front-is-not-seen": ("src/io/rocksdb/jobs_due.cpp", "  place->second.key = std::min(place->second.key, key);\n", ""),
    "a-place-in-the-queue-stays": ("src/io/rocksdb/jobs.cpp", "      if (ends && !leaves_hand) batch.records.Delete(queue_key(", "      if (false) batch.records.Delete(queue_key("),
    "what-is-given-back-is-dropped": ("src/relay/deliver/delivery.cpp", "    settling_.put_back({std::move(job)}, destination);\n", ""),
    "a-back-off-keeps-its-jobs-claimed": ("src/relay/deliver/delivery_connections.cpp", "    settling_.put_back(others, destination);\n    if", "    if"),
    "those-that-are-split-off-are-lost": ("src/io/rocksdb/jobs.cpp", "    if (!ends) again.number = std::max(", "    if (!ends) again.number = std::min("),
    "a-timer-for-ever": ("src/relay/deliver/delivery_connections.cpp", "  loop_.post([timer = std::shared_ptr(std::move(connection->second.idle)), search",
                         "  static_cast<void>(connection->second.idle.release());\n  loop_.post([search"),
    # Those that stand here as they once stood in the relay: mail lost or told wrongly, waits, and what nobody was told.
    "a-failure-is-settled-before-it-is-told": ("src/relay/deliver/settling.cpp",
                                               "      failures.push_back({job.claim, ", "      settlement.done.push_back(failure.index);\n      failures.push_back({job.claim, "),
    "a-notification-is-queued-without-a-line": ("src/relay/deliver/settling.cpp", "        shared_.log.write(LogLevel::info, observe::notification_queued(*notification.head, id));\n", ""),
    "what-our-own-limits-refuse-is-a-clients-error": ("src/protocol/smtp/server_session.cpp", "    if (!reply.permanent() || in_its_wake || ", "    if (reply.code < 400 || in_its_wake || "),
    "what-comes-behind-a-command-that-is-put-off-is-a-clients-error": ("src/protocol/smtp/server_session.cpp", "    put_off |= reply.transient();\n", ""),
    "too-many-recipients-wait-for-their-turn": ("src/protocol/smtp/client_transaction.cpp", "      outcome->at_once = too_many_ = true;\n", ""),
    "a-job-waits-for-a-connection-that-is-busy": ("src/relay/queue/queue.cpp", "site.doing(Doing::opening) >= site.due.size()", "site.doing(Doing::opening) + site.doing(Doing::sending) >= site.due.size()"),
    "no-connection-is-set-aside-for-those-that-answer": ("src/relay/deliver/connection_budget.cpp", "(standing == Standing::reached || unreached_ < limit_ - set_aside_)", "true"),
    "mail-without-a-message-id-is-taken-for-a-duplicate": ("src/relay/receive/reception.cpp", "return window_ != Duration(0) && message_id_.found();", "return window_ != Duration(0);"),
    "a-configured-host-that-does-not-exist-fails": ("src/relay/route/mx_order.cpp", "return decided({4, 4, 4}, named", "return decided({5, 4, 4}, named"),
    "what-one-exchanger-defers-waits-for-the-same-one": ("src/relay/deliver/delivery_connections.cpp", "  if (go_elsewhere(connection, job, outcomes)) return;\n", ""),
    "addresses-of-ipv6-all-come-first": ("src/relay/route/address_order.cpp", "    if (i < v4.size()) ordered.push_back(v4[i]);\n  }\n", "  }\n  ordered.insert(ordered.end(), v4.begin(), v4.end());\n"),
    "a-family-without-a-route-costs-a-try": ("src/relay/deliver/outbound.cpp", "  if (stream || stream.error().whose == Whose::peer) ++dialled_;\n", "  ++dialled_;\n"),
    "a-name-that-cannot-exist-is-deferred": ("src/relay/deliver/search.cpp", "!fault.empty()) {", "false) {"),
    "the-relay-dials-itself": ("src/relay/deliver/outbound.cpp", "    if (listener.port != remote.port) return false;\n", "    return false;\n"),
    "the-relay-dials-addresses-of-its-machine": ("src/relay/deliver/search.cpp", "    if (is_mx()) refused = ", "    if (false) refused = "),
    "text-continues-our-trace-field": ("src/protocol/smtp/incoming_message.cpp", "  boundary.feed(out);\n", ""),
    "8-bit-octets-go-to-whoever-does-not-take-them": ("src/protocol/smtp/client_session.cpp", "  if (takes_it || ", "  if (true || "),
    "8-bit-octets-go-undeclared": ("src/relay/receive/reception.cpp", "  head.body = transaction.body();\n", "  head.body = mail::BodyType::seven_bit;\n"),
    "no-delivery-in-clear-where-opportunistic-tls-fails": ("src/relay/deliver/outbound.cpp", "} else if (end.tls_failed && ", "} else if (false && end.tls_failed && "),
    "a-delivery-in-clear-where-tls-is-required": ("src/relay/deliver/outbound.cpp", "end.tls_failed && profile_.plaintext_after_tls_failure && ", "end.tls_failed && "),
    "long-local-parts-are-refused": ("src/protocol/smtp/command_grammar.cpp", "  if (!local_part || !skip", "  if (!local_part || local_part->size() > 64 || !skip"),
    "mail-data-with-a-nul-is-taken": ("src/protocol/smtp/incoming_message.cpp", "  if (decoder->saw_nul() && ", "  if (false && "),
    "a-recipient-that-is-named-twice-is-two": ("src/protocol/smtp/server_session.cpp", "    if (open.message.recipients.contains(same)) return say(reply::recipient_ok());  // it is there already, once\n", ""),
    "commands-as-devices-write-them-are-refused": ("src/protocol/smtp/server_session.cpp", "profile.lenient_commands ? command::Syntax::lenient : ", "false ? command::Syntax::lenient : "),
    "a-layer-has-no-number": ("src/protocol/smtp/server_session.cpp", "counts.layers >= profile.limits.layers", "false"),
    "an-octet-of-a-command-renews-its-time": ("src/protocol/smtp/server_session.cpp", "(self.reader.in_line() ? self.line_began : self.last_heard)", "self.last_heard"),
    "an-octet-of-the-replies-renews-their-time": ("src/protocol/smtp/server_connection.cpp",
                                                  "without a call of next_action.\n  if (output().empty()) {\n    write_deadline_.reset();\n  } else if (!write_deadline_) {",
                                                  "without a call of next_action.\n  if (output().empty()) {\n    write_deadline_.reset();\n  } else {"),
    "deliveries-begin-while-the-spool-takes-nothing": ("src/relay/deliver/delivery.cpp", "  held_up_ = shared_.spool.trouble().has_value();\n", ""),
    "failures-that-come-together-are-told-one-by-one": ("src/relay/deliver/settling.cpp", "  if (stopping_ || with->only_failures_left()) {", "  if (true) {"),
    "an-alert-does-not-go-where-replies-wait": (
        "src/protocol/smtp/server_connection.cpp", "layer_.alert_waits() ? !promise_in_records() : layer_.in_records() == 0;", "layer_.in_records() == 0;",
        "      ServerAction action = session_->next_action();\n", "      ServerAction action = session_->next_action();\n      encrypt(Encrypting::all);\n"),
    "a-clock-that-steps-back-puts-retries-off": ("src/relay/queue/queue.cpp", "now.instant + std::min(wait, longest_wait_)", "now.instant + wait"),
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


def build_mutant(build, compile_of, link, folder, file, *changes):
    path = ROOT / file
    text = path.read_text()
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        if text.count(old) < 1:
            raise SystemExit(f"{file} has no longer what the mutant changes: {old!r}")
        text = text.replace(old, new)
    source = folder / path.name
    source.write_text(text)
    command = shlex.split(compile_of[str(path)])
    command[command.index("-o") + 1] = str(folder / "mutant.o")
    command[command.index("-c") + 1] = str(source)
    for option in ("-MF", "-MT"):
        command[command.index(option) + 1] = str(folder / "mutant.d")
    # The one file that is compiled anew is run for seconds: to optimise it takes longer than it saves.
    command = [word for word in command if not word.endswith("ccache")] + [f"-I{path.parent}", "-w", "-O0", "-g0", "-U_FORTIFY_SOURCE"]
    subprocess.run(command, check=True, cwd=build)
    words = shlex.split(re.sub(r"^: && | && :$", "", link))
    at = words.index("-o")
    words[at + 1] = str(folder / "world")
    words.insert(at, str(folder / "mutant.o"))
    subprocess.run(words, check=True, cwd=build)
    return folder / "world"


def kind_of(fault):
    """What did not hold, without where."""
    return fault.strip().split(": ")[0]


def look_for(build, compile_of, link, name, seeds):
    """Whether the mutant was found, and a line that tells how it showed."""
    with tempfile.TemporaryDirectory() as folder:
        world = build_mutant(build, compile_of, link, pathlib.Path(folder), *MUTANTS[name])
        found = subprocess.run([world, "--until-fault", str(seeds)], capture_output=True, text=True)
    told = found.stdout.splitlines()
    if found.returncode == 0:
        return False, f"MISSED {name}: {seeds} seeds"
    if found.returncode == 1 and told:
        return True, f"found  {name}: {told[0].split(' (')[0]}: {told[1].strip()}"
    words = (found.stderr.splitlines() or ["no words"])[-1]
    return True, f"found  {name}: the process ended ({found.returncode}): {words}"


def find(build, names, seeds):
    """Prints for each mutant the seed that found it, and how it showed. Returns 1 when one was not found, else 0."""
    compile_of, link = commands(build)
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as several:
        for was_found, line in several.map(lambda name: look_for(build, compile_of, link, name, seeds), names):
            missed += not was_found
            print(line, flush=True)
    print(f"{len(names) - missed} passed, {missed} failed, 0 skipped")
    return 1 if missed else 0
