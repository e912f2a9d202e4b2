// Grouped-query attention over units of keys and values: of the positions up to a row's own or, if it is not causal,
// of the whole text.
//
// Keys are met in blocks that begin at multiples of 128 positions of the text, whatever prefix holds them and
// whatever else runs: so a row's result is the same however the text was packed. A task holds queries that see
// the same last block, and keeps the running softmax of each.
#include <algorithm>
#include <cstring>

#include "model.hpp"
#include "threads.hpp"

namespace quiver {

void Model::plan_attention(std::span<const int32_t> rows) {
  tasks_.clear();
  for (int first = 0; first < int(rows.size());) {
    const int sequence = sequence_of_[rows[first]], block = position_[rows[first]] / kQueryBlock;
    int last = first + 1;
    while (last < int(rows.size()) && sequence_of_[rows[last]] == sequence &&
           position_[rows[last]] / kQueryBlock == block)
      last++;
    tasks_.push_back({first, last, sequence});
    first = last;
  }
}

void Model::attend(int layer, std::span<const int32_t> rows) {
  plan_attention(rows);
  const int heads = shape_.key_value_heads, count = int(tasks_.size());
  // The last tasks of a text see the most keys: they go first, so that no thread ends long after the others.
  Threads::run(count * heads, threads_, [&](int task, int thread) {
    attend_head(layer, tasks_[count - 1 - task / heads], rows, task % heads, thread);
  });
}

void Model::attend_head(int layer, const AttentionTask& task, std::span<const int32_t> rows, int head, int thread) {
  const UnitLayout layout = unit_layout();
  const Sequence& sequence = sequences_[task.sequence];
  const int channels = shape_.channels(), group = shape_.group();
  const int count = (task.last - task.first) * group, padded = round_up(count, kPanel);
  const bool narrow = attention_element_ == Element::kBfloat16;
  const size_t query_bytes = channels * element_size(attention_element_);

  std::byte* scratch = buffers_.thread[thread];
  auto* output = reinterpret_cast<float*>(scratch);
  auto* scores = output + size_t(padded) * channels;
  auto* states = reinterpret_cast<SoftmaxState*>(scores + size_t(padded) * kKeyBlock);
  const size_t weight_bytes = kKeyBlock * element_size(attention_element_);
  auto* behind = reinterpret_cast<std::byte*>(states + padded);
  std::byte* weights = narrow ? behind : reinterpret_cast<std::byte*>(scores);
  std::byte* queries = behind + (narrow ? padded * weight_bytes : 0);
  auto place = [&](int q) {
    return buffers_.queries + (task.first + q / group) * buffers_.query_stride + (head * group + q % group) * query_bytes;
  };
  for (int q = 0; q < count; q++) {
    std::memcpy(queries + q * query_bytes, place(q), query_bytes);
    states[q] = {-__builtin_inff(), 0.0f};
  }
  std::fill_n(output, size_t(count) * channels, 0.0f);

  const auto product = kernels_.product_of(attention_element_);
  const auto visible_to = [&](int row) {
    return shape_.causal ? position_[row] + 1 : sequence.start + sequence.length;
  };
  const int most_visible = visible_to(rows[task.last - 1]);
  const int units = (most_visible + kUnit - 1) / kUnit, per_block = kKeyBlock / kUnit;
  for (int first = 0; first < units; first += per_block) {
    const int here = std::min(per_block, units - first);
    auto unit = [&](int u) {
      return units_[sequence.first_unit + first + u].at(layer) + head * layout.head_bytes();
    };
    for (int u = 0; u < here; u++)
      product({.rows = queries, .row_stride = query_bytes, .row_count = count, .panels = unit(u),
               .panel_stride = layout.key_panel_stride(), .panel_count = kUnit / kPanel,
               .lines = channels / layout.depth(), .out = scores + u * kUnit, .out_stride = kKeyBlock,
               .accumulate = false});
    for (int q = 0; q < count; q++) {
      const int visible = visible_to(rows[task.first + q / group]) - first * kUnit;
      kernels_.softmax(scores + q * kKeyBlock, here * kUnit, visible, states[q], output + size_t(q) * channels,
                       channels, attention_element_, weights + q * weight_bytes);
    }
    const int lines = here * kUnit / layout.depth(), unit_lines = kUnit / layout.depth();
    const std::byte* pieces[kKeyBlock / kPieceLines];
    for (int line = 0; line < lines; line += kPieceLines)
      pieces[line / kPieceLines] = unit(line / unit_lines) + layout.values_offset() + line % unit_lines * kLine;
    product({.rows = weights, .row_stride = weight_bytes, .row_count = count, .panels = nullptr,
             .panel_stride = layout.value_panel_stride(), .panel_count = channels / kPanel, .lines = lines,
             .out = output, .out_stride = size_t(channels), .accumulate = true, .pieces = pieces});
  }
  for (int q = 0; q < count; q++) {
    float* row = output + size_t(q) * channels;
    kernels_.scale(row, channels, 1.0f / states[q].sum);
    kernels_.narrow(row, channels, attention_element_, place(q));
  }
}

}  // namespace quiver
