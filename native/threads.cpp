#include "threads.hpp"

#include <immintrin.h>
#include <pthread.h>

#include <atomic>
#include <thread>
#include <vector>

namespace quiver {
namespace {

// Long enough to bridge the gap between two phases of a layer, short enough to leave the core to others.
constexpr int kSpins = 4000;

template <class Ready>
void wait_until(const std::atomic<uint32_t>& value, Ready ready) {
  for (int i = 0; i < kSpins; i++) {
    if (ready(value.load(std::memory_order_acquire))) return;
    _mm_pause();
  }
  for (uint32_t seen = value.load(std::memory_order_acquire); !ready(seen);
       seen = value.load(std::memory_order_acquire))
    value.wait(seen, std::memory_order_acquire);
}

}  // namespace

class Pool {
 public:
  std::mutex turn;

  void grow(int threads) {
    while (int(workers_) < threads - 1) {
      const int index = ++workers_;
      std::thread([this, index, seen = round_.load()] { work(index, seen); }).detach();
    }
  }

  void run(int tasks, int threads, const Threads::Task& task) {
    if (threads <= 1 || tasks <= 1) {
      for (int i = 0; i < tasks; i++) task.call(task.callee, i, 0);
      return;
    }
    task_ = &task;
    tasks_ = tasks;
    threads_ = threads;
    next_.store(0, std::memory_order_relaxed);
    working_.store(workers_, std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    take_tasks(0);
    wait_until(working_, [](uint32_t count) { return count == 0; });
  }

 private:
  void work(int thread, uint32_t seen) {
    while (true) {
      wait_until(round_, [seen](uint32_t round) { return round != seen; });
      seen = round_.load(std::memory_order_acquire);
      if (thread < threads_) take_tasks(thread);
      if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) working_.notify_one();
    }
  }

  void take_tasks(int thread) {
    for (int i = next_.fetch_add(1); i < tasks_; i = next_.fetch_add(1)) task_->call(task_->callee, i, thread);
  }

  uint32_t workers_ = 0;
  const Threads::Task* task_ = nullptr;
  int tasks_ = 0, threads_ = 0;
  std::atomic<int> next_{0};
  std::atomic<uint32_t> round_{0}, working_{0};
};

namespace {

// Never destroyed: its threads may outlive the end of main.
std::atomic<Pool*> pool{new Pool};
const int at_fork = pthread_atfork(nullptr, nullptr, [] { pool.store(new Pool); });

}  // namespace

std::unique_lock<std::mutex> Threads::claim(int count) {
  std::unique_lock lock(pool.load()->turn);
  pool.load()->grow(count);
  return lock;
}

void Threads::run_tasks(int tasks, int threads, const Task& task) { pool.load()->run(tasks, threads, task); }

}  // namespace quiver
