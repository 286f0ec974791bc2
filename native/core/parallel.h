// Fork-join over index ranges on threads of our own.
//
// parallel_for(n, grain, body) calls body(begin, end) once for each chunk [k * grain, min((k + 1) *
// grain, n)): the chunks depend on n and grain alone, so a body that writes one partial result per
// chunk gives the same bits at any thread count. The caller takes part; the helpers are started at
// the first region that can use them and are never joined. A nested region, a region while another
// thread runs one, and a single chunk run inline on the caller, chunk by chunk. Where there are as many
// threads as cores, a region does with one helper fewer while the thread that asks for work is busy.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace tilegrad {

// Cores that this process may run on, by affinity and cgroup quota.
int available_cores();

// Threads that a region may use, the caller included. Default: the available cores, or
// TILEGRAD_NUM_THREADS.
int num_threads();

// From the next region on. Throws for n < 1.
void set_num_threads(int n);

// The thread that asks for work will itself be running for so long; 0: it waits.
void set_asker_busy(int microseconds);

// True on a thread that is inside a region, where parallel_for runs inline.
bool in_parallel_region();

namespace detail {
using RangeFunction = void (*)(void* context, int64_t begin, int64_t end);
void parallel_for(int64_t n, int64_t grain, RangeFunction function, void* context);
}  // namespace detail

// The first exception that a body throws is rethrown here, after every running chunk has ended;
// chunks not yet begun are dropped. grain < 1 counts as 1; n <= 0 calls nothing.
template <class Body>
void parallel_for(int64_t n, int64_t grain, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  if (grain < 1) grain = 1;
  if (n <= 0) return;
  if (n <= grain) return static_cast<void>(body(int64_t{0}, n));
  detail::parallel_for(
      n, grain,
      [](void* context, int64_t begin, int64_t end) {
        (*static_cast<Plain*>(context))(begin, end);
      },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

// Chunk length that gives each chunk about `work` units when one index costs `work_per_index`.
inline int64_t grain_for(int64_t work_per_index, int64_t work = 32768) {
  return work_per_index >= work ? 1 : work / (work_per_index < 1 ? 1 : work_per_index);
}

}  // namespace tilegrad
