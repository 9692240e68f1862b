// See sink.h.
#include "tools/sink.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <system_error>
#include <vector>

#include "adieu/protocol/smtp/reply_catalog.h"
#include "adieu/relay/receive/listening.h"
#include "io/gnutls/channel.h"
#include "io/uv/stream.h"

namespace adieu::tools {
namespace {

constexpr std::size_t kConnections = 10'000;
constexpr int kCertificateDays = 30;
constexpr std::size_t kLedgerPeers = 100;

/// A message on its way into a file; the file gets its name when the reply has been handed over.
class SunkTransaction final : public smtp::Transaction {
 public:
  SunkTransaction(std::string temporary, std::string final_name) : temporary_(std::move(temporary)), final_(std::move(final_name)) {}
  ~SunkTransaction() override {
    if (!kept_) ::unlink(temporary_.c_str());
  }
  void acknowledge() noexcept override { kept_ = ::rename(temporary_.c_str(), final_.c_str()) == 0; }

  std::string header;      // written in front of the mail data
  bool append(const std::string& mail_data) {
    if (!file_.is_open()) {
      file_.open(temporary_, std::ios::binary | std::ios::trunc);
      file_ << header;
    }
    file_ << mail_data;
    return file_.good();
  }
  bool finish() {
    if (!append({})) return false;
    file_.close();
    return file_.good();
  }

 private:
  std::string temporary_;
  std::string final_;
  std::ofstream file_;
  bool kept_ = false;
};

class SinkHandler final : public receive::MailHandler {
 public:
  explicit SinkHandler(std::string directory) : directory_(std::move(directory)) {}

  std::optional<smtp::Answer> ask(const receive::Client&, smtp::Question question, std::function<void(smtp::Answer)>) override {
    if (auto* mail = std::get_if<smtp::MailQuestion>(&question)) {
      const std::string number = std::to_string(::getpid()) + "-" + std::to_string(++count_);
      auto transaction = std::make_unique<SunkTransaction>(directory_ + "/." + number + ".part", directory_ + "/" + number + ".eml");
      transaction->header = "X-Reverse-Path: <" + mail->reverse_path.text() + ">\r\n";
      return smtp::MailAnswer(std::move(transaction));
    }
    if (auto* recipient = std::get_if<smtp::RecipientQuestion>(&question)) {
      sunk(recipient->transaction).header += "X-Forward-Path: <" + recipient->forward_path.text() + ">\r\n";
      return smtp::RecipientAnswer{smtp::reply::recipient_ok()};
    }
    if (auto* data = std::get_if<smtp::AppendQuestion>(&question)) {
      smtp::AppendAnswer answer;
      if (!sunk(data->transaction).append(data->mail_data)) answer.refusal = smtp::reply::insufficient_storage();
      return answer;
    }
    auto& commit = std::get<smtp::CommitQuestion>(question);
    const bool stored = sunk(commit.transaction).finish();
    return smtp::CommitAnswer{stored ? smtp::reply::queued("sunk") : smtp::reply::insufficient_storage()};
  }

 private:
  static SunkTransaction& sunk(smtp::Transaction* transaction) { return static_cast<SunkTransaction&>(*transaction); }

  const std::string directory_;
  std::uint64_t count_ = 0;
};

}  // namespace

namespace {

Result<> run(const Endpoint& endpoint, const std::string& directory, Log& log) {
  if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) return tl::unexpected<Error>(error_of_errno("make " + directory, errno));
  const std::string name = "sink.adieu.invalid";
  const auto pem = gnutls::make_self_signed(name, kCertificateDays);
  if (!pem) return tl::unexpected<Error>(pem.error());
  auto credentials = gnutls::make_server_credentials(*pem, "NORMAL");
  if (!credentials) return tl::unexpected<Error>(credentials.error());
  auto socket = uv::listen_tcp(endpoint);
  if (!socket) return tl::unexpected<Error>(socket.error());
  const auto bound = uv::local_endpoint(socket->get());
  if (!bound) return tl::unexpected<Error>(bound.error());

  receive::ListenerProfile profile;
  profile.name = bound->text();
  profile.channels = std::make_unique<gnutls::ServerChannels>(std::move(*credentials));
  profile.connection.session.hostname = name;
  profile.connection.session.limits.transactions = ~std::size_t{0};
  profile.connection.tls = smtp::ServerTls::optional;
  profile.connection.channels = profile.channels.get();
  access::ConnectionLimits limits({kConnections, kConnections, kConnections, 0, {0}});

  uv::Loop loop;
  SinkHandler handler(directory);
  observe::Closures closures(log, kLedgerPeers, [&loop] { return loop.wall(); });
  receive::Listening listening(loop, profile, limits, handler, closures, log, [&loop] { loop.stop(); });
  listening.begin([&](Listener::User& user) { return std::make_unique<uv::Listener>(loop, std::move(*socket), user); });
  const auto stop = [&listening] { listening.shut_down(); };
  const uv::Signal term(loop, SIGTERM, stop);
  const uv::Signal interrupt(loop, SIGINT, stop);
  log.write(LogLevel::info, LogLine("listening").field("on", profile.name).field("sink", directory));
  loop.run();
  return {};
}

}  // namespace

Result<> run_sink(const Endpoint& endpoint, const std::string& directory, Log& log) {
  try {
    return run(endpoint, directory, log);
  } catch (const std::system_error& error) {
    return failure(ErrorKind::unavailable, error.what());
  }
}

}  // namespace adieu::tools
