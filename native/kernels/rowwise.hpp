// Operations on one row at a time, for whatever instruction set this is compiled.
#pragma once

#include "kernels.hpp"
#include "lanes.hpp"

namespace {

using quiver::Element;

void widen(const void* row, Element from, int n, float* out) {
  const auto* words = static_cast<const uint16_t*>(row);
  for (int i = 0; i < n; i += kLanes) {
    if (from == Element::kFloat32) store(out + i, load(static_cast<const float*>(row) + i));
    else if (from == Element::kBfloat16) store(out + i, load_bf16(words + i));
    else if (from == Element::kFloat16) store(out + i, load_f16(words + i));
    else store(out + i, load_f8(static_cast<const uint8_t*>(row) + i));
  }
}

void narrow(const float* row, int n, Element to, void* out) {
  if (to == Element::kFloat32) {
    for (int i = 0; i < n; i += kLanes) store(static_cast<float*>(out) + i, load(row + i));
  } else {
    for (int i = 0; i < n; i += kLanes) store_bf16(static_cast<uint16_t*>(out) + i, load(row + i));
  }
}

// How far the largest number of a row may stand out before the steps count as coarse. Steps of 1/127 of it have an
// error of 1/440, here then 1/22 of what the row is like: its root mean square, to which no number counts more than
// a quarter of the largest, so that a few outliers do not pass for the row.
constexpr float kMostOutstanding = 20;

quiver::Rounding quantize(const float* row, const float* factors, int n, int bias, uint8_t* out, uint8_t* rest) {
  Lanes most = zero();
  for (int i = 0; i < n; i += kLanes) most = larger(most, magnitude(load(row + i) * load(factors + i)));
  const float limit = largest(most);
  const Lanes inverse = all(limit > 0 ? 127.0f / limit : 0.0f), cap = all(127.0f / 4);
  Lanes squares = zero();
  for (int i = 0; i < n; i += kLanes) {
    const Lanes x = load(row + i) * load(factors + i) * inverse, counted = smaller(magnitude(x), cap);
    store_bytes(out + i, x, bias);
    squares = multiply_add(counted, counted, squares);
  }
  const float usual = 127 / kMostOutstanding;
  const bool has_rest = limit > 0 && sum(squares) < usual * usual * float(n);
  for (int i = 0; has_rest && i < n; i += kLanes) {
    const Lanes x = load(row + i) * load(factors + i) * inverse;
    store_bytes(rest + i, (x - nearest(x)) * all(quiver::kFiner), bias);
  }
  return {limit / 127.0f, has_rest};
}

// In four sums, so that none waits for its last addition.
float sum_of_squares(const float* row, int n) {
  Lanes sums[4] = {zero(), zero(), zero(), zero()};
  const auto add_square = [&](Lanes& to, int i) { to = multiply_add(load(row + i), load(row + i), to); };
  int i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    add_square(sums[0], i);
    add_square(sums[1], i + kLanes);
    add_square(sums[2], i + 2 * kLanes);
    add_square(sums[3], i + 3 * kLanes);
  }
  for (; i < n; i += kLanes) add_square(sums[0], i);
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

void rms_norm(const float* row, const float* weight, int n, int count, float eps, float* out) {
  const Lanes factor = all(1.0f / __builtin_sqrtf(sum_of_squares(row, n) / float(count) + eps));
  for (int i = 0; i < n; i += kLanes) store(out + i, load(row + i) * factor * load(weight + i));
}

void rotate(float* head, const float* cosine, const float* sine, int half, float scale) {
  const Lanes factor = all(scale);
  for (int i = 0; i < half; i += kLanes) {
    const Lanes c = load(cosine + i), s = load(sine + i);
    const Lanes first = load(head + i), second = load(head + half + i);
    store(head + i, (first * c - second * s) * factor);
    store(head + half + i, (second * c + first * s) * factor);
  }
}

void add(float* row, const float* other, int n) {
  for (int i = 0; i < n; i += kLanes) store(row + i, load(row + i) + load(other + i));
}

void silu_multiply(const float* gate_up, int n, float* out) {
  const Lanes one = all(1.0f);
  for (int i = 0; i < n; i += kLanes) {
    const Lanes gate = load(gate_up + 2 * i), up = load(gate_up + 2 * i + kLanes);
    const Lanes power = smaller(gate * all(-1.44269504088896341f), all(126.0f));
    store(out + i, quotient(gate, one + exp2(power)) * up);
  }
}

void dequantize(float* row, int n, float row_scale, const float* scale, int bias, const int32_t* sums) {
  const auto* whole = reinterpret_cast<const int32_t*>(row);
  const Lanes factor = all(row_scale);
  for (int i = 0; i < n; i += kLanes) {
    const Lanes value = bias == 0 ? from_int32(whole + i) : from_int32(whole + i, bias, sums + i);
    store(row + i, value * factor * load(scale + i));
  }
}

void scale_row(float* row, int n, float factor) {
  const Lanes f = all(factor);
  for (int i = 0; i < n; i += kLanes) store(row + i, load(row + i) * f);
}

void softmax(float* scores, int n, int visible, quiver::SoftmaxState& state, float* output, int width, Element to,
             void* weights) {
  const int open = (visible < n ? visible : n) / kLanes * kLanes;  // no lane before is hidden
  const Lanes hidden = all(-__builtin_inff());
  Lanes most = hidden;
  for (int i = 0; i < open; i += kLanes) most = larger(most, load(scores + i));
  for (int i = open; i < n; i += kLanes) most = larger(most, first_lanes(load(scores + i), hidden, visible - i));
  const float before = state.largest;
  const float now = largest(most) > before ? largest(most) : before;
  const Lanes shift = all(now);
  Lanes total = zero();
  const auto weigh = [&](int i, Lanes weight) {
    total = total + weight;
    if (to == Element::kFloat32) store(static_cast<float*>(weights) + i, weight);
    else store_bf16(static_cast<uint16_t*>(weights) + i, weight);
  };
  for (int i = 0; i < open; i += kLanes) weigh(i, exp2(load(scores + i) - shift));
  for (int i = open; i < n; i += kLanes)
    weigh(i, first_lanes(exp2(load(scores + i) - shift), zero(), visible - i));
  if (now > before) {
    float shrink[kLanes];
    store(shrink, exp2(all(before - now)));
    state.sum *= shrink[0];
    scale_row(output, width, shrink[0]);
    state.largest = now;
  }
  state.sum += sum(total);
}

constexpr quiver::Kernels with_rowwise(quiver::Kernels kernels) {
  kernels.widen = widen;
  kernels.narrow = narrow;
  kernels.quantize = quantize;
  kernels.rms_norm = rms_norm;
  kernels.rotate = rotate;
  kernels.add = add;
  kernels.silu_multiply = silu_multiply;
  kernels.dequantize = dequantize;
  kernels.softmax = softmax;
  kernels.scale = scale_row;
  return kernels;
}

}  // namespace
