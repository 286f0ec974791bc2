// Images with their channels innermost, as implicit matrix products gather them, and weights to match.
#pragma once

#include "core/ceil_div.h"
#include "core/cuda/cuda_device.h"

namespace tilegrad::cuda {

/// Channels per group, rounded up to what 16 bytes hold.
inline int64_t padded_channels(int64_t channels, int element_bytes) {
  const int64_t per = 16 / element_bytes;
  return round_up(channels, per);
}

/// Enqueues (n, groups, channels, pixels) to (n, pixels, groups, padded channels), zeros in the padding. With `flip` the
/// highest bit of bytes is turned, so that u8 is held as s8, less 128. The copy is looked for in `forms`, those of x's buffer
/// or null, and kept there while memory allows; the caller holds it until its kernels are enqueued.
PackedForm channels_last(CudaStream& stream, const void* x, int64_t n, int64_t groups,
                         int64_t channels, int64_t pixels, int element_bytes, PackedForms* forms,
                         bool flip = false);

/// Enqueues weights (groups, k, c, taps) to (groups, rows, taps, padded channels): rows are k and channels c, or the other
/// way round if `transposed`. As above.
PackedForm packed_weight(CudaStream& stream, const void* weight, int64_t groups, int64_t k,
                         int64_t c, int64_t taps, bool transposed, int element_bytes,
                         PackedForms* forms, bool flip = false);

}  // namespace tilegrad::cuda
