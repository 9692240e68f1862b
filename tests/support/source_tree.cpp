// See source_tree.h.
#include "support/source_tree.h"

namespace adieu {

std::string in_source_tree(const std::string& path) { return std::string(ADIEU_SOURCE_DIR "/") + path; }

}  // namespace adieu
