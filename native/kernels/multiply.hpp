// Matrix products in vector registers: one loop for every element and instruction set.
//
// A Dot says how 32 bits of a row meet a line of a panel:
//   Row                     what 32 bits of a row are
//   Column, column(line, k) the line's k-th step, ready to be multiplied; kSteps steps use up a line
//   Sum                     16 sums, with zero, load and store
//   add(sum, x, column)     adds the products of x with each lane
//   kRows x kPanels         sums that fit into the registers
#pragma once

#include "kernels.hpp"
#include "lanes.hpp"

namespace {

using quiver::Product;

constexpr size_t kLineBytes = 64;

// R rows by P panels of sums stay in registers while k runs.
template <class Dot, int R, int P>
void tile(const Product& product, int row, int panel) {
  const typename Dot::Row* rows[R];
  for (int r = 0; r < R; r++) {
    const auto* first = static_cast<const std::byte*>(product.rows);
    rows[r] = reinterpret_cast<const typename Dot::Row*>(first + (row + r) * product.row_stride);
  }
  float* out = product.out + row * product.out_stride + panel * kLanes;
  typename Dot::Sum sums[R][P];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int p = 0; p < P; p++)
      sums[r][p] = product.accumulate ? Dot::load(out + r * product.out_stride + p * kLanes) : Dot::zero();
  const int at_once = product.pieces != nullptr ? quiver::kPieceLines : product.lines;
  for (int first = 0; first < product.lines; first += at_once) {
    const std::byte* piece = product.pieces != nullptr ? product.pieces[first / at_once] : product.panels;
    const std::byte* lines = piece + panel * product.panel_stride;
    for (int i = 0; i < at_once; i++) {
#pragma GCC unroll 4
      for (int p = 0; p < P; p++)  // what comes after these panels
        _mm_prefetch(reinterpret_cast<const char*>(lines + (P + p) * product.panel_stride + i * kLineBytes), _MM_HINT_T1);
#pragma GCC unroll 2
      for (int k = 0; k < Dot::kSteps; k++) {
        typename Dot::Column columns[P];
#pragma GCC unroll 4
        for (int p = 0; p < P; p++) columns[p] = Dot::column(lines + p * product.panel_stride + i * kLineBytes, k);
#pragma GCC unroll 16
        for (int r = 0; r < R; r++) {
          const auto x = Dot::spread(rows[r][(first + i) * Dot::kSteps + k]);
#pragma GCC unroll 4
          for (int p = 0; p < P; p++) Dot::add(sums[r][p], x, columns[p]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) Dot::store(out + r * product.out_stride + p * kLanes, sums[r][p]);
}

template <class Dot, int P, int R = Dot::kRows>
void tile_of(const Product& product, int rows, int row, int panel) {
  if constexpr (R > 1) {
    if (rows < R) return tile_of<Dot, P, R - 1>(product, rows, row, panel);
  }
  tile<Dot, R, P>(product, row, panel);
}

// Few rows leave registers for more panels: the chains of additions then hide each other's latency.
template <class Dot, int R, int P>
int wide_tiles(const Product& product, int panel) {
  for (; panel + P <= product.panel_count; panel += P) tile<Dot, R, P>(product, 0, panel);
  return panel;
}

template <class Dot>
void multiply(const Product& product) {
  int panel = 0;
  if (product.row_count == 1) panel = wide_tiles<Dot, 1, 4>(product, 0);
  if (product.row_count == 2) panel = wide_tiles<Dot, 2, 2>(product, 0);
  const int tiles = (product.row_count + Dot::kRows - 1) / Dot::kRows;
  while (panel < product.panel_count) {
    const int left = product.panel_count - panel, width = left < Dot::kPanels ? left : Dot::kPanels;
    for (int t = 0, row = 0; t < tiles; t++) {
      const int stop = product.row_count * (t + 1) / tiles;
      if (width == Dot::kPanels) tile_of<Dot, Dot::kPanels>(product, stop - row, row, panel);
      else tile_of<Dot, 1>(product, stop - row, row, panel);
      row = stop;
    }
    panel += width;
  }
}

}  // namespace
