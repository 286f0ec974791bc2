// How many threads a region may use: the cores of this process, the environment's number, or what was set.
#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "core/error.h"
#include "core/parallel.h"

namespace tilegrad {
namespace {

constexpr int kMaxThreads = 1024;

int64_t cores_by_quota(int64_t cores) {
  std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r");
  if (file == nullptr) return cores;
  long long quota = 0, period = 0;
  const bool limited =
      std::fscanf(file, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0;
  std::fclose(file);
  return limited ? std::min<int64_t>(cores, (quota + period - 1) / period) : cores;
}

int count_cores() {
  int64_t cores = static_cast<int64_t>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  cores = cores_by_quota(cores);
#endif
  return static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(cores, kMaxThreads)));
}

int initial_threads() {
  const char* text = std::getenv("TILEGRAD_NUM_THREADS");
  if (text == nullptr || *text == '\0') return available_cores();
  char* end = nullptr;
  const long n = std::strtol(text, &end, 10);
  if (*end != '\0' || n < 1 || n > kMaxThreads) {
    fail(ErrorCode::argument, "TILEGRAD_NUM_THREADS must be a whole number from 1 to ", kMaxThreads,
         " but is '", text, "'");
  }
  return static_cast<int>(n);
}

std::atomic<int> g_threads{0};  // 0: not asked for yet

}  // namespace

int available_cores() {
  static const int cores = count_cores();
  return cores;
}

int num_threads() {
  int n = g_threads.load(std::memory_order_relaxed);
  if (n != 0) return n;
  const int initial = initial_threads();
  return g_threads.compare_exchange_strong(n, initial) ? initial : n;
}

void set_num_threads(int n) {
  if (n < 1 || n > kMaxThreads) {
    fail(ErrorCode::argument, "setNumThreads: the number of threads must be from 1 to ",
         kMaxThreads, " but is ", n);
  }
  g_threads.store(n, std::memory_order_relaxed);
}

}  // namespace tilegrad
