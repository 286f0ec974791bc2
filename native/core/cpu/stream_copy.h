// Copies of results that are larger than the caches: written past them, a line is not read before it is overwritten,
// and what the caches hold stays there.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"

namespace tilegrad {

// From here on a result is unlikely to be found in a cache when it is read.
constexpr int64_t kStreamedBytes = int64_t{32} << 20;

// `to` begins at a multiple of 64 bytes. Another thread sees what was written once this one has called stream_fence.
TILEGRAD_SIMD_DECLARE(void, stream_copy, (const void* from, void* to, int64_t bytes))
TILEGRAD_SIMD_DECLARE(void, stream_fence, ())

}  // namespace tilegrad
