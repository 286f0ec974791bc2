// Buffers that a thread keeps between kernels: packed panels, partial sums.
#pragma once

#include <cstddef>

namespace tilegrad {

// At least `bytes` bytes at a 64-byte boundary, uninitialised, valid until this thread next asks for
// the same slot. A kernel holds slot 0 (what a whole region shares, asked for outside the region),
// slot 1 (what one chunk needs, asked for inside), slot 2 (what outlives several regions) and slot 3 (the transpose of a
// product's result).
enum class ScratchSlot { region, chunk, whole, turned };
void* scratch(ScratchSlot slot, size_t bytes);

}  // namespace tilegrad
