// How packed matrices lie in memory.
//
// A matrix of N outputs by K inputs is cut into panels of 16 outputs. A panel is a run of lines of 64 bytes, and
// a line holds the next few inputs of all 16 outputs, those of one output side by side:
//
//              output 0      output 1            output 15
//   float32    k             k             ...   k               1 input  a line
//   bfloat16   k, k+1        k, k+1        ...   k, k+1          2 inputs a line
//   int8       k, .., k+3    k, .., k+3    ...   k, .., k+3      4 inputs a line
//
//   panel 0:  line 0 | line 1 | ...     (outputs  0 .. 15)
//   panel 1:  line 0 | line 1 | ...     (outputs 16 .. 31)
//
// A line is one cache line, one AVX-512 register, two AVX2 registers and one row of an AMX tile, and what lies
// in 32 bits of it is what the dot-product instructions take: so every instruction set reads the same file. K is
// filled up with zeros to a multiple of 64 and N to one of 16. Packed files outlive a build: whoever changes what
// pack() writes raises LAYOUT_VERSION (native_weights.py).
//
// Keys and values lie likewise, in units of 32 positions of one key/value head: two panels whose outputs are
// keys (K = channels), then panels whose outputs are channels (K = positions). Attention is thus two products of
// the same kind as all others.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.hpp"

namespace quiver {

constexpr int kPanel = 16;
constexpr size_t kLine = 64;
constexpr int kInputMultiple = 64;
constexpr int kUnit = 32;
constexpr int kKeyBlock = 128;      // keys that attention meets at once
constexpr int kQueryBlock = 64;     // positions whose queries go together
constexpr int kMostChannels = 512;  // of a head, which one task must hold whole

constexpr int round_up(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }
constexpr int inputs_per_line(Element e) { return 4 / int(element_size(e)); }

// A packed matrix. The last three exist for int8 only: what undoes the rounding of an output, the sum of its
// rounded weights, and what an input is multiplied by before it is rounded, since its weights were divided by it.
struct Matrix {
  const std::byte* panels = nullptr;
  const float* scale = nullptr;
  const int32_t* sums = nullptr;
  const float* input_scale = nullptr;
  int outputs = 0, inputs = 0;
  Element element = Element::kFloat32;

  int panel_count() const { return outputs / kPanel; }
  int lines() const { return inputs / inputs_per_line(element); }
  size_t panel_stride() const { return size_t(lines()) * kLine; }
};

// Where one head's keys and values of one unit lie.
struct UnitLayout {
  int channels;
  Element element;

  int depth() const { return inputs_per_line(element); }
  size_t key_panel_stride() const { return size_t(channels / depth()) * kLine; }
  size_t value_panel_stride() const { return size_t(kUnit / depth()) * kLine; }
  size_t values_offset() const { return kUnit / kPanel * key_panel_stride(); }
  size_t head_bytes() const { return 2 * values_offset(); }

  // Index, in elements, of a value's channel behind values_offset().
  size_t value_index(int position, int channel) const {
    const int d = depth(), panel = channel / kPanel, lane = channel % kPanel;
    return size_t(panel * kUnit / d + position / d) * (kPanel * d) + lane * d + position % d;
  }
};

}  // namespace quiver
