// A Qwen3 network over packed sequences: shapes, weights, kept prefixes, and the forward pass.
//
// Letters: T rows (tokens) of a batch, E hidden size, H query heads, G key/value heads, D channels of a head,
// each half of it filled up to a multiple of 16, F intermediate size.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "arena.hpp"
#include "layout.hpp"

namespace quiver {

struct Shape {
  int layers, hidden, inner, query_heads, key_value_heads, head_dim;
  float eps;
  bool causal = true;  // else a row attends to its whole text, and no prefix may be kept

  int half() const { return round_up(head_dim / 2, kPanel); }
  int channels() const { return 2 * half(); }
  int group() const { return query_heads / key_value_heads; }
  int padded_hidden() const { return round_up(hidden, kInputMultiple); }
  int padded_inner() const { return round_up(inner, kInputMultiple); }
  int query_width() const { return query_heads * channels(); }
  int attended_width() const { return round_up(query_width(), kInputMultiple); }
};

// Norms are filled up with zeros: hidden norms to padded_hidden(), head norms to channels().
struct LayerWeights {
  Matrix qkv, out, gate_up, down;
  const float *input_norm, *query_norm, *key_norm, *feed_forward_norm;
};

struct Weights {
  const std::byte* embedding;
  Element embedding_element;
  std::vector<LayerWeights> layers;
  const float* final_norm;
  std::span<const float> frequencies;  // [D / 2] radians a position
  float rotation_scale;
};

// One unit of keys and values of all heads, in every layer.
struct UnitRef {
  std::byte* base;
  size_t layer_stride;
  std::byte* at(int layer) const { return base + size_t(layer) * layer_stride; }
};

// Kept keys and values of a sequence that others continue. Units before its own belong to its parents.
struct Prefix {
  int length;
  std::vector<UnitRef> units;
  std::shared_ptr<Prefix> parent;
  std::unique_ptr<std::byte[]> memory;
};
using PrefixHandle = std::shared_ptr<Prefix>;

struct Batch {
  std::span<const int32_t> token_ids;      // [T]
  std::span<const int64_t> boundaries;     // [N + 1]
  std::span<const PrefixHandle> prefixes;  // [N], null for none
};

class Model {
 public:
  Model(Shape shape, Weights weights, Element precision, const Kernels& kernels, int threads);

  // Rows of the batch behind the final norm: out [rows, E].
  void run(const Batch& batch, std::span<const int64_t> rows, float* out);

  // Runs the sequences and keeps their keys and values.
  std::vector<PrefixHandle> keep(const Batch& batch);

  UnitLayout unit_layout() const { return {shape_.channels(), attention_element_}; }

 private:
  // Rows ready for a product. Of int8: `scales` undo the rounding, and `rest_scales` that of what it left, in a row
  // of `rest`; they are zero for rows without.
  struct Rows {
    const std::byte* data;
    size_t stride;
    int count;
    const float* scales;
    const std::byte* rest;
    const float* rest_scales;
  };
  // Panels that a task multiplies at once.
  struct Part {
    const Matrix& matrix;
    int first_panel, panels;
    size_t stride() const { return size_t(panels + 1) * kPanel; }  // apart from powers of two, which share cache lines
  };
  struct Sequence {
    int first_row, length, start;  // start: positions in its prefix
    int first_unit, unit_count, shared_units;
    const UnitRef* partial;  // its prefix's last unit, if that is not full
  };
  // Sequences that go through a layer together: [first, last) of rows and of sequences.
  struct Group {
    int first_row, last_row, first_sequence, last_sequence;
  };
  // Queries first .. last of one sequence that see the same last block of keys.
  struct AttentionTask {
    int first, last, sequence;
  };
  struct Buffers {
    float* hidden;
    std::byte *queries, *units, *rows, *inner, *rounded, *rest;
    float *scales, *rest_scales;
    size_t hidden_stride, query_stride, inner_stride, rounded_stride;  // hidden in floats, else bytes
    size_t product;  // bytes of the numbers that a task makes at once
    std::vector<std::byte*> thread;
  };

  void prepare(const Batch& batch, std::span<const PrefixHandle> kept);
  void form_groups();
  void place_units();
  void lay_out_buffers(int rows, bool own_units);
  void extend_rotations(int positions);
  void embed(std::span<const int32_t> token_ids);
  void forward(std::span<const int32_t> wanted, bool keeps);
  void run_layer(int layer, const Group& group);
  void run_last_layer(const Group& group, std::span<const int32_t> wanted, int place, bool keeps);
  void place_keys_and_values(int layer, const Group& group, int first_head);
  void finish_rows(int layer, std::span<const int32_t> rows);
  void copy_partial_units(int layer, const Group& group);
  void project(int layer, int first_head, int heads, std::span<const int32_t> rows);
  void turn_head(int layer, int row, int head, float* values);
  void place_query(int query, int head, const float* values);
  void place_key(int layer, int row, int head, const float* values);
  void place_values(int layer, std::span<const int32_t> rows, int head, const float* values, size_t stride);
  void place_value_pair(const UnitLayout& layout, std::byte* unit, int slot, const float* even, const float* odd);
  std::byte* unit_of(int layer, int row, int head) const;
  void plan_attention(std::span<const int32_t> rows);
  void attend(int layer, std::span<const int32_t> rows);
  void attend_head(int layer, const AttentionTask& task, std::span<const int32_t> rows, int head, int thread);
  void add_attended(const LayerWeights& layer, std::span<const int32_t> rows);
  void feed_forward(const LayerWeights& layer, std::span<const int32_t> rows);
  Rows normed(const float* norm, const Matrix& matrix, std::span<const int32_t> rows);
  Rows rounded(const std::byte* data, size_t stride, const Matrix& matrix, int count);
  void round_row(const float* row, const Matrix& matrix, int index, std::byte* out, size_t stride);
  void multiply_rows(const Part& part, const std::byte* rows, size_t stride, int count, float* numbers);
  void undo_rounding(const Part& part, const Rows& rows, int first, int count, float* numbers);
  void add_to_hidden(const Matrix& matrix, const Rows& x, std::span<const int32_t> rows);
  template <class Work>
  void each_row(int count, Work&& work);
  template <class Epilogue>
  void multiply(const Matrix& matrix, int first_panel, int panels, int align, const Rows& rows, Epilogue&& epilogue);

  std::span<const int32_t> rows_of(const Group& group) const {
    return std::span<const int32_t>(identity_).subspan(group.first_row, group.last_row - group.first_row);
  }
  // What rows must be in for a product with a matrix.
  Element row_element(const Matrix& matrix) const {
    return matrix.element == Element::kInt8 ? Element::kInt8 : attention_element_;
  }
  float* hidden(int row) const { return buffers_.hidden + size_t(row) * buffers_.hidden_stride; }
  size_t unit_bytes() const { return unit_layout().head_bytes() * shape_.key_value_heads; }

  Shape shape_;
  Weights weights_;
  Element attention_element_;
  bool rounds_;  // whether there are matrices in int8
  const Kernels& kernels_;
  int threads_;
  float query_scale_;  // the softmax's scale and its change to base 2
  Arena arena_;
  Buffers buffers_;
  std::vector<Sequence> sequences_;
  std::vector<Group> groups_;
  int most_rows_ = 0, most_units_ = 0;  // of a group
  std::vector<UnitRef> units_;
  std::vector<int32_t> position_, sequence_of_, identity_;
  std::vector<AttentionTask> tasks_;
  std::vector<float> cosine_, sine_;
  int rotations_ = 0;
};

}  // namespace quiver
