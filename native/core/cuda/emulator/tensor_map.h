// What the emulator keeps in the 128 bytes of a CUtensorMap.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "core/cuda/emulator/emulator.h"

namespace tilegrad::emulator {

constexpr uint64_t kTensorMapWord = 0x74656e736f726d61;

struct TensorMap {
  uint64_t word;
  const char* base;
  uint64_t size[2];     // in elements, innermost first
  uint64_t row_stride;  // in bytes
  uint32_t box[2];
  uint32_t element_bytes;
  uint32_t swizzle_128b;
};
static_assert(sizeof(TensorMap) <= sizeof(CUtensorMap));

// Where the 128-byte swizzle puts the byte at `offset` of shared memory.
constexpr uint32_t swizzled(uint32_t offset) { return offset ^ ((offset >> 7 & 7) << 4); }

/// The map's fields; fails if it is none.
TensorMap read_tensor_map(const CUtensorMap* map, const Site& site);
// Copies the map's box at element (x, y) to or from shared memory element by element, so that TSan and ASan see each access;
// what lies outside of the tensor is read as zeros and not written.
void copy_box_to_shared(const TensorMap& map, char* shared, uint32_t offset, int x, int y);
void copy_box_to_global(const TensorMap& map, const char* shared, uint32_t offset, int x, int y);

}  // namespace tilegrad::emulator
