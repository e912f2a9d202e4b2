// Rows of int8 times panels of int8; sums are whole numbers of 32 bits, exact.
//
// The instructions multiply unsigned by signed bytes. With VNNI, rows are stored with 128 added, which the
// engine takes back from the sums. Without, |w| * sign(x, w) is the same product as w * x, and sums of two such
// products, at most 2 x 127 x 127, fit the 16 bits that they get.
#pragma once

#include "lanes.hpp"

namespace {

#if defined(__AVX512F__)

struct Int8Dot {
  using Row = int32_t;  // four inputs
  using Sum = __m512i;
  static constexpr int kSteps = 1;
  static __m512i zero() { return _mm512_setzero_si512(); }
  static __m512i load(const float* out) { return _mm512_loadu_si512(out); }
  static void store(float* out, __m512i sum) { _mm512_storeu_si512(out, sum); }
  static __m512i spread(int32_t x) { return _mm512_set1_epi32(x); }

#if defined(__AVX512VNNI__)
  using Column = __m512i;
  static constexpr int kRows = 12, kPanels = 2;
  static Column column(const std::byte* line, int) { return _mm512_loadu_si512(line); }
  static void add(__m512i& sum, __m512i x, __m512i column) { sum = _mm512_dpbusd_epi32(sum, x, column); }
#else
  struct Column {
    __m512i size;
    __mmask64 negative;
  };
  static constexpr int kRows = 10, kPanels = 2;
  static Column column(const std::byte* line, int) {
    const __m512i weights = _mm512_loadu_si512(line);
    return {_mm512_abs_epi8(weights), _mm512_movepi8_mask(weights)};
  }
  static void add(__m512i& sum, __m512i x, Column column) {
    const __m512i turned = _mm512_mask_sub_epi8(x, column.negative, _mm512_setzero_si512(), x);
    const __m512i pairs = _mm512_maddubs_epi16(column.size, turned);
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
  }
#endif
};

#else

struct Int8Dot {
  using Row = int32_t;  // four inputs
  struct Sum {
    __m256i lo, hi;
  };
  struct Column {
    __m256i lo, hi, lo_size, hi_size;
  };
  static constexpr int kRows = 4, kPanels = 1, kSteps = 1;
  static Sum zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static Sum load(const float* out) {
    const auto* v = reinterpret_cast<const __m256i*>(out);
    return {_mm256_loadu_si256(v), _mm256_loadu_si256(v + 1)};
  }
  static void store(float* out, Sum sum) {
    auto* v = reinterpret_cast<__m256i*>(out);
    _mm256_storeu_si256(v, sum.lo);
    _mm256_storeu_si256(v + 1, sum.hi);
  }
  static __m256i spread(int32_t x) { return _mm256_set1_epi32(x); }
  static Column column(const std::byte* line, int) {
    const auto* v = reinterpret_cast<const __m256i*>(line);
    const __m256i lo = _mm256_load_si256(v), hi = _mm256_load_si256(v + 1);
    return {lo, hi, _mm256_abs_epi8(lo), _mm256_abs_epi8(hi)};
  }
  static void add(Sum& sum, __m256i x, const Column& column) {
    sum.lo = add(sum.lo, x, column.lo, column.lo_size);
    sum.hi = add(sum.hi, x, column.hi, column.hi_size);
  }

 private:
  static __m256i add(__m256i sum, __m256i x, __m256i weight, __m256i size) {
    const __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(x, weight));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

#endif

}  // namespace
