// Products on AMX tiles of 16 rows by 64 bytes, for bfloat16 and int8.
//
// Sixteen lines of a panel are a tile as they lie in memory, and so are 64 bytes of sixteen rows. Two tiles of
// rows by two of panels share their loads:
//
//                 panel tiles     6    7
//   row tile 4         sums       0    1
//   row tile 5                    2    3
#pragma once

#include <immintrin.h>

#include <algorithm>

#include "kernels.hpp"

namespace {

using quiver::Product;

constexpr int kTileRows = quiver::kPieceLines;
constexpr size_t kTileBytes = 64;

struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// As the intrinsic of g++ 12 does not tell that it reads the shapes, their stores would be dropped before it.
inline void use_tiles() {
  static constexpr TileShapes shapes;
  asm volatile("ldtilecfg %0" : : "m"(shapes) : "memory");
}

// The intrinsics take tile numbers as literals.
struct Bfloat16Tiles {
  static void add00() { _tile_dpbf16ps(0, 4, 6); }
  static void add01() { _tile_dpbf16ps(1, 4, 7); }
  static void add10() { _tile_dpbf16ps(2, 5, 6); }
  static void add11() { _tile_dpbf16ps(3, 5, 7); }
};

struct Int8Tiles {
  static void add00() { _tile_dpbssd(0, 4, 6); }
  static void add01() { _tile_dpbssd(1, 4, 7); }
  static void add10() { _tile_dpbssd(2, 5, 6); }
  static void add11() { _tile_dpbssd(3, 5, 7); }
};

// The share of the panels to come that one block of rows brings into the second cache: of each tile, lines
// first .. first + count - 1.
struct Ahead {
  const std::byte* lines;
  int first, count;
};

template <int P>
void prefetch_share(const Ahead& ahead, size_t at_lines, size_t panel_stride) {
  for (int i = ahead.first; i < ahead.first + ahead.count; i++)
    for (int p = 0; p < P; p++)
      _mm_prefetch(reinterpret_cast<const char*>(ahead.lines + p * panel_stride + at_lines + i * kTileBytes),
                   _MM_HINT_T1);
}

// 16 x R rows by P panels of sums stay in tiles while k runs. Rows pass by the first cache, which is the panels'.
template <class Tiles, int R, int P>
void amx_tile(const Product& product, int row, int panel, const Ahead& ahead) {
  const auto* rows = static_cast<const std::byte*>(product.rows) + row * product.row_stride;
  const auto* lower_rows = rows + kTileRows * product.row_stride;
  const size_t at_panel = panel * product.panel_stride;
  float* out = product.out + row * product.out_stride + panel * kTileRows;
  float* lower_out = out + kTileRows * product.out_stride;
  const size_t out_stride = product.out_stride * sizeof(float);
  if (product.accumulate) {
    _tile_loadd(0, out, out_stride);
    if constexpr (P == 2) _tile_loadd(1, out + kTileRows, out_stride);
    if constexpr (R == 2) _tile_loadd(2, lower_out, out_stride);
    if constexpr (R == 2 && P == 2) _tile_loadd(3, lower_out + kTileRows, out_stride);
  } else {
    _tile_zero(0);
    if constexpr (P == 2) _tile_zero(1);
    if constexpr (R == 2) _tile_zero(2);
    if constexpr (R == 2 && P == 2) _tile_zero(3);
  }
  for (int i = 0; i < product.lines; i += kTileRows) {
    const size_t at_rows = i / kTileRows * kTileBytes, at_lines = i * kTileBytes;
    const std::byte* lines = product.pieces ? product.pieces[i / kTileRows] : product.panels + at_lines;
    _tile_stream_loadd(4, rows + at_rows, product.row_stride);
    if constexpr (R == 2) _tile_stream_loadd(5, lower_rows + at_rows, product.row_stride);
    _tile_loadd(6, lines + at_panel, kTileBytes);
    if constexpr (P == 2) _tile_loadd(7, lines + at_panel + product.panel_stride, kTileBytes);
    Tiles::add00();
    if constexpr (P == 2) Tiles::add01();
    if constexpr (R == 2) Tiles::add10();
    if constexpr (R == 2 && P == 2) Tiles::add11();
    prefetch_share<P>(ahead, at_lines, product.panel_stride);
  }
  _tile_stored(0, out, out_stride);
  if constexpr (P == 2) _tile_stored(1, out + kTileRows, out_stride);
  if constexpr (R == 2) _tile_stored(2, lower_out, out_stride);
  if constexpr (R == 2 && P == 2) _tile_stored(3, lower_out + kTileRows, out_stride);
}

// The panels stay in the first cache while the rows pass.
template <class Tiles, int P>
void amx_panels(const Product& product, int panel) {
  constexpr int kRows = 2 * kTileRows;
  const int blocks = (product.row_count + kRows - 1) / kRows, share = (kTileRows + blocks - 1) / blocks;
  const bool is_last = panel + P >= product.panel_count;
  const std::byte* next = product.next_panels;
  if (product.pieces != nullptr) next = nullptr;
  else if (!is_last) next = product.panels + (panel + P) * product.panel_stride;
  for (int block = 0; block < blocks; block++) {
    const int row = block * kRows, first = std::min(block * share, kTileRows);
    const Ahead ahead{next, first, next == nullptr ? 0 : std::min(share, kTileRows - first)};
    if (row + kTileRows < product.row_count) amx_tile<Tiles, 2, P>(product, row, panel, ahead);
    else amx_tile<Tiles, 1, P>(product, row, panel, ahead);
  }
}

template <class Tiles>
void multiply_amx(const Product& product) {
  use_tiles();
  int panel = 0;
  for (; panel + 2 <= product.panel_count; panel += 2) amx_panels<Tiles, 2>(product, panel);
  if (panel < product.panel_count) amx_panels<Tiles, 1>(product, panel);
  _tile_release();
}

}  // namespace
