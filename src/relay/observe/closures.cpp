// See closures.h.
#include "adieu/relay/observe/closures.h"

#include "adieu/relay/observe/events.h"

namespace adieu::observe {

Closures::Closures(Log& log, std::size_t peers, std::function<WallTime()> wall)
    : log_(log), wall_(std::move(wall)), ledger_(peers), connections_(wall_()) {}

Closures::~Closures() {
  tell_strangers(true);
  save();
  if (worker_) worker_->finish();
}

void Closures::keep_in(Result<std::unique_ptr<LedgerStore>> store) {
  Result<std::size_t> loaded = store ? (*store)->load(ledger_) : Result<std::size_t>(tl::unexpected<Error>(store.error()));
  if (!loaded) {
    log_.write(LogLevel::error, LogLine("closure-ledger")
                                    .field("error", loaded.error().message)
                                    .field("hint", "mail goes on; the ledger begins anew, and is not kept over a restart"));
    return;
  }
  if (*loaded != 0) {
    log_.write(LogLevel::warning, LogLine("closure-ledger").field("damaged", static_cast<std::int64_t>(*loaded)).field("hint", "these peers begin anew"));
  }
  store_ = std::move(*store);
  worker_ = std::make_unique<Workers>(1);
}

void Closures::tell_strangers(bool all) {
  if (const auto summary = ledger_.take_summary(wall_(), all)) log_.write(LogLevel::info, summary->line());
}

void Closures::save() {
  tell_strangers(false);
  if (worker_) worker_->run([this] { save_now(); });
}

void Closures::save_now() {
  const Result<> saved = ledger_.save([this](const auto& changes) { return store_->save(changes); });
  if (in_trouble_ == !saved) return;
  in_trouble_ = !saved;
  if (saved) {
    log_.write(LogLevel::info, LogLine("closure-ledger-recovered"));
  } else {
    log_.write(LogLevel::error, LogLine("closure-ledger").field("error", saved.error().message).field("hint", "mail goes on; the ledger of this run may be lost"));
  }
}

void Closures::record(const ClosureRecord& record, config::Alarm policy) {
  if (!record.end.secure) {
    log_.write(record.level(), disconnect(record));
    return;
  }
  LogLevel level = record.level();
  if (level == LogLevel::warning && ledger_.is_stranger(record, wall_())) level = LogLevel::info;
  if (log_.enabled(level)) log_.write(level, record.line());
  if (const auto alarm = ledger_.add(record, policy, stopping_, wall_())) log_.write(LogLevel::warning, alarm->line());
}

}  // namespace adieu::observe
