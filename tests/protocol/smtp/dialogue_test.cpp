// The dialogues of tests/dialogues on the pure session: whole, split at every octet, one octet at a time, and cut at every octet.
// A dialogue: `C: ` lines are sent with CRLF (`\r`, `\n`, `\t`, `\0`, `\\` stand for octets; a `\` at the end leaves the CRLF out), `S: ` lines are what comes
// back, in order; `*` in them matches anything. `profile:` lines set something; `end: REASON` is how the session ends, `messages: N` how many are kept; `stored: `
// lines, written as `C: ` lines are, are the mail data of those messages in order.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/session_shell.h"
#include "support/source_tree.h"

namespace adieu::smtp {
namespace {

struct Dialogue {
  std::string wire;
  std::vector<std::string> replies;
  std::string end;
  int messages = 0;
  std::vector<std::string> stored;
  ServerProfile profile;
  ServerLayer layer;
};

std::string unescape(std::string_view text) {
  std::string out;
  bool ends_with_crlf = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
    } else if (i + 1 == text.size()) {
      ends_with_crlf = false;
    } else {
      const char c = text[++i];
      out += c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c;
    }
  }
  return ends_with_crlf ? out + "\r\n" : out;
}

Dialogue load(const std::filesystem::path& path) {
  Dialogue dialogue;
  dialogue.profile.hostname = "relay.example.org";
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto rest = [&](std::string_view prefix) { return line.substr(prefix.size()); };
    if (line.starts_with("C: ")) dialogue.wire += unescape(rest("C: "));
    if (line == "C:") dialogue.wire += "\r\n";
    if (line.starts_with("S: ")) dialogue.replies.push_back(rest("S: "));
    if (line.starts_with("end: ")) dialogue.end = rest("end: ");
    if (line.starts_with("messages: ")) dialogue.messages = std::stoi(rest("messages: "));
    if (line.starts_with("stored: ")) dialogue.stored.push_back(unescape(rest("stored: ")));
    if (line == "profile: normalize") dialogue.profile.bare_newlines = BareNewlines::normalize;
    if (line == "profile: strict") dialogue.profile.lenient_commands = false;
    if (line == "profile: starttls") dialogue.layer.offers_starttls = true;
    if (line == "profile: tls-required") dialogue.layer.offers_starttls = dialogue.layer.requires_tls = true;
    if (line == "profile: secure") dialogue.layer.secure = true;
    if (line == "profile: small") {
      dialogue.profile.limits.message_size = 40;
      dialogue.profile.limits.errors = 4;
      dialogue.profile.limits.recipients = 2;
      dialogue.profile.limits.hops = 1;
      dialogue.profile.limits.text_line = 30;
      dialogue.profile.limits.command_line = 64;
    }
  }
  return dialogue;
}

struct Trial {
  std::string output;
  std::string end = "open";
  test::Ledger ledger;
  int after_destruction_open = 0;
};

/// Feeds blocks of at most `block` octets, the first one of `first`, up to `cut`.
void run(const Dialogue& dialogue, std::size_t first, std::size_t block, std::size_t cut, Trial& result) {
  {
    ServerSession session(dialogue.profile, dialogue.layer, Instant());
    std::size_t size = first;
    std::size_t at = 0;
    const auto work = [&] {
      for (;;) {
        ServerAction action = session.next_action();
        if (auto* question = std::get_if<Question>(&action)) {
          session.answer(test::answer(std::move(*question), result.ledger));
          continue;
        }
        if (std::holds_alternative<BeginTls>(action)) result.end = "tls";
        if (const auto* end = std::get_if<EndSession>(&action)) result.end = name(end->reason);
        result.output += session.output();
        const bool idle = session.output().empty();
        session.sent(session.output().size());
        if (result.end != "open" || idle) return;
      }
    };
    work();
    while (at < cut && result.end == "open") {
      const std::size_t count = std::min({std::max<std::size_t>(size, 1), dialogue.wire.size() - at, cut - at});
      session.receive(std::string_view(dialogue.wire).substr(at, count), Instant());
      at += count;
      work();
      size = block;
    }
  }
  result.after_destruction_open = result.ledger.open;
}

