// See storage.h.
#include "storage.h"
#include "support/memory_spool.h"

namespace adieu::world {
namespace {

class MemoryStorage final : public Storage {
 public:
  MemoryStorage(Clock& clock, bool fails) {
    if (!fails) return;
    for (const auto operation : {test::SpoolOperation::begin, test::SpoolOperation::append, test::SpoolOperation::commit, test::SpoolOperation::read}) {
      spool_.fail(operation, static_cast<std::size_t>(clock.between(1, 20)), Error{ErrorKind::no_space, "the disk is full"});
    }
  }
  spool::Spool& port() override { return spool_; }
  void start(std::function<void()> ready) override {
    started_ = true;
    ready();
  }
  bool started() const override { return started_; }
  void kill() override { spool_.freeze(); }
  void bury() override {
    started_ = false;
    spool_.restart();
  }
  std::size_t stored() const override { return spool_.stored(); }
  bool was_in_trouble() const override { return false; }
  void judge_running(std::vector<std::string>&) override {}
  void judge(bool, std::vector<std::string>&) override {}

 private:
  test::MemorySpool spool_;
  bool started_ = false;
};

}  // namespace

std::unique_ptr<Storage> memory_storage(Clock& clock, bool fails) { return std::make_unique<MemoryStorage>(clock, fails); }

}  // namespace adieu::world
