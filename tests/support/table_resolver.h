// A name service that is a table: answers when `run` is called, never within the question.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "adieu/protocol/dns/resolver.h"

namespace adieu::test {

class TableResolver final : public dns::Resolver {
 public:
  std::map<std::string, std::vector<dns::MailExchanger>> exchangers;  // none: NXDOMAIN
  std::map<std::string, std::vector<std::string>> hosts;              // none: NXDOMAIN; empty: no data
  std::vector<std::string> in_trouble;                                // names that get a temporary failure
  std::vector<std::string> asked;                                     // "MX example.net", "A mx.example.net", in order

  void mail_exchangers(const std::string& domain, std::function<void(dns::MailExchangers)> done) override {
    answer("MX ", domain, exchangers, std::move(done), [](const dns::MailExchanger& record) { return record; });
  }
  void addresses(const std::string& host, std::function<void(dns::Addresses)> done) override {
    answer("A ", host, hosts, std::move(done), [](const std::string& text) { return *IpAddress::parse(text); });
  }
  /// Gives the answers that are due, and those that the questions of their receivers make due.
  void run() {
    while (!due_.empty()) {
      const auto next = std::move(due_.front());
      due_.erase(due_.begin());
      next();
    }
  }

 private:
  template <class Record, class Entry, class Read>
  void answer(const std::string& type, const std::string& name, const std::map<std::string, std::vector<Entry>>& table,
              std::function<void(dns::Answer<Record>)> done, Read read) {
    asked.push_back(type + name);
    dns::Answer<Record> answer;
    const auto found = table.find(name);
    if (std::find(in_trouble.begin(), in_trouble.end(), name) != in_trouble.end()) {
      answer.why = "no answer";
    } else if (found == table.end()) {
      answer.status = dns::Status::no_domain;
    } else {
      for (const Entry& entry : found->second) answer.records.push_back(read(entry));
      answer.status = answer.records.empty() ? dns::Status::no_data : dns::Status::found;
    }
    due_.push_back([done = std::move(done), answer = std::move(answer)] { done(answer); });
  }
  std::vector<std::function<void()>> due_;
};

}  // namespace adieu::test
