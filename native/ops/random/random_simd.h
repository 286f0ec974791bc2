// Rows of random numbers, one function per op and ISA. [begin, end) counts groups of random::kLanes
// blocks, `n` the elements of the whole tensor: the last group may be cut.
#pragma once

#include "core/cpu/isa.h"
#include "core/dtype.h"
#include "core/random.h"

namespace tilegrad {

struct GroupRange {
  random::Sequence sequence;
  int64_t begin, end, n;
};

// The random::kWords words of a group, word w of block l at 16 w + l.
TILEGRAD_SIMD_DECLARE(void, random_group,
                      (const random::Sequence& sequence, int64_t group, uint32_t* words))
TILEGRAD_SIMD_DECLARE(void, random_uniform,
                      (DType dtype, const GroupRange& range, double low, double high, double most,
                       void* out))
TILEGRAD_SIMD_DECLARE(void, random_normal,
                      (DType dtype, const GroupRange& range, double mean, double std, void* out))
TILEGRAD_SIMD_DECLARE(void, random_bernoulli,
                      (DType dtype, const GroupRange& range, uint64_t threshold, void* out))
// With chances of its own for each element, in the dtype of `out`.
TILEGRAD_SIMD_DECLARE(void, random_bernoulli_each,
                      (DType dtype, const GroupRange& range, const void* p, void* out))
TILEGRAD_SIMD_DECLARE(void, random_integers,
                      (DType dtype, const GroupRange& range, int64_t low, uint64_t span, void* out))
// out = x * scale where the drawn word is at least `threshold`, else x * 0.
TILEGRAD_SIMD_DECLARE(void, random_dropout,
                      (DType dtype, const GroupRange& range, uint64_t threshold, double scale,
                       const void* x, void* out))

}  // namespace tilegrad
