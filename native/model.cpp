#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "product.hpp"
#include "threads.hpp"

namespace quiver {
namespace {

constexpr size_t kKeptRows = 16384;  // a batch of more rows gives its working memory back

// Rows in blocks of about equal size.
template <class Block>
void in_blocks(std::span<const int32_t> rows, Block&& block) {
  const int count = int(rows.size()), size = even_block(count, kBlockRows);
  for (int first = 0; first < count; first += size) block(rows.subspan(first, std::min(size, count - first)));
}

}  // namespace

Model::Model(Shape shape, Weights weights, Element precision, const Kernels& kernels, int threads)
    : shape_(shape), weights_(std::move(weights)), kernels_(kernels), threads_(threads),
      query_scale_(float(1.4426950408889634 / std::sqrt(double(shape.head_dim)))) {
  attention_element_ =
      precision != Element::kFloat32 && kernels.bf16_rows ? Element::kBfloat16 : Element::kFloat32;
  rounds_ = precision == Element::kInt8;
}

void Model::run(const Batch& batch, std::span<const int64_t> rows, float* out) {
  const auto lock = Threads::claim(threads_);
  prepare(batch, {});
  std::vector<int32_t> wanted(rows.begin(), rows.end());
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  forward(wanted, false);
  std::vector<float> normed(shape_.padded_hidden());
  for (size_t i = 0; i < rows.size(); i++) {
    const int place = int(std::lower_bound(wanted.begin(), wanted.end(), int32_t(rows[i])) - wanted.begin());
    kernels_.rms_norm(hidden(place), weights_.final_norm, shape_.padded_hidden(), shape_.hidden, shape_.eps,
                      normed.data());
    std::copy_n(normed.data(), shape_.hidden, out + i * shape_.hidden);
  }
  if (position_.size() > kKeptRows) arena_.release();
}

std::vector<PrefixHandle> Model::keep(const Batch& batch) {
  const auto lock = Threads::claim(threads_);
  std::vector<PrefixHandle> kept;
  for (size_t i = 0; i + 1 < batch.boundaries.size(); i++) {
    auto prefix = std::make_shared<Prefix>();
    const auto& parent = batch.prefixes[i];
    const int start = parent ? parent->length : 0;
    prefix->length = start + int(batch.boundaries[i + 1] - batch.boundaries[i]);
    prefix->parent = parent;
    if (parent) prefix->units.assign(parent->units.begin(), parent->units.begin() + start / kUnit);
    const int own = (prefix->length + kUnit - 1) / kUnit - start / kUnit;
    const size_t stride = own * unit_bytes();
    prefix->memory = std::make_unique<std::byte[]>(stride * shape_.layers + kLine);
    const auto address = reinterpret_cast<uintptr_t>(prefix->memory.get());
    std::byte* aligned = prefix->memory.get() + (kLine - address % kLine) % kLine;
    for (int u = 0; u < own; u++) prefix->units.push_back({aligned + u * unit_bytes(), stride});
    kept.push_back(std::move(prefix));
  }
  prepare(batch, kept);
  forward({}, true);
  return kept;
}

void Model::forward(std::span<const int32_t> wanted, bool keeps) {
  for (int layer = 0; layer + 1 < shape_.layers; layer++)
    for (const Group& group : groups_) run_layer(layer, group);
  auto next = wanted.begin();
  for (const Group& group : groups_) {
    const auto first = next;
    next = std::lower_bound(first, wanted.end(), group.last_row);
    run_last_layer(group, {first, next}, int(first - wanted.begin()), keeps);
  }
}

// Where one block does not hold a text, keys and values of all rows come first; then queries, attention and the rest
// block by block, so that only one block's queries need room.
void Model::run_layer(int layer, const Group& group) {
  const auto rows = rows_of(group);
  const bool at_once = int(rows.size()) <= kBlockRows;
  place_keys_and_values(layer, group, at_once ? 0 : shape_.query_heads);
  in_blocks(rows, [&](auto block) {
    if (!at_once) project(layer, 0, shape_.query_heads, block);
    attend(layer, block);
    finish_rows(layer, block);
  });
}

// Keys and values of all rows; the rest only of those that are wanted, which move to `place`.
void Model::run_last_layer(const Group& group, std::span<const int32_t> wanted, int place, bool keeps) {
  const int layer = shape_.layers - 1;
  place_keys_and_values(layer, group, shape_.query_heads);
  if (keeps) return;
  in_blocks(wanted, [&](auto block) {
    project(layer, 0, shape_.query_heads, block);
    attend(layer, block);
    for (int32_t row : block) {
      std::memmove(hidden(place), hidden(row), shape_.padded_hidden() * sizeof(float));
      place++;
    }
    finish_rows(layer, std::span<const int32_t>(identity_).subspan(place - block.size(), block.size()));
  });
}

// And the queries' heads from `first_head` on.
void Model::place_keys_and_values(int layer, const Group& group, int first_head) {
  copy_partial_units(layer, group);
  const int heads = shape_.query_heads + 2 * shape_.key_value_heads - first_head;
  in_blocks(rows_of(group), [&](auto block) { project(layer, first_head, heads, block); });
}

// What follows attention in a layer.
void Model::finish_rows(int layer, std::span<const int32_t> rows) {
  add_attended(weights_.layers[layer], rows);
  feed_forward(weights_.layers[layer], rows);
}

void Model::copy_partial_units(int layer, const Group& group) {
  const auto sequences = std::span(sequences_).subspan(group.first_sequence, group.last_sequence - group.first_sequence);
  const auto continues = [](const Sequence& s) { return s.partial != nullptr; };
  if (std::none_of(sequences.begin(), sequences.end(), continues)) return;
  Threads::run(int(sequences.size()), threads_, [&](int i, int) {
    const Sequence& s = sequences[i];
    if (s.partial != nullptr)
      std::memcpy(units_[s.first_unit + s.shared_units].at(layer), s.partial->at(layer), unit_bytes());
  });
}

Model::Rows Model::normed(const float* norm, const Matrix& matrix, std::span<const int32_t> rows) {
  Buffers& b = buffers_;
  const int width = shape_.padded_hidden(), count = int(rows.size());
  const Element element = row_element(matrix);
  const size_t stride = padded_stride(width, element);
  each_row(count, [&](int row, float* out) {
    kernels_.rms_norm(hidden(rows[row]), norm, width, shape_.hidden, shape_.eps, out);
    if (element == Element::kInt8) round_row(out, matrix, row, b.rows, stride);
    else kernels_.narrow(out, width, element, b.rows + row * stride);
  });
  return {b.rows, stride, count, b.scales, b.rest, b.rest_scales};
}

void Model::add_to_hidden(const Matrix& matrix, const Rows& x, std::span<const int32_t> rows) {
  multiply(matrix, 0, matrix.panel_count(), 1, x,
           [&](int row, int count, int panel, int width, float* numbers, size_t stride) {
             for (int r = 0; r < count; r++)
               kernels_.add(hidden(rows[row + r]) + panel * kPanel, numbers + r * stride, width * kPanel);
           });
}

void Model::add_attended(const LayerWeights& layer, std::span<const int32_t> rows) {
  add_to_hidden(layer.out, rounded(buffers_.queries, buffers_.query_stride, layer.out, int(rows.size())), rows);
}

void Model::feed_forward(const LayerWeights& layer, std::span<const int32_t> rows) {
  const Rows x = normed(layer.feed_forward_norm, layer.gate_up, rows);
  multiply(layer.gate_up, 0, layer.gate_up.panel_count(), 2, x,
           [&](int row, int count, int panel, int width, float* numbers, size_t stride) {
             for (int r = 0; r < count; r++) {
               float* gate_up = numbers + r * stride;
               kernels_.silu_multiply(gate_up, width / 2 * kPanel, gate_up);
               std::byte* place = buffers_.inner + (row + r) * buffers_.inner_stride;
               kernels_.narrow(gate_up, width / 2 * kPanel, attention_element_,
                               place + panel / 2 * kPanel * element_size(attention_element_));
             }
           });
  add_to_hidden(layer.down, rounded(buffers_.inner, buffers_.inner_stride, layer.down, int(rows.size())), rows);
}

}  // namespace quiver
