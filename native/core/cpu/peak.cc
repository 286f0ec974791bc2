#include "core/cpu/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>

#include "core/parallel.h"

namespace tilegrad {
namespace {

constexpr int kRuns = 20;
constexpr int64_t kRounds = 60000;                   // about 0.3 ms
constexpr int64_t kElements = int64_t{24} << 20;     // of each of the three arrays: 96 MiB
constexpr int64_t kTriadChunk = int64_t{256} << 10;  // elements

std::atomic<float> g_sink;  // what is stored here cannot be dropped

template <class Body>
double best_seconds(int runs, const Body& body) {
  double best = 1e9;
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best = std::min(best, taken.count());
  }
  return best;
}

double measure_triad() {
  std::unique_ptr<float[]> a(new float[kElements]), b(new float[kElements]),
      c(new float[kElements]);
  parallel_for(kElements, kTriadChunk, [&](int64_t begin, int64_t end) {
    std::fill(a.get() + begin, a.get() + end, 0.0f);
    std::fill(b.get() + begin, b.get() + end, 1.0f);
    std::fill(c.get() + begin, c.get() + end, 2.0f);
  });
  const double seconds = best_seconds(4, [&] {
    parallel_for(kElements, kTriadChunk, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) a[i] = b[i] + 3.0f * c[i];
    });
  });
  return 3.0 * 4 * kElements / seconds;
}

}  // namespace

Peak measure_peak(bool memory) {
  const int64_t threads = num_threads();
  const auto multiply_add = TILEGRAD_SIMD(peak_multiply_add);
  const double per_round = TILEGRAD_SIMD(peak_flops_per_round)();
  const double compute = best_seconds(kRuns, [&] {
    parallel_for(threads, 1, [&](int64_t, int64_t) {
      g_sink.store(multiply_add(kRounds), std::memory_order_relaxed);
    });
  });
  return {static_cast<double>(threads * kRounds) * per_round / compute,
          memory ? measure_triad() : 0};
}

}  // namespace tilegrad
