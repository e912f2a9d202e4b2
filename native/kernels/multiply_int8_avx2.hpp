// Products of int8 rows with packed int8 panels, for AVX2.
//
// AVX2 multiplies unsigned by signed bytes only. |w| * sign(x, w) is the same product as w * x, and sums of two
// such products, at most 2 x 127 x 127, fit the 16 bits that they get.
#pragma once

#include "kernels.hpp"

#include <immintrin.h>

namespace {

struct Int8Line {
  __m256i lo, hi, lo_size, hi_size;
};

inline Int8Line int8_line(const std::byte* line) {
  const __m256i lo = _mm256_load_si256(reinterpret_cast<const __m256i*>(line));
  const __m256i hi = _mm256_load_si256(reinterpret_cast<const __m256i*>(line + 32));
  return {lo, hi, _mm256_abs_epi8(lo), _mm256_abs_epi8(hi)};
}

inline __m256i add_products(__m256i sum, __m256i size, __m256i weight, __m256i x) {
  const __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(x, weight));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

template <int R>
void int8_tile(const quiver::Product& product, int row, int panel) {
  const int32_t* rows[R];
  for (int r = 0; r < R; r++) {
    const auto* first = static_cast<const std::byte*>(product.rows);
    rows[r] = reinterpret_cast<const int32_t*>(first + (row + r) * product.row_stride);
  }
  const std::byte* lines = product.panels + panel * product.panel_stride;
  auto* out = reinterpret_cast<int32_t*>(product.out) + row * product.out_stride + panel * 16;
  __m256i lo[R], hi[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; r++) {
    const auto* before = reinterpret_cast<const __m256i*>(out + r * product.out_stride);
    lo[r] = product.accumulate ? _mm256_loadu_si256(before) : _mm256_setzero_si256();
    hi[r] = product.accumulate ? _mm256_loadu_si256(before + 1) : _mm256_setzero_si256();
  }
  for (int i = 0; i < product.lines; i++) {
    const Int8Line line = int8_line(lines + i * 64);
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
      const __m256i x = _mm256_set1_epi32(rows[r][i]);
      lo[r] = add_products(lo[r], line.lo_size, line.lo, x);
      hi[r] = add_products(hi[r], line.hi_size, line.hi, x);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; r++) {
    auto* after = reinterpret_cast<__m256i*>(out + r * product.out_stride);
    _mm256_storeu_si256(after, lo[r]);
    _mm256_storeu_si256(after + 1, hi[r]);
  }
}

void multiply_int8(const quiver::Product& product) {
  for (int panel = 0; panel < product.panel_count; panel++) {
    int row = 0;
    for (; row + 4 <= product.row_count; row += 4) int8_tile<4>(product, row, panel);
    for (; row + 2 <= product.row_count; row += 2) int8_tile<2>(product, row, panel);
    for (; row < product.row_count; row++) int8_tile<1>(product, row, panel);
  }
}

}  // namespace
