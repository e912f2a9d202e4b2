// Working memory: one mapping that is laid out anew for every batch and grows only when a batch is larger.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <utility>

namespace quiver {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { release(); }

  // Calls `layout(take)` twice: to measure what it takes, then to hand it out. take(bytes) gives memory aligned
  // to cache lines, with one more line behind it.
  template <class Layout>
  void lay_out(Layout&& layout) {
    for (const bool measuring : {true, false}) {
      size_t used = 0;
      layout([&](size_t bytes) {
        std::byte* place = measuring ? nullptr : base_ + used;
        used += (bytes + 127) / 64 * 64;
        return place;
      });
      if (measuring) reserve(used);
    }
  }

  void release() {
    if (base_ != nullptr) munmap(base_, size_);
    base_ = nullptr;
    size_ = 0;
  }

 private:
  void reserve(size_t bytes) {
    if (bytes <= size_) return;
    release();
    const size_t huge = size_t(2) << 20, rounded = (bytes + huge - 1) / huge * huge;
    void* memory = mmap(nullptr, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    madvise(memory, rounded, MADV_HUGEPAGE);
    base_ = static_cast<std::byte*>(memory);
    size_ = rounded;
  }

  std::byte* base_ = nullptr;
  size_t size_ = 0;
};

}  // namespace quiver
