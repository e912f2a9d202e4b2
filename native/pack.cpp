#include "pack.hpp"

#include <atomic>
#include <cmath>
#include <cstring>

#include "threads.hpp"

namespace quiver {
namespace {

// One output's inputs in the order of the panel; zeros where the order says so.
void gather(const Kernels& kernels, std::span<const Source> sources, const PackOrder& order, int output,
            std::vector<float>& wide, float* inputs) {
  const size_t count = order.column.size();
  if (order.row[output] < 0) {
    std::fill_n(inputs, count, 0.0f);
    return;
  }
  const Source& source = sources[order.source[output]];
  const size_t bytes = size_t(source.columns) * element_size(source.element);
  const std::byte* row = source.data + size_t(order.row[output]) * bytes;
  wide.resize(round_up(source.columns, kPanel));
  widen_row(kernels, row, source.element, source.columns, wide.data());
  for (size_t i = 0; i < count; i++) inputs[i] = order.column[i] < 0 ? 0.0f : wide[order.column[i]];
}

bool all_finite(const float* inputs, size_t count) {
  float sum = 0;
  for (size_t i = 0; i < count; i++) sum += inputs[i] * 0.0f;
  return sum == 0;
}

// Rounds an output to int8 in place; returns its scale.
float round_to_int8(float* inputs, size_t count) {
  float most = 0;
  for (size_t i = 0; i < count; i++) most = std::max(most, std::abs(inputs[i]));
  const float scale = most > 0 ? most / 127.0f : 1.0f;
  for (size_t i = 0; i < count; i++) inputs[i] = std::nearbyint(inputs[i] / scale);
  return scale;
}

template <class T, class Convert>
void interleave(const std::vector<float>& rows, size_t count, int depth, T* out, Convert convert) {
  for (size_t k = 0; k < count; k += depth)
    for (int lane = 0; lane < kPanel; lane++)
      for (int i = 0; i < depth; i++) *out++ = convert(rows[lane * count + k + i]);
}

uint16_t to_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace

void widen_row(const Kernels& kernels, const std::byte* row, Element element, int columns, float* out) {
  const int whole = columns / kPanel * kPanel, rest = columns - whole;
  kernels.widen(row, element, whole, out);
  if (rest == 0) return;
  std::byte tail[kPanel * sizeof(float)] = {};
  std::memcpy(tail, row + whole * element_size(element), rest * element_size(element));
  kernels.widen(tail, element, kPanel, out + whole);
}

bool pack(const Kernels& kernels, int threads, std::span<const Source> sources, const PackOrder& order,
          Element element, std::byte* panels, float* scale, int32_t* sums) {
  const size_t count = order.column.size();
  const size_t stride = count / inputs_per_line(element) * kLine;
  std::atomic<bool> finite = true;
  const auto lock = Threads::claim(threads);
  Threads::run(int(order.row.size()) / kPanel, threads, [&](int panel, int) {
    std::vector<float> rows(kPanel * count), wide;
    for (int lane = 0; lane < kPanel; lane++) {
      const int output = panel * kPanel + lane;
      float* inputs = rows.data() + lane * count;
      gather(kernels, sources, order, output, wide, inputs);
      if (!all_finite(inputs, count)) finite = false;
      if (element == Element::kInt8) {
        scale[output] = round_to_int8(inputs, count);
        float total = 0;
        for (size_t i = 0; i < count; i++) total += inputs[i];
        sums[output] = int32_t(total);
      }
    }
    std::byte* out = panels + panel * stride;
    if (element == Element::kFloat32)
      interleave(rows, count, 1, reinterpret_cast<float*>(out), [](float x) { return x; });
    else if (element == Element::kBfloat16)
      interleave(rows, count, 2, reinterpret_cast<uint16_t*>(out), to_bf16);
    else
      interleave(rows, count, 4, reinterpret_cast<int8_t*>(out), [](float x) { return int8_t(x); });
  });
  return finite;
}

}  // namespace quiver
