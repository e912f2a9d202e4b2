// Sixteen floats (or 32-bit integers) as one value: a zmm register with AVX-512, two ymm registers with AVX2.
// Every operation works lane by lane and reductions add in one fixed order.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

// Everything that is compiled once per instruction set lives in an unnamed namespace: the linker could
// otherwise keep one copy of an inline function for all, and run AVX-512 code on a processor without it.
namespace {

constexpr int kLanes = 16;

#if defined(__AVX512F__)

struct Lanes {
  __m512 v;
};
inline Lanes load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, Lanes a) { _mm512_storeu_ps(p, a.v); }
inline Lanes all(float x) { return {_mm512_set1_ps(x)}; }
inline Lanes operator+(Lanes a, Lanes b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Lanes operator-(Lanes a, Lanes b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Lanes operator/(Lanes a, Lanes b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Lanes larger(Lanes a, Lanes b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Lanes smaller(Lanes a, Lanes b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Lanes magnitude(Lanes a) { return {_mm512_abs_ps(a.v)}; }
inline Lanes nearest(Lanes a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT)}; }
// a * 2^n for whole n.
inline Lanes scale_by_power(Lanes a, Lanes n) { return {_mm512_scalef_ps(a.v, n.v)}; }
// Lane i of a where i < count, else of b.
inline Lanes first_lanes(Lanes a, Lanes b, int count) {
  const __mmask16 mask = count >= 16 ? 0xffff : count <= 0 ? 0 : (1u << count) - 1;
  return {_mm512_mask_mov_ps(b.v, mask, a.v)};
}
inline Lanes from_int32(const int32_t* p) { return {_mm512_cvtepi32_ps(_mm512_loadu_si512(p))}; }
// p - factor * q, as floats.
inline Lanes from_int32(const int32_t* p, int factor, const int32_t* q) {
  const __m512i taken = _mm512_mullo_epi32(_mm512_set1_epi32(factor), _mm512_loadu_si512(q));
  return {_mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_loadu_si512(p), taken))};
}
// Rounds to whole numbers, ties to even, adds bias and keeps the low byte of each.
inline void store_bytes(uint8_t* p, Lanes a, int bias) {
  const __m512i whole = _mm512_add_epi32(_mm512_cvtps_epi32(a.v), _mm512_set1_epi32(bias));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(whole));
}
inline __m256 low_half(Lanes a) { return _mm512_castps512_ps256(a.v); }
inline __m256 high_half(Lanes a) {
  return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a.v), 1));
}
// One line of 16 pairs of bfloat16: the first (second) of each pair.
inline Lanes even_bf16(const void* p) { return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16))}; }
inline Lanes odd_bf16(const void* p) {
  return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32(int(0xffff0000))))};
}
inline Lanes load_bf16(const uint16_t* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
// Rounds to bfloat16, ties to even.
inline void store_bf16(uint16_t* p, Lanes a) {
#if defined(__AVX512BF16__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a.v)));
#else
  const __m512i bits = _mm512_castps_si512(a.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
#endif
}
// a / b to the last bits, for b >= 1: the instruction for it takes as long as a dozen others.
inline Lanes quotient(Lanes a, Lanes b) {
  const __m512 guess = _mm512_rcp14_ps(b.v);
  return {_mm512_mul_ps(a.v, _mm512_mul_ps(guess, _mm512_fnmadd_ps(b.v, guess, _mm512_set1_ps(2.0f))))};
}
inline Lanes load_f16(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}

#else

struct Lanes {
  __m256 lo, hi;
};
inline Lanes load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, Lanes a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
inline Lanes all(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Lanes operator+(Lanes a, Lanes b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline Lanes operator-(Lanes a, Lanes b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline Lanes operator/(Lanes a, Lanes b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline Lanes larger(Lanes a, Lanes b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline Lanes smaller(Lanes a, Lanes b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
inline Lanes magnitude(Lanes a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
inline Lanes nearest(Lanes a) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, mode), _mm256_round_ps(a.hi, mode)};
}
// a * 2^n for whole n, by the bits of the exponent.
inline __m256 scale_by_power(__m256 a, __m256 n) {
  const __m256i shift = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), shift));
}
inline Lanes scale_by_power(Lanes a, Lanes n) { return {scale_by_power(a.lo, n.lo), scale_by_power(a.hi, n.hi)}; }
// Lane i of a where i < count, else of b.
inline Lanes first_lanes(Lanes a, Lanes b, int count) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256 lo = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), index));
  const __m256 hi = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count - 8), index));
  return {_mm256_blendv_ps(b.lo, a.lo, lo), _mm256_blendv_ps(b.hi, a.hi, hi)};
}
inline __m256i less(const __m256i* p, __m256i factor, const __m256i* q) {
  return _mm256_sub_epi32(_mm256_loadu_si256(p), _mm256_mullo_epi32(factor, _mm256_loadu_si256(q)));
}
// p - factor * q, as floats.
inline Lanes from_int32(const int32_t* p, int factor, const int32_t* q) {
  const __m256i *v = reinterpret_cast<const __m256i*>(p), *w = reinterpret_cast<const __m256i*>(q);
  const __m256i f = _mm256_set1_epi32(factor);
  return {_mm256_cvtepi32_ps(less(v, f, w)), _mm256_cvtepi32_ps(less(v + 1, f, w + 1))};
}
// Rounds to whole numbers, ties to even, adds bias and keeps the low byte of each.
inline void store_bytes(uint8_t* p, Lanes a, int bias) {
  const __m256i low_byte = _mm256_set1_epi32(0xff), b = _mm256_set1_epi32(bias);
  const __m256i lo = _mm256_and_si256(_mm256_add_epi32(_mm256_cvtps_epi32(a.lo), b), low_byte);
  const __m256i hi = _mm256_and_si256(_mm256_add_epi32(_mm256_cvtps_epi32(a.hi), b), low_byte);
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(lo, hi), 0b11011000);
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}
inline Lanes from_int32(const int32_t* p) {
  const __m256i* v = reinterpret_cast<const __m256i*>(p);
  return {_mm256_cvtepi32_ps(_mm256_loadu_si256(v)), _mm256_cvtepi32_ps(_mm256_loadu_si256(v + 1))};
}
inline __m256 low_half(Lanes a) { return a.lo; }
inline __m256 high_half(Lanes a) { return a.hi; }
// One line of 16 pairs of bfloat16: the first (second) of each pair.
inline Lanes even_bf16(const void* p) {
  const __m256i* v = static_cast<const __m256i*>(p);
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(v), 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(v + 1), 16))};
}
inline Lanes odd_bf16(const void* p) {
  const __m256i* v = static_cast<const __m256i*>(p);
  const __m256i high = _mm256_set1_epi32(int(0xffff0000));
  return {_mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(v), high)),
          _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(v + 1), high))};
}
inline __m256 widen_bf16(const uint16_t* p) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
inline Lanes load_bf16(const uint16_t* p) { return {widen_bf16(p), widen_bf16(p + 8)}; }
// Rounds to bfloat16, ties to even.
inline __m256i round_to_bf16(__m256 a) {
  const __m256i bits = _mm256_castps_si256(a);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  return _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
}
inline void store_bf16(uint16_t* p, Lanes a) {
  const __m256i mixed = _mm256_packus_epi32(round_to_bf16(a.lo), round_to_bf16(a.hi));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(mixed, 0b11011000));
}
inline Lanes quotient(Lanes a, Lanes b) { return a / b; }
inline Lanes load_f16(const uint16_t* p) {
  const __m128i* v = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(v)), _mm256_cvtph_ps(_mm_loadu_si128(v + 1))};
}

