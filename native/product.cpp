// Products of rows with some panels, and rounding to int8 before and after.
#include "product.hpp"

#include <cstring>

namespace quiver {

// Rows in the element that products take: themselves, or rounded to int8.
Model::Rows Model::rounded(const std::byte* data, size_t stride, const Matrix& matrix, int count) {
  Buffers& b = buffers_;
  if (matrix.element != Element::kInt8) return {data, stride, count, nullptr, nullptr, nullptr};
  each_row(count, [&](int row, float* wide) {
    kernels_.widen(data + row * stride, attention_element_, matrix.inputs, wide);
    round_row(wide, matrix, row, b.rounded, b.rounded_stride);
  });
  return {b.rounded, b.rounded_stride, count, b.scales, b.rest, b.rest_scales};
}

void Model::round_row(const float* row, const Matrix& matrix, int index, std::byte* out, size_t stride) {
  const auto [scale, has_rest] =
      kernels_.quantize(row, matrix.input_scale, matrix.inputs, kernels_.int8_bias,
                        as<uint8_t>(out + index * stride), as<uint8_t>(buffers_.rest + index * stride));
  buffers_.scales[index] = scale;
  buffers_.rest_scales[index] = has_rest ? scale / kFiner : 0.0f;
}

void Model::multiply_rows(const Part& part, const std::byte* rows, size_t stride, int count, float* numbers) {
  const Matrix& matrix = part.matrix;
  const int lines = int(kernels_.panel_bytes / kLine);
  const size_t line_bytes = inputs_per_line(matrix.element) * element_size(row_element(matrix));
  const auto product = kernels_.product_of(matrix.element);
  const std::byte* panels = matrix.panels + part.first_panel * matrix.panel_stride();
  const bool is_last = part.first_panel + part.panels >= matrix.panel_count();
  const std::byte* following = is_last ? nullptr : panels + part.panels * matrix.panel_stride();
  for (int line = 0; line < matrix.lines(); line += lines)
    product({.rows = rows + line * line_bytes,
             .row_stride = stride,
             .row_count = count,
             .panels = panels + line * kLine,
             .panel_stride = matrix.panel_stride(),
             .panel_count = part.panels,
             .lines = std::min(lines, matrix.lines() - line),
             .out = numbers,
             .out_stride = part.stride(),
             .accumulate = line > 0,
             .next_panels = line + lines < matrix.lines() ? panels + (line + lines) * kLine : following});
}

// From whole numbers to floats. What rounding left of some rows is multiplied as rows of its own, laid
// together behind the numbers, and added.
void Model::undo_rounding(const Part& part, const Rows& rows, int first, int count, float* numbers) {
  const Matrix& matrix = part.matrix;
  const size_t stride = part.stride();
  const int output = part.first_panel * kPanel, outputs = part.panels * kPanel;
  const auto undo = [&](float* row, float scale) {
    kernels_.dequantize(row, outputs, scale, matrix.scale + output, kernels_.int8_bias, matrix.sums + output);
  };
  float* rest_numbers = numbers + buffers_.product / sizeof(float);
  auto* rest = reinterpret_cast<std::byte*>(rest_numbers) + buffers_.product;
  int rests = 0;
  for (int r = first; r < first + count; r++)
    if (rows.rest_scales[r] > 0)
      std::memcpy(rest + rests++ * rows.stride, rows.rest + r * rows.stride, matrix.inputs);
  if (rests > 0) multiply_rows(part, rest, rows.stride, rests, rest_numbers);
  for (int r = first; r < first + count; r++, numbers += stride) {
    undo(numbers, rows.scales[r]);
    if (rows.rest_scales[r] == 0) continue;
    undo(rest_numbers, rows.rest_scales[r]);
    kernels_.add(numbers, rest_numbers, outputs);
    rest_numbers += stride;
  }
}

}  // namespace quiver
