// Rows of float32 times panels of float32, or of bfloat16 that is widened on the way.
#pragma once

#include "lanes.hpp"

namespace {

struct FloatDot {
  using Row = float;
  using Sum = Lanes;
  using Column = Lanes;
#if defined(__AVX512F__)
  static constexpr int kRows = 12, kPanels = 2;
#else
  static constexpr int kRows = 6, kPanels = 1;
#endif
  static Lanes zero() { return ::zero(); }
  static Lanes load(const float* out) { return ::load(out); }
  static void store(float* out, Lanes sum) { ::store(out, sum); }
  static Lanes spread(float x) { return all(x); }
  static void add(Lanes& sum, Lanes x, Lanes column) { sum = multiply_add(x, column, sum); }
};

struct Float32Dot : FloatDot {
  static constexpr int kSteps = 1;
  static Lanes column(const std::byte* line, int) { return ::load(reinterpret_cast<const float*>(line)); }
};

struct WidenedBfloat16Dot : FloatDot {
  static constexpr int kSteps = 2;
  static Lanes column(const std::byte* line, int k) { return k == 0 ? even_bf16(line) : odd_bf16(line); }
};

}  // namespace
