// Splitting the depth of a product with few tiles over blocks: ranges of K give partial sums, which are added in order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/ceil_div.h"

namespace tilegrad::cuda {

struct SplitK {
  int length;  // of a range, a multiple of the step
  int ranges;
};

// The ranges depend on the shape alone, so that the bits do not depend on the device; with the tiles they give at most
// `blocks` pieces of work. depth is below 2^31.
inline SplitK split_depth(int64_t tiles, int64_t depth, int64_t step, int64_t shortest,
                          int64_t blocks = 256) {
  constexpr int64_t kMostRanges = 64;
  const int64_t most =
      std::min({blocks / std::max<int64_t>(tiles, 1), depth / shortest, kMostRanges});
  if (most <= 1) return {INT32_MAX, 1};
  const int64_t length = round_up(ceil_div(depth, most), step);
  return {static_cast<int>(length), static_cast<int>(ceil_div(depth, length))};
}

}  // namespace tilegrad::cuda
