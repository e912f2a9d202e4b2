// One pool of threads for the whole process: engines take turns, so cores are never oversubscribed.
#pragma once

#include <mutex>
#include <type_traits>

namespace quiver {

class Threads {
 public:
  // Holds the pool for one forward pass; the pool has at least `count` threads then, the caller included.
  // In a child process after fork, where the parent's threads do not exist, a new pool is begun.
  static std::unique_lock<std::mutex> claim(int count);

  // Calls work(task, thread) for tasks 0 .. tasks - 1 on `threads` threads and returns when all are done. Call
  // with the pool claimed. Allocates nothing.
  template <class Work>
  static void run(int tasks, int threads, Work&& work) {
    using Callee = std::remove_reference_t<Work>;
    run_tasks(tasks, threads, Task{&work, [](void* callee, int task, int thread) {
                               (*static_cast<Callee*>(callee))(task, thread);
                             }});
  }

 private:
  friend class Pool;
  struct Task {
    void* callee;
    void (*call)(void* callee, int task, int thread);
  };
  static void run_tasks(int tasks, int threads, const Task& task);
};

}  // namespace quiver
