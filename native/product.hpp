// How a product is cut into tasks.
#pragma once

#include <algorithm>

#include "model.hpp"
#include "threads.hpp"

namespace quiver {

constexpr int kBlockRows = 1024;                     // rows that pass through a layer's products together
constexpr int kMostPanels = kMostChannels / kPanel;  // panels that a task multiplies at once
constexpr int kTasksPerThread = 4;                   // enough that threads end together
constexpr int kRowsPerTask = 16;                     // of work on one row at a time
constexpr size_t kKeptRowBytes = 5 << 18;            // bytes of a task's rows that stay in the second cache

template <class T>
T* as(std::byte* p) {
  return reinterpret_cast<T*>(p);
}

// Bytes from row to row, which must not meet in one cache set.
inline size_t padded_stride(int width, Element element) {
  return round_up(width, kInputMultiple) * element_size(element) + kLine;
}

// The rows of blocks of about equal size: a multiple of 16, as `most` is.
inline int even_block(int count, int most) {
  const int blocks = std::max(1, (count + most - 1) / most);
  return round_up(std::max(1, (count + blocks - 1) / blocks), kPanel);
}

// Calls work(row, floats to work in) for rows 0 .. count - 1.
template <class Work>
void Model::each_row(int count, Work&& work) {
  Threads::run((count + kRowsPerTask - 1) / kRowsPerTask, threads_, [&](int task, int thread) {
    const int first = task * kRowsPerTask, last = std::min(count, first + kRowsPerTask);
    for (int row = first; row < last; row++) work(row, as<float>(buffers_.thread[thread]));
  });
}

// Multiplies and hands every finished block of numbers, still in the cache, to
// epilogue(first row, rows, first panel, panels, numbers, stride).
template <class Epilogue>
void Model::multiply(const Matrix& matrix, int first_panel, int panels, int align, const Rows& rows,
                     Epilogue&& epilogue) {
  const int block = even_block(rows.count, kernels_.row_block), row_blocks = (rows.count + block - 1) / block;
  const int shares = std::max(1, (threads_ * kTasksPerThread + row_blocks - 1) / row_blocks);
  const int most = std::max(align, kMostPanels / align * align);
  const int chunk = std::min(round_up((panels + shares - 1) / shares, align), most);
  const int chunks = (panels + chunk - 1) / chunk;
  const bool stay = block * rows.stride <= kKeptRowBytes;
  const int at_once = stay ? std::min(most, round_up(kernels_.panels_at_once, align)) : most;
  Threads::run(chunks * row_blocks, threads_, [&](int task, int thread) {
    const int row = task % row_blocks * block, row_count = std::min(block, rows.count - row);
    int panel = task / row_blocks * chunk;
    const int width = std::min(chunk, panels - panel);
    float* numbers = as<float>(buffers_.thread[thread]);
    for (int last = panel + width; panel < last; panel += at_once) {
      const Part part{matrix, first_panel + panel, std::min(at_once, last - panel)};
      multiply_rows(part, rows.data + row * rows.stride, rows.stride, row_count, numbers);
      if (matrix.element == Element::kInt8) undo_rounding(part, rows, row, row_count, numbers);
      epilogue(row, row_count, panel, part.panels, numbers, part.stride());
    }
  });
}

}  // namespace quiver
