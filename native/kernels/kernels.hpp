// What is compiled once per instruction set, as a table of functions; the engine picks a table at run time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quiver {

// How numbers lie in memory.
enum class Element : int { kFloat32 = 0, kBfloat16 = 1, kInt8 = 2, kFloat16 = 3, kFloat8 = 4 };

constexpr size_t element_size(Element e) {
  return e == Element::kFloat32 ? 4 : e == Element::kInt8 || e == Element::kFloat8 ? 1 : 2;
}

// out [rows, panels x 16] (+)= rows [rows, K] x panels' [K, panels x 16]; `lines` = K in lines of 64 bytes
// (see layout.hpp). Strides are in bytes for rows and panels, in elements for `out`, which holds floats, or
// 32-bit integers for int8. Memory behind `rows` and `out` must reach to the next multiple of 16 rows.
// Each number is one chain of operations over ascending k: it does not depend on the rows beside it.
struct Product {
  const void* rows;
  size_t row_stride;
  int row_count;
  const std::byte* panels;
  size_t panel_stride;
  int panel_count;
  int lines;
  float* out;
  size_t out_stride;
  bool accumulate;
  const std::byte* next_panels = nullptr;  // to be brought near, if known
  // Panels whose lines lie in pieces of kPieceLines: where each piece of the first panel begins, in place of `panels`.
  const std::byte* const* pieces = nullptr;
};
constexpr int kPieceLines = 16;  // a tile of AMX

// Softmax state of one row of attention: the largest score so far and the sum of the exponentials.
struct SoftmaxState {
  float largest, sum;
};

// How a row was rounded: x is about scale * out, or scale * (out + rest / kFiner).
struct Rounding {
  float scale;
  bool has_rest;
};
constexpr float kFiner = 254;

struct Kernels {
  const char* name;
  bool bf16_rows;      // the bfloat16 product takes rows in bfloat16; else in float32
  int int8_bias;       // added to int8 rows, for products that take unsigned ones
  int row_block;       // rows that a task multiplies at once
  int panels_at_once = 32;  // by how many panels, where the rows fit into the second cache and stay there
  size_t panel_bytes;  // of a panel that are multiplied at once: they stay in the first cache while rows pass

  using Multiply = void (*)(const Product&);
  Multiply multiply[3];  // by the element of the panels

  auto product_of(Element panels) const { return multiply[int(panels)]; }

  // Lengths of rows are multiples of 16 (padded with zeros).
  void (*widen)(const void* row, Element from, int n, float* out) = nullptr;
  void (*narrow)(const float* row, int n, Element to, void* out) = nullptr;
  // Rounds row * factors to int8 (plus bias), and what that leaves to `rest` if outliers made the steps coarse.
  Rounding (*quantize)(const float* row, const float* factors, int n, int bias, uint8_t* out, uint8_t* rest) = nullptr;
  // out = row / rms(row) * weight, where the mean is over `count` channels.
  void (*rms_norm)(const float* row, const float* weight, int n, int count, float eps, float* out) = nullptr;
  // Turns channel i of the first half with i of the second by the angle whose cosine and sine are given.
  void (*rotate)(float* head, const float* cosine, const float* sine, int half, float scale) = nullptr;
  void (*add)(float* row, const float* other, int n) = nullptr;
  // gate and up alternate in blocks of 16; out[n] = silu(gate) * up.
  void (*silu_multiply)(const float* gate_up, int n, float* out) = nullptr;
  // Turns 32-bit integers into floats in place: (value - bias * sums[i]) * row_scale * scale[i].
  void (*dequantize)(float* row, int n, float row_scale, const float* scale, int bias, const int32_t* sums) = nullptr;
  // Scores (base 2) -> weights, which may take their place, zero from `visible` on; rescales the running output by
  // what the largest score grew.
  void (*softmax)(float* scores, int n, int visible, SoftmaxState& state, float* output, int width, Element to,
                  void* weights) = nullptr;
  void (*scale)(float* row, int n, float factor) = nullptr;
};

extern const Kernels kAvx2Kernels, kAvx512Kernels, kAvx512VnniKernels, kAvx512Bf16Kernels, kAmxKernels;

}  // namespace quiver
