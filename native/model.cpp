#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "pack.hpp"
#include "threads.hpp"

namespace quiver {
namespace {

constexpr int kBlockRows = 1024;    // rows that pass through a layer's products together
constexpr int kMostPanels = kMostChannels / kPanel;  // panels that a task multiplies at once
constexpr size_t kKeptRows = 16384;  // a batch of more rows gives its working memory back
constexpr int kTasksPerThread = 4;  // enough that threads end together

size_t padded_stride(int width, Element element) {
  return round_up(width, kInputMultiple) * element_size(element) + kLine;  // rows must not meet in one cache set
}

template <class T>
T* as(std::byte* p) {
  return reinterpret_cast<T*>(p);
}

}  // namespace

Model::Model(Shape shape, Weights weights, Element precision, const Kernels& kernels, int threads)
    : shape_(shape), weights_(std::move(weights)), kernels_(kernels), threads_(threads),
      query_scale_(float(1.4426950408889634 / std::sqrt(double(shape.head_dim)))) {
  attention_element_ =
      precision != Element::kFloat32 && kernels.bf16_rows ? Element::kBfloat16 : Element::kFloat32;
  row_element_ = precision == Element::kInt8 ? Element::kInt8 : attention_element_;
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

void Model::prepare(const Batch& batch, std::span<const PrefixHandle> kept) {
  const int rows = int(batch.token_ids.size());
  sequences_.clear();
  units_.clear();
  position_.resize(rows);
  sequence_of_.resize(rows);
  int longest = 0, transient = 0;
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
    transient += s.unit_count - s.shared_units;
    longest = std::max(longest, s.start + s.length);
    for (int r = 0; r < s.length; r++) {
      position_[s.first_row + r] = s.start + r;
      sequence_of_[s.first_row + r] = int(i);
    }
    sequences_.push_back(s);
  }
  for (int r = int(identity_.size()); r < rows; r++) identity_.push_back(r);
  extend_rotations(longest);
  lay_out_buffers(rows, kept.empty() ? transient : 0);
  std::byte* unit = buffers_.units;
  for (const Sequence& s : sequences_) {
    if (!kept.empty()) break;
    for (int u = s.shared_units; u < s.unit_count; u++, unit += unit_bytes()) units_[s.first_unit + u] = {unit, 0};
    std::memset(unit - unit_bytes(), 0, unit_bytes());  // positions behind the last must weigh nothing, not NaN
  }
  embed(batch.token_ids);
}

void Model::lay_out_buffers(int rows, int units) {
  const int block = std::min(rows, kBlockRows) + kPanel, all = rows + kPanel;
  const int width = std::max({shape_.padded_hidden(), shape_.padded_inner(), shape_.attended_width()});
  Buffers& b = buffers_;
  b.hidden_stride = shape_.padded_hidden() + kPanel;
  b.query_stride = padded_stride(shape_.attended_width(), attention_element_);
  b.row_stride = padded_stride(shape_.padded_hidden(), row_element_);
  b.inner_stride = padded_stride(shape_.padded_inner(), attention_element_);
  b.rounded_stride = padded_stride(width, Element::kInt8);
  const size_t product = size_t(kernels_.row_block + kPanel) * kMostPanels * kPanel * sizeof(float);
  const size_t queries = size_t(kQueryBlock * shape_.group() + kPanel);
  const size_t attention = queries * (2 * shape_.channels() + 2 * kKeyBlock + 2) * sizeof(float);
  const size_t row = (width + kPanel) * sizeof(float);
  arena_.lay_out([&](auto take) {
    b.hidden = as<float>(take(all * b.hidden_stride * sizeof(float)));
    b.queries = take(all * b.query_stride);
    b.units = take(units * unit_bytes());
    b.rows = take(block * b.row_stride);
    b.inner = take(block * b.inner_stride);
    b.rounded = row_element_ == Element::kInt8 ? take(block * b.rounded_stride) : nullptr;
    b.scales = as<float>(take(block * sizeof(float)));
    b.thread.resize(threads_);
    for (auto& scratch : b.thread) scratch = take(std::max({product, attention, row}));
  });
  const size_t used = shape_.query_width() * element_size(attention_element_);
  for (int r = 0; r < rows; r++) std::memset(b.queries + r * b.query_stride + used, 0, b.query_stride - used);
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

void Model::forward(std::span<const int32_t> wanted, bool keeps) {
  const int count = int(position_.size()), heads = shape_.query_heads, pairs = 2 * shape_.key_value_heads;
  const auto all = std::span<const int32_t>(identity_).first(count);
  plan_attention(all);
  for (int layer = 0; layer < shape_.layers; layer++) {
    const bool is_last = layer == shape_.layers - 1;
    copy_partial_units(layer);
    for (int first = 0; first < count; first += kBlockRows) {
      const auto block = all.subspan(first, std::min(kBlockRows, count - first));
      if (is_last) project(layer, heads, pairs, block, first);
      else project(layer, 0, heads + pairs, block, first);
    }
    if (is_last && keeps) return;
    const auto rows = is_last ? wanted : all;
    const int kept = int(rows.size());
    if (is_last) plan_attention(rows);
    for (int first = 0; is_last && first < kept; first += kBlockRows)
      project(layer, 0, heads, rows.subspan(first, std::min(kBlockRows, kept - first)), first);
    attend(layer, rows);
    for (int i = 0; is_last && i < kept; i++)
      std::memmove(hidden(i), hidden(rows[i]), shape_.padded_hidden() * sizeof(float));
    for (int first = 0; first < kept; first += kBlockRows) {
      const int block = std::min(kBlockRows, kept - first);
      add_attended(weights_.layers[layer], first, block);
      feed_forward(weights_.layers[layer], first, block);
    }
  }
}

void Model::copy_partial_units(int layer) {
  const auto continues = [](const Sequence& s) { return s.partial != nullptr; };
  if (std::none_of(sequences_.begin(), sequences_.end(), continues)) return;
  Threads::run(int(sequences_.size()), threads_, [&](int i, int) {
    const Sequence& s = sequences_[i];
    if (s.partial != nullptr)
      std::memcpy(units_[s.first_unit + s.shared_units].at(layer), s.partial->at(layer), unit_bytes());
  });
}

// Multiplies and hands every finished block of numbers, still in the cache, to
// epilogue(first row, rows, first panel, panels, numbers, stride).
template <class Epilogue>
void Model::multiply(const Matrix& matrix, int first_panel, int panels, int align, const Rows& rows,
                     Epilogue&& epilogue) {
  const int row_blocks = (rows.count + kernels_.row_block - 1) / kernels_.row_block;
  const int shares = std::max(1, (threads_ * kTasksPerThread + row_blocks - 1) / row_blocks);
  const int most = std::max(align, kMostPanels / align * align);
  const int chunk = std::min(round_up((panels + shares - 1) / shares, align), most);
  const int chunks = (panels + chunk - 1) / chunk;
  const int lines = int(kernels_.panel_bytes / kLine);
  const size_t line_bytes = inputs_per_line(matrix.element) * element_size(row_element_);
  const auto product = kernels_.product_of(matrix.element);
  Threads::run(chunks * row_blocks, threads_, [&](int task, int thread) {
    const int row = task % row_blocks * kernels_.row_block, panel = task / row_blocks * chunk;
    const int row_count = std::min(kernels_.row_block, rows.count - row), width = std::min(chunk, panels - panel);
    float* numbers = as<float>(buffers_.thread[thread]);
    const size_t stride = size_t(width) * kPanel;
    for (int line = 0; line < matrix.lines(); line += lines)
      product({.rows = rows.data + row * rows.stride + line * line_bytes,
               .row_stride = rows.stride,
               .row_count = row_count,
               .panels = matrix.panels + (first_panel + panel) * matrix.panel_stride() + line * kLine,
               .panel_stride = matrix.panel_stride(),
               .panel_count = width,
               .lines = std::min(lines, matrix.lines() - line),
               .out = numbers,
               .out_stride = stride,
               .accumulate = line > 0});
    if (matrix.element == Element::kInt8) {
      const int output = (first_panel + panel) * kPanel;
      for (int r = 0; r < row_count; r++)
        kernels_.dequantize(numbers + r * stride, width * kPanel, rows.scales[row + r], matrix.scale + output,
                            kernels_.int8_bias, matrix.sums + output);
    }
    epilogue(row, row_count, panel, width, numbers, stride);
  });
}

Model::Rows Model::normed(const float* norm, std::span<const int32_t> rows) {
  const int width = shape_.padded_hidden(), count = int(rows.size());
  Threads::run((count + 15) / 16, threads_, [&](int task, int thread) {
    float* out = as<float>(buffers_.thread[thread]);
    for (int i = task * 16; i < std::min(count, task * 16 + 16); i++) {
      kernels_.rms_norm(hidden(rows[i]), norm, width, shape_.hidden, shape_.eps, out);
      std::byte* place = buffers_.rows + i * buffers_.row_stride;
      if (row_element_ == Element::kInt8)
        buffers_.scales[i] = kernels_.quantize(out, width, kernels_.int8_bias, as<uint8_t>(place));
      else
        kernels_.narrow(out, width, row_element_, place);
    }
  });
  return {buffers_.rows, buffers_.row_stride, count, buffers_.scales};
}

// Rows in the element that products take: themselves, or rounded to int8.
Model::Rows Model::rounded(const std::byte* data, size_t stride, int width, int count) {
  if (row_element_ != Element::kInt8) return {data, stride, count, nullptr};
  Threads::run((count + 15) / 16, threads_, [&](int task, int thread) {
    float* wide = as<float>(buffers_.thread[thread]);
    for (int i = task * 16; i < std::min(count, task * 16 + 16); i++) {
      kernels_.widen(data + i * stride, attention_element_, width, wide);
      buffers_.scales[i] = kernels_.quantize(wide, width, kernels_.int8_bias,
                                             as<uint8_t>(buffers_.rounded + i * buffers_.rounded_stride));
    }
  });
  return {buffers_.rounded, buffers_.rounded_stride, count, buffers_.scales};
}

void Model::project(int layer, int first_head, int heads, std::span<const int32_t> rows, int first_query) {
  const LayerWeights& weights = weights_.layers[layer];
  const int panels = shape_.channels() / kPanel, first_value = shape_.query_heads + shape_.key_value_heads;
  const Rows x = normed(weights.input_norm, rows);
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
                 if (head < shape_.query_heads) place_query(first_query + row + r, head, values);
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

void Model::add_to_hidden(const Matrix& matrix, const Rows& rows, int first) {
  multiply(matrix, 0, matrix.panel_count(), 1, rows,
           [&](int row, int count, int panel, int width, float* numbers, size_t stride) {
             for (int r = 0; r < count; r++)
               kernels_.add(hidden(first + row + r) + panel * kPanel, numbers + r * stride, width * kPanel);
           });
}

void Model::add_attended(const LayerWeights& layer, int first, int count) {
  const std::byte* attended = buffers_.queries + first * buffers_.query_stride;
  add_to_hidden(layer.out, rounded(attended, buffers_.query_stride, shape_.attended_width(), count), first);
}

void Model::feed_forward(const LayerWeights& layer, int first, int count) {
  const Rows x = normed(layer.feed_forward_norm, std::span<const int32_t>(identity_).subspan(first, count));
  multiply(layer.gate_up, 0, layer.gate_up.panel_count(), 2, x,
           [&](int row, int rows, int panel, int width, float* numbers, size_t stride) {
             for (int r = 0; r < rows; r++) {
               float* gate_up = numbers + r * stride;
               kernels_.silu_multiply(gate_up, width / 2 * kPanel, gate_up);
               std::byte* place = buffers_.inner + (row + r) * buffers_.inner_stride;
               kernels_.narrow(gate_up, width / 2 * kPanel, attention_element_,
                               place + panel / 2 * kPanel * element_size(attention_element_));
             }
           });
  add_to_hidden(layer.down, rounded(buffers_.inner, buffers_.inner_stride, shape_.padded_inner(), count), first);
}

}  // namespace quiver
