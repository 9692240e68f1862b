// A message on its way into the durable spool: buffered while it is small, streamed into a file of its own beyond that. Rules R9 and R10.
#pragma once

#include <memory>

#include "adieu/relay/spool/spool.h"
#include "io/rocksdb/store.h"

namespace adieu::rocksdb {

/// Both outlive it.
std::unique_ptr<spool::Transaction> begin_incoming(Store& store, Executor& executor);

}  // namespace adieu::rocksdb
