// Which instruction sets this processor and its operating system can run.
#pragma once

#include <string_view>
#include <vector>

#include "kernels/kernels.hpp"

namespace quiver {

// Best first; empty on a processor without AVX2.
const std::vector<const Kernels*>& supported_kernels();

// Null for a name that is unknown or not supported here.
const Kernels* find_kernels(std::string_view name);

}  // namespace quiver