#endif

// Eight-bit floats (E4M3: bias 7, no infinities, one NaN of either sign) lie within those of sixteen bits, 2^8 larger.
inline Lanes load_f8(const uint8_t* p) {
  const __m256i bytes = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m256i size = _mm256_and_si256(bytes, _mm256_set1_epi16(0x7f)), sign = _mm256_xor_si256(bytes, size);
  const __m256i nan = _mm256_and_si256(_mm256_cmpeq_epi16(size, _mm256_set1_epi16(0x7f)), _mm256_set1_epi16(0x7e00));
  alignas(32) uint16_t words[kLanes];
  _mm256_store_si256(reinterpret_cast<__m256i*>(words),
                     _mm256_or_si256(nan, _mm256_or_si256(_mm256_slli_epi16(sign, 8), _mm256_slli_epi16(size, 7))));
  return load_f16(words) * all(256.0f);
}

inline Lanes zero() { return all(0.0f); }

inline float sum(Lanes a) {
  const __m256 eight = _mm256_add_ps(low_half(a), high_half(a));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

inline float largest(Lanes a) {
  const __m256 eight = _mm256_max_ps(low_half(a), high_half(a));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// 2^x for x <= 127, exactly 1 at 0; below -126 it stays at 2^-126. Relative error under 2e-7: a polynomial in the
// fraction f = x - round(x) with the least largest error among those that are 1 at 0.
inline Lanes exp2(Lanes x) {
  x = larger(x, all(-126.0f));
  const Lanes whole = nearest(x);
  const Lanes f = x - whole;
  Lanes p = all(1.3264727313e-3f);
  p = multiply_add(p, f, all(9.6715129912e-3f));
  p = multiply_add(p, f, all(5.5507335812e-2f));
  p = multiply_add(p, f, all(2.4022242427e-1f));
  p = multiply_add(p, f, all(6.9314700365e-1f));
  p = multiply_add(p, f, all(1.0f));
  return scale_by_power(p, whole);
}

}  // namespace
