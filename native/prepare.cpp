// What happens before the first layer: sequences, groups, working memory, rotations and embeddings.
#include <cmath>
#include <cstring>

#include "pack.hpp"
#include "product.hpp"

namespace quiver {
namespace {

constexpr int kGroupUnits = 512;

}  // namespace

void Model::prepare(const Batch& batch, std::span<const PrefixHandle> kept) {
  const int rows = int(batch.token_ids.size());
  sequences_.clear();
  units_.clear();
  position_.resize(rows);
  sequence_of_.resize(rows);
  int longest = 0;
  for (size_t i = 0; i + 1 < batch.boundaries.size(); i++) {
    const Prefix* prefix = batch.prefixes[i].get();
    Sequence s{};
    s.first_row = int(batch.boundaries[i]);
    s.length = int(batch.boundaries[i + 1]) - s.first_row;
    s.start = prefix ? prefix->length : 0;
    s.first_unit = int(units_.size());
    s.unit_count = (s.start + s.length + kUnit - 1) / kUnit;
    s.shared_units = s.start / kUnit;
    s.partial = s.start % kUnit ? &prefix->units[s.shared_units] : nullptr;
    if (prefix) units_.insert(units_.end(), prefix->units.begin(), prefix->units.begin() + s.shared_units);
    for (int u = s.shared_units; u < s.unit_count; u++)
      units_.push_back(kept.empty() ? UnitRef{nullptr, 0} : kept[i]->units[u]);
    longest = std::max(longest, s.start + s.length);
    for (int r = 0; r < s.length; r++) {
      position_[s.first_row + r] = s.start + r;
      sequence_of_[s.first_row + r] = int(i);
    }
    sequences_.push_back(s);
  }
  for (int r = int(identity_.size()); r < rows; r++) identity_.push_back(r);
  form_groups();
  extend_rotations(longest);
  lay_out_buffers(rows, kept.empty());
  if (kept.empty()) place_units();
  embed(batch.token_ids);
}

// Whole sequences go through a layer together: so many that products are large, so few that their keys and values
// take little memory.
void Model::form_groups() {
  groups_.clear();
  most_rows_ = most_units_ = 0;
  Group group{};
  int units = 0;
  const auto close = [&] {
    groups_.push_back(group);
    most_rows_ = std::max(most_rows_, group.last_row - group.first_row);
    most_units_ = std::max(most_units_, units);
    group.first_row = group.last_row;
    group.first_sequence = group.last_sequence;
    units = 0;
  };
  for (const Sequence& s : sequences_) {
    const int own = s.unit_count - s.shared_units;
    const bool full = group.last_row - group.first_row + s.length > kBlockRows || units + own > kGroupUnits;
    if (full && group.last_row > group.first_row) close();
    group.last_row += s.length;
    group.last_sequence++;
    units += own;
  }
  close();
}

// Every group takes the same memory. It begins as zeros: positions behind a sequence's last must weigh nothing, which
// NaN would not.
void Model::place_units() {
  std::memset(buffers_.units, 0, most_units_ * unit_bytes());
  for (const Group& group : groups_) {
    std::byte* unit = buffers_.units;
    for (int i = group.first_sequence; i < group.last_sequence; i++) {
      const Sequence& s = sequences_[i];
      for (int u = s.shared_units; u < s.unit_count; u++, unit += unit_bytes()) units_[s.first_unit + u] = {unit, 0};
    }
  }
}

void Model::lay_out_buffers(int rows, bool own_units) {
  const int block = std::min(most_rows_, kBlockRows) + kPanel;
  const int width = std::max({shape_.padded_hidden(), shape_.padded_inner(), shape_.attended_width()});
  Buffers& b = buffers_;
  b.hidden_stride = shape_.padded_hidden() + kPanel;
  b.query_stride = padded_stride(shape_.attended_width(), attention_element_);
  b.inner_stride = padded_stride(shape_.padded_inner(), attention_element_);
  b.rounded_stride = padded_stride(width, Element::kInt8);
  const size_t rows_at_once = kernels_.row_block + kPanel;
  b.product = rows_at_once * (kMostPanels + 1) * kPanel * sizeof(float);
  const size_t rests = rounds_ ? b.product + rows_at_once * b.rounded_stride : 0;
  const size_t queries = size_t(kQueryBlock * shape_.group() + kPanel);
  const size_t attention = queries * (2 * shape_.channels() + 2 * kKeyBlock + 2) * sizeof(float);
  const size_t row = (width + kPanel) * sizeof(float);
  arena_.lay_out([&](auto take) {
    b.hidden = as<float>(take((rows + kPanel) * b.hidden_stride * sizeof(float)));
    b.queries = take(block * b.query_stride);
    b.units = take(own_units ? most_units_ * unit_bytes() : 0);
    b.rows = take(block * padded_stride(shape_.padded_hidden(), attention_element_));
    b.inner = take(block * b.inner_stride);
    b.rounded = take(rounds_ ? block * b.rounded_stride : 0);
    b.rest = take(rounds_ ? block * b.rounded_stride : 0);
    b.scales = as<float>(take(block * sizeof(float)));
    b.rest_scales = as<float>(take(block * sizeof(float)));
    b.thread.resize(threads_);
    for (auto& scratch : b.thread) scratch = take(std::max({b.product + rests, attention, row}));
  });
  const size_t used = shape_.query_width() * element_size(attention_element_);
  for (int r = 0; r < block; r++) std::memset(b.queries + r * b.query_stride + used, 0, b.query_stride - used);
  const size_t inner = shape_.inner / kPanel * kPanel * element_size(attention_element_);
  for (int r = 0; r < block; r++) std::memset(b.inner + r * b.inner_stride + inner, 0, b.inner_stride - inner);
}

void Model::extend_rotations(int positions) {
  if (positions <= rotations_) return;
  const int half = shape_.half();
  positions = round_up(positions, 512);
  cosine_.resize(size_t(positions) * half, 0.0f);
  sine_.resize(size_t(positions) * half, 0.0f);
  for (int p = rotations_; p < positions; p++)
    for (size_t i = 0; i < weights_.frequencies.size(); i++) {
      const double angle = float(p) * weights_.frequencies[i];
      cosine_[size_t(p) * half + i] = float(std::cos(angle)) * weights_.rotation_scale;
      sine_[size_t(p) * half + i] = float(std::sin(angle)) * weights_.rotation_scale;
    }
  rotations_ = positions;
}

void Model::embed(std::span<const int32_t> token_ids) {
  const size_t bytes = size_t(shape_.hidden) * element_size(weights_.embedding_element);
  for (size_t r = 0; r < token_ids.size(); r++) {
    float* row = hidden(int(r));
    std::fill_n(row, shape_.padded_hidden(), 0.0f);
    widen_row(kernels_, weights_.embedding + size_t(token_ids[r]) * bytes, weights_.embedding_element,
              shape_.hidden, row);
  }
}

}  // namespace quiver
