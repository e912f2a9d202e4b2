// One pool of threads for the whole process: engines take turns, so cores are never oversubscribed.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

namespace quiver {

class Threads {
 public:
  using Task = std::function<void(int task, int thread)>;

  // Holds the pool for one forward pass; the pool has at least `count` threads then, the caller included.
  // In a child process after fork, where the parent's threads do not exist, a new pool is begun.
  static std::unique_lock<std::mutex> claim(int count);

  // Runs tasks 0 .. tasks - 1 on `threads` threads and returns when all are done. Call with the pool claimed.
  static void run(int tasks, int threads, const Task& task);
};

}  // namespace quiver
