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

float largest_of(const float* inputs, size_t count) {
  float most = 0;
  for (size_t i = 0; i < count; i++) most = std::max(most, std::abs(inputs[i]));
  return most;
}

// Rounds an output to int8 in place; returns its scale.
float round_to_int8(float* inputs, size_t count) {
  const float most = largest_of(inputs, count);
  const float scale = most > 0 ? most / 127.0f : 1.0f;
  for (size_t i = 0; i < count; i++) inputs[i] = std::nearbyint(inputs[i] / scale);
  return scale;
}

// Inputs and their weights share outliers evenly: an input of size a whose largest weight is c, as a share of its
// output's largest since every output has its own scale, is multiplied by sqrt(c / a) and its weights are divided by
// it, so that both become sqrt(a c). However a checkpoint spreads a channel's size over a norm, or the matrix before,
// and this one, the same numbers are rounded.
void balance(const Kernels& kernels, int threads, std::span<const Source> sources, const PackOrder& order,
             std::span<const float> input_sizes, float* input_scale) {
  const size_t count = order.column.size();
  std::vector<std::vector<float>> largest(threads, std::vector<float>(count, 0.0f));
  Threads::run(int(order.row.size()) / kPanel, threads, [&](int panel, int thread) {
    std::vector<float> inputs(count), wide;
    float* most = largest[thread].data();
    for (int lane = 0; lane < kPanel; lane++) {
      gather(kernels, sources, order, panel * kPanel + lane, wide, inputs.data());
      const float whole = largest_of(inputs.data(), count);
      for (size_t i = 0; whole > 0 && i < count; i++) most[i] = std::max(most[i], std::abs(inputs[i]) / whole);
    }
  });
  for (size_t i = 0; i < count; i++) {
    float weight = 0;
    for (const auto& part : largest) weight = std::max(weight, part[i]);
    const float ratio = weight / input_sizes[i];
    input_scale[i] = std::isnormal(ratio) ? std::sqrt(ratio) : 1.0f;
  }
}

// Rows of a panel, one an output, to lines of `depth` inputs an output.
template <class T, class Stored>
void interleave(const std::vector<Stored>& rows, size_t count, int depth, std::byte* panel) {
  auto* out = reinterpret_cast<T*>(panel);
  for (size_t k = 0; k < count; k += depth)
    for (int lane = 0; lane < kPanel; lane++)
      for (int i = 0; i < depth; i++) *out++ = T(rows[lane * count + k + i]);
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
          Element element, std::span<const float> input_sizes, const Packed& packed) {
  const size_t count = order.column.size();
  const size_t stride = count / inputs_per_line(element) * kLine;
  std::atomic<bool> finite = true;
  const auto lock = Threads::claim(threads);
  if (element == Element::kInt8) balance(kernels, threads, sources, order, input_sizes, packed.input_scale);
  Threads::run(int(order.row.size()) / kPanel, threads, [&](int panel, int) {
    std::vector<float> rows(kPanel * count), wide;
    for (int lane = 0; lane < kPanel; lane++) {
      const int output = panel * kPanel + lane;
      float* inputs = rows.data() + lane * count;
      gather(kernels, sources, order, output, wide, inputs);
      if (!all_finite(inputs, count)) finite = false;
      if (element == Element::kInt8) {
        for (size_t i = 0; i < count; i++) inputs[i] /= packed.input_scale[i];
        packed.scale[output] = round_to_int8(inputs, count);
        float total = 0;
        for (size_t i = 0; i < count; i++) total += inputs[i];
        packed.sums[output] = int32_t(total);
      }
    }
    std::byte* out = packed.panels + panel * stride;
    if (element == Element::kFloat32) interleave<float>(rows, count, 1, out);
    else if (element == Element::kInt8) interleave<int8_t>(rows, count, 4, out);
    else {
      std::vector<uint16_t> narrowed(rows.size());
      kernels.narrow(rows.data(), int(rows.size()), element, narrowed.data());
      interleave<uint16_t>(narrowed, count, 2, out);
    }
  });
  return finite;
}

}  // namespace quiver
