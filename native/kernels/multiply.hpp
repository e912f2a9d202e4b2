// Matrix products of float32 rows with packed panels of float32 or bfloat16.
#pragma once

#include "kernels.hpp"
#include "lanes.hpp"

namespace {

using quiver::Product;

struct Float32Line {
  static constexpr int kDepth = 1;
  static Lanes get(const std::byte* line, int) { return load(reinterpret_cast<const float*>(line)); }
};

struct Bfloat16Line {
  static constexpr int kDepth = 2;
  static Lanes get(const std::byte* line, int k) { return k == 0 ? even_bf16(line) : odd_bf16(line); }
};

constexpr size_t kLineBytes = 64;

#if defined(__AVX512F__)
constexpr int kMostRows = 12, kMostPanels = 2;
#else
constexpr int kMostRows = 6, kMostPanels = 1;
#endif

// R rows by P panels of accumulators stay in registers while k runs.
template <class Line, int R, int P>
void tile(const Product& product, int row, int panel) {
  const float* rows[R];
  for (int r = 0; r < R; r++) {
    const auto* first = static_cast<const std::byte*>(product.rows);
    rows[r] = reinterpret_cast<const float*>(first + (row + r) * product.row_stride);
  }
  const std::byte* lines = product.panels + panel * product.panel_stride;
  float* out = product.out + row * product.out_stride + panel * kLanes;
  Lanes sums[R][P];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int p = 0; p < P; p++)
      sums[r][p] = product.accumulate ? load(out + r * product.out_stride + p * kLanes) : zero();
  for (int i = 0; i < product.lines; i++) {
#pragma GCC unroll 2
    for (int k = 0; k < Line::kDepth; k++) {
      Lanes column[P];
#pragma GCC unroll 4
      for (int p = 0; p < P; p++) column[p] = Line::get(lines + p * product.panel_stride + i * kLineBytes, k);
#pragma GCC unroll 16
      for (int r = 0; r < R; r++) {
        const Lanes x = all(rows[r][i * Line::kDepth + k]);
#pragma GCC unroll 4
        for (int p = 0; p < P; p++) sums[r][p] = multiply_add(x, column[p], sums[r][p]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) store(out + r * product.out_stride + p * kLanes, sums[r][p]);
}

template <class Line, int P, int R = kMostRows>
void tile_of(const Product& product, int rows, int row, int panel) {
  if constexpr (R > 1) {
    if (rows < R) return tile_of<Line, P, R - 1>(product, rows, row, panel);
  }
  tile<Line, R, P>(product, row, panel);
}

// Few rows leave registers for more panels: the chains of additions then hide each other's latency.
template <class Line, int R, int P>
int wide_tiles(const Product& product, int panel) {
  for (; panel + P <= product.panel_count; panel += P) tile<Line, R, P>(product, 0, panel);
  return panel;
}

template <class Line>
void multiply(const Product& product) {
  int panel = 0;
  if (product.row_count == 1) panel = wide_tiles<Line, 1, 4>(product, 0);
  if (product.row_count == 2) panel = wide_tiles<Line, 2, 2>(product, 0);
  const int tiles = (product.row_count + kMostRows - 1) / kMostRows;
  while (panel < product.panel_count) {
    const bool pair = kMostPanels == 2 && panel + 2 <= product.panel_count;
    for (int t = 0, row = 0; t < tiles; t++) {
      const int stop = product.row_count * (t + 1) / tiles;
      if (pair) tile_of<Line, 2>(product, stop - row, row, panel);
      else tile_of<Line, 1>(product, stop - row, row, panel);
      row = stop;
    }
    panel += pair ? 2 : 1;
  }
}

}  // namespace
