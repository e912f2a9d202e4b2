// Rows of bfloat16 times panels of bfloat16, with the dot products of AVX512_BF16.
#pragma once

#include "lanes.hpp"

namespace {

struct Bfloat16Dot {
  using Row = int32_t;  // two inputs
  using Sum = Lanes;
  using Column = __m512i;
  static constexpr int kRows = 12, kPanels = 2, kSteps = 1;
  static Lanes zero() { return ::zero(); }
  static Lanes load(const float* out) { return ::load(out); }
  static void store(float* out, Lanes sum) { ::store(out, sum); }
  static __m512i spread(int32_t x) { return _mm512_set1_epi32(x); }
  static __m512i column(const std::byte* line, int) { return _mm512_loadu_si512(line); }
  static void add(Lanes& sum, __m512i x, __m512i column) {
    sum.v = _mm512_dpbf16_ps(sum.v, (__m512bh)x, (__m512bh)column);
  }
};

}  // namespace
