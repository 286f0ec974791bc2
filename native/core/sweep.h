// Parallel regions that read and write whole tensors, on the CPU. If all of them began at the same end, one over more
// bytes than a core's cache holds would find none of what the one before it left there: it evicts those lines before
// it comes to them. So they go forwards and backwards in turn, each thread within the chunks that it begins with. Of far
// more bytes too few stay, and the processor's prefetching goes forwards: those are left alone.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "core/parallel.h"

namespace tilegrad {

namespace detail {

constexpr int64_t kSweptBytes = int64_t{24} << 20;  // for each thread, whose cache holds 1 to 2 MB

// Every other call.
inline bool sweeps_back() {
  static std::atomic<uint32_t> sweeps{0};
  return sweeps.fetch_add(1, std::memory_order_relaxed) % 2 == 1;
}

// The chunk as far from the end of its thread's share as `chunk` from the beginning; parallel_for gives thread i of s
// the chunks from count i / s on.
inline int64_t mirrored(int64_t chunk, int64_t count, int64_t shares) {
  const int64_t share = ((chunk + 1) * shares - 1) / count;
  return count * share / shares + count * (share + 1) / shares - 1 - chunk;
}

}  // namespace detail

// As parallel_for, with the same chunks; their order is another one from call to call. `bytes`: about how many the region
// reads and writes.
template <class Body>
void sweep_for(int64_t n, int64_t grain, int64_t bytes, Body&& body) {
  if (grain < 1) grain = 1;
  if (n <= grain || bytes > num_threads() * detail::kSweptBytes || !detail::sweeps_back())
    return parallel_for(n, grain, body);
  const int64_t count = n / grain + (n % grain != 0);
  const int64_t shares = std::min<int64_t>(num_threads(), count);
  parallel_for(count, 1, [&](int64_t chunk, int64_t) {
    const int64_t begin = detail::mirrored(chunk, count, shares) * grain;
    body(begin, n - begin < grain ? n : begin + grain);
  });
}

}  // namespace tilegrad
