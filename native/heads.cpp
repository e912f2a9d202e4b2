// Queries, keys and values: from the product to the places where attention reads them.
#include <cstring>

#include "product.hpp"

namespace quiver {

// Rows' heads from `first_head` on, in the order of the product: queries, keys, values.
void Model::project(int layer, int first_head, int heads, std::span<const int32_t> rows) {
  const LayerWeights& weights = weights_.layers[layer];
  const int panels = shape_.channels() / kPanel, first_value = shape_.query_heads + shape_.key_value_heads;
  const Rows x = normed(weights.input_norm, weights.qkv, rows);
  multiply(weights.qkv, first_head * panels, heads * panels, panels, x,
           [&](int row, int count, int panel, int width, float* numbers, size_t stride) {
             for (int p = 0; p < width; p += panels) {
               const int head = first_head + (panel + p) / panels;
               float* values = numbers + p * kPanel;
               if (head >= first_value) {
                 place_values(layer, rows.subspan(row, count), head - first_value, values, stride);
                 continue;
               }
               for (int r = 0; r < count; r++, values += stride) {
                 turn_head(layer, rows[row + r], head, values);
                 if (head < shape_.query_heads) place_query(row + r, head, values);
                 else place_key(layer, rows[row + r], head - shape_.query_heads, values);
               }
             }
           });
}

// Norms a query or key and turns it by its position.
void Model::turn_head(int layer, int row, int head, float* values) {
  const LayerWeights& weights = weights_.layers[layer];
  const bool is_query = head < shape_.query_heads;
  const size_t half = shape_.half(), angles = position_[row] * half;
  kernels_.rms_norm(values, is_query ? weights.query_norm : weights.key_norm, shape_.channels(), shape_.head_dim,
                    shape_.eps, values);
  kernels_.rotate(values, cosine_.data() + angles, sine_.data() + angles, int(half), is_query ? query_scale_ : 1.0f);
}

void Model::place_query(int query, int head, const float* values) {
  std::byte* queries = buffers_.queries + query * buffers_.query_stride;
  const size_t bytes = shape_.channels() * element_size(attention_element_);
  kernels_.narrow(values, shape_.channels(), attention_element_, queries + head * bytes);
}

std::byte* Model::unit_of(int layer, int row, int head) const {
  const Sequence& s = sequences_[sequence_of_[row]];
  return units_[s.first_unit + position_[row] / kUnit].at(layer) + head * unit_layout().head_bytes();
}

void Model::place_key(int layer, int row, int head, const float* values) {
  uint32_t words[kMostChannels];  // a channel or, in bfloat16, two
  kernels_.narrow(values, shape_.channels(), attention_element_, words);
  const UnitLayout layout = unit_layout();
  const int slot = position_[row] % kUnit;
  auto* lane = as<uint32_t>(unit_of(layer, row, head) + slot / kPanel * layout.key_panel_stride()) + slot % kPanel;
  for (int i = 0; i < layout.channels / layout.depth(); i++) lane[i * kPanel] = words[i];
}

void Model::place_values(int layer, std::span<const int32_t> rows, int head, const float* values, size_t stride) {
  const UnitLayout layout = unit_layout();
  const bool pairs = attention_element_ == Element::kBfloat16;
  for (int r = 0; r < int(rows.size()); r++, values += stride) {
    std::byte* unit = unit_of(layer, rows[r], head) + layout.values_offset();
    const int slot = position_[rows[r]] % kUnit;
    if (!pairs) {
      for (int c = 0; c < layout.channels; c += kPanel)
        std::memcpy(unit + c / kPanel * layout.value_panel_stride() + slot * kLine, values + c, kLine);
    } else if (slot % 2 == 0 && r + 1 < int(rows.size()) && rows[r + 1] == rows[r] + 1 &&
               sequence_of_[rows[r + 1]] == sequence_of_[rows[r]]) {
      place_value_pair(layout, unit, slot, values, values + stride);
      r++, values += stride;
    } else {  // the other half of the pair may belong to another thread
      uint16_t narrowed[kMostChannels];
      kernels_.narrow(values, layout.channels, Element::kBfloat16, narrowed);
      for (int c = 0; c < layout.channels; c++) as<uint16_t>(unit)[layout.value_index(slot, c)] = narrowed[c];
    }
  }
}

// Values of two positions that share their lines.
void Model::place_value_pair(const UnitLayout& layout, std::byte* unit, int slot, const float* even, const float* odd) {
  uint16_t first[kMostChannels], second[kMostChannels];
  kernels_.narrow(even, layout.channels, Element::kBfloat16, first);
  kernels_.narrow(odd, layout.channels, Element::kBfloat16, second);
  for (int c = 0; c < layout.channels; c += kPanel) {
    auto* line = as<uint32_t>(unit + c / kPanel * layout.value_panel_stride() + slot / 2 * kLine);
    for (int lane = 0; lane < kPanel; lane++) line[lane] = first[c + lane] | uint32_t(second[c + lane]) << 16;
  }
}

}  // namespace quiver
