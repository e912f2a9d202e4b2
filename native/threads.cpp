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

// A round of tasks belongs to whoever is awake: its caller waits for tasks that were taken, never for a thread that
// has taken none. On a busy machine a thread may need milliseconds to wake, and a short text takes less in all.
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
    const uint32_t round = round_.load(std::memory_order_relaxed) + 1;
    // Closes the round before: who reads what is written next can no longer take a task of that round.
    next_.store(ticket(round, kNoTask), std::memory_order_release);
    task_.store(&task, std::memory_order_release);
    tasks_.store(tasks, std::memory_order_release);
    threads_.store(threads, std::memory_order_release);
    done_.store(0, std::memory_order_relaxed);
    next_.store(ticket(round, 0), std::memory_order_release);
    round_.store(round, std::memory_order_release);
    round_.notify_all();
    take_tasks(round, 0);
    wait_until(done_, [tasks](uint32_t done) { return done == uint32_t(tasks); });
  }

 private:
  static constexpr uint32_t kNoTask = UINT32_MAX;

  static uint64_t ticket(uint32_t round, uint32_t task) { return uint64_t(round) << 32 | task; }

  void work(int thread, uint32_t seen) {
    while (true) {
      wait_until(round_, [seen](uint32_t round) { return round != seen; });
      seen = round_.load(std::memory_order_acquire);
      take_tasks(seen, thread);
    }
  }

  // Take tasks of this round until none is left or it is over; a task that was taken keeps its round open.
  void take_tasks(uint32_t round, int thread) {
    uint64_t next = next_.load(std::memory_order_acquire);
    while (uint32_t(next >> 32) == round) {
      const Threads::Task* task = task_.load(std::memory_order_acquire);
      const uint32_t index = uint32_t(next), tasks = tasks_.load(std::memory_order_acquire);
      if (thread >= threads_.load(std::memory_order_acquire) || index >= tasks) return;
      if (!next_.compare_exchange_weak(next, next + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      task->call(task->callee, int(index), thread);
      if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == tasks) done_.notify_one();
      next = next_.load(std::memory_order_acquire);
    }
  }

  uint32_t workers_ = 0;
  std::atomic<const Threads::Task*> task_{nullptr};
  std::atomic<uint32_t> tasks_{0};
  std::atomic<int> threads_{0};
  std::atomic<uint64_t> next_{0};  // the round above, its next task below
  std::atomic<uint32_t> round_{0}, done_{0};
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
