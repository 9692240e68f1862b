// Where the tree is that is tested. In one place, so that nothing else that is compiled depends on its path, and a compiler's cache serves every
// checkout.
#pragma once

#include <string>

namespace adieu {

/// `path` below the top of the tree.
std::string in_source_tree(const std::string& path);

}  // namespace adieu
