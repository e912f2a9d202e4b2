// Packing: from the rows of a checkpoint to panels.
#pragma once

#include <span>
#include <vector>

#include "layout.hpp"

namespace quiver {

// A matrix as a checkpoint stores it: rows of `columns` elements, one row an output.
struct Source {
  const std::byte* data;
  Element element;
  int columns;
};

// Which row of which source an output takes, and which column an input; -1 means zeros.
struct PackOrder {
  std::span<const int32_t> source, row, column;
};

// Where a packed matrix goes: what Matrix has, the last three for int8 only.
struct Packed {
  std::byte* panels;
  float* scale;
  int32_t* sums;
  float* input_scale;
};

// Packs a matrix of order.row.size() outputs by order.column.size() inputs. `input_sizes` says, for int8, how large
// the inputs are beside each other; zero if that is not known. Returns false if a weight is not finite.
bool pack(const Kernels& kernels, int threads, std::span<const Source> sources, const PackOrder& order,
          Element element, std::span<const float> input_sizes, const Packed& packed);

// A stored row of any length as floats, filled up with zeros to a multiple of 16; reads nothing behind the row.
void widen_row(const Kernels& kernels, const std::byte* row, Element element, int columns, float* out);

}  // namespace quiver