bool matches(std::string_view pattern, std::string_view text) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  return text.starts_with(pattern.substr(0, star)) && text.ends_with(pattern.substr(star + 1));
}

void expect(const Dialogue& dialogue, const Trial& result, const std::string& how) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < result.output.size();) {
    const std::size_t end = result.output.find("\r\n", at);
    ASSERT_NE(end, std::string::npos) << how;
    lines.push_back(result.output.substr(at, end - at));
    at = end + 2;
  }
  for (std::size_t i = 0; i < std::max(lines.size(), dialogue.replies.size()); ++i) {
    const std::string got = i < lines.size() ? lines[i] : "(nothing)";
    const std::string want = i < dialogue.replies.size() ? dialogue.replies[i] : "(nothing)";
    ASSERT_TRUE(matches(want, got)) << how << ", reply " << i + 1 << "\n  want " << want << "\n  got  " << got;
  }
  EXPECT_EQ(result.ledger.committed.size(), static_cast<std::size_t>(dialogue.messages)) << how;
  for (std::size_t i = 0; i < dialogue.stored.size(); ++i) {
    ASSERT_LT(i, result.ledger.committed.size()) << how;
    EXPECT_EQ(result.ledger.committed[i].mail_data, dialogue.stored[i]) << how << ", message " << i + 1;
  }
  EXPECT_TRUE(dialogue.end.empty() || result.end == dialogue.end) << how << ": ends by " << result.end;
  EXPECT_EQ(result.after_destruction_open, 0) << how << ": a transaction outlived its session";
}

class Dialogues : public testing::TestWithParam<std::string> {};

TEST_P(Dialogues, goes_the_same_way_however_it_is_divided) {
  const Dialogue dialogue = load(in_source_tree("tests/dialogues/" + GetParam() + ".txt"));
  ASSERT_FALSE(dialogue.wire.empty());
  const std::size_t all = dialogue.wire.size();
  {
    Trial whole;
    run(dialogue, all, all, all, whole);
    expect(dialogue, whole, "whole");
    if (HasFatalFailure()) return;
  }
  // STARTTLS with something behind it is a matter of how it is divided; those dialogues say it in one piece only.
  if (dialogue.end == "octets behind STARTTLS") return;
  Trial octets;
  run(dialogue, 1, 1, all, octets);
  expect(dialogue, octets, "one octet at a time");
  for (std::size_t at = 1; at < all && !HasFailure(); ++at) {
    Trial split;
    run(dialogue, at, all, all, split);
    expect(dialogue, split, "split at " + std::to_string(at));
  }
}

TEST_P(Dialogues, R9_cut_anywhere_leaves_nothing_but_what_was_acknowledged) {
  const Dialogue dialogue = load(in_source_tree("tests/dialogues/" + GetParam() + ".txt"));
  Trial whole;
  run(dialogue, dialogue.wire.size(), dialogue.wire.size(), dialogue.wire.size(), whole);
  for (std::size_t cut = 0; cut < dialogue.wire.size(); ++cut) {
    Trial result;
    run(dialogue, cut, cut, cut, result);
    EXPECT_EQ(result.after_destruction_open, 0) << "cut at " << cut;
    EXPECT_EQ(result.ledger.revoked, 0) << "every reply was handed over";
    // As many messages as there were acknowledgements, each whole.
    std::size_t acknowledged = 0;
    for (std::size_t at = result.output.find("queued as"); at != std::string::npos; at = result.output.find("queued as", at + 1)) ++acknowledged;
    ASSERT_EQ(result.ledger.committed.size(), acknowledged) << "cut at " << cut;
    ASSERT_LE(result.ledger.committed.size(), whole.ledger.committed.size()) << "cut at " << cut;
    for (std::size_t i = 0; i < result.ledger.committed.size(); ++i) {
      ASSERT_EQ(result.ledger.committed[i], whole.ledger.committed[i]) << "cut at " << cut;
    }
  }
}

std::vector<std::string> all_dialogues() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(in_source_tree("tests/dialogues"))) {
    names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Dialogues, Dialogues, testing::ValuesIn(all_dialogues()), [](const auto& one) { return one.param; });

}  // namespace
}  // namespace adieu::smtp
