// What the emulator keeps in the 128 bytes of a CUtensorMap: tensors of up to five dimensions of which boxes are copied,
// and images (channels, width, height, depth, image) of which columns of pixels are, by a tap (im2col).
#pragma once

#include <cuda.h>

#include <cstdint>

#include "core/cuda/emulator/emulator.h"

namespace tilegrad::emulator {

constexpr uint64_t kTensorMapWord = 0x74656e736f726d61;
constexpr int kMostDimensions = 5;

struct TensorMap {
  uint64_t word;
  const char* base;
  uint64_t size[kMostDimensions];    // in elements, innermost first
  uint64_t stride[kMostDimensions];  // in bytes; [0] is the element's size
  uint16_t box[kMostDimensions];     // im2col: channels, pixels
  uint8_t step[kMostDimensions];     // from one element of the box to the next
  uint8_t rank, swizzle_128b, im2col;
  int16_t lower[3], upper[3];  // im2col: corners of the bounding box, width first
};
static_assert(sizeof(TensorMap) <= sizeof(CUtensorMap));

// Where a copy starts, innermost dimension first; im2col: and the tap, width first.
struct BoxPlace {
  int at[kMostDimensions] = {};
  uint16_t tap[3] = {};
};

// Where the 128-byte swizzle puts the byte at `offset` of shared memory.
constexpr uint32_t swizzled(uint32_t offset) { return offset ^ ((offset >> 7 & 7) << 4); }

/// The map's fields; fails if it is none, or not of the rank and mode that the instruction has.
TensorMap read_tensor_map(const CUtensorMap* map, int rank, bool im2col, const Site& site);
/// What a copy moves, zeros outside of the tensor included.
uint32_t box_bytes(const TensorMap& map);
/// im2col: fails unless the first pixel lies in the bounding box, on one of its steps.
void check_place(const TensorMap& map, const BoxPlace& place, const Site& site);
// Copies the map's box to or from shared memory byte by byte, so that TSan and ASan see each access; what lies
// outside of the tensor is read as zeros and not written.
void copy_box_to_shared(const TensorMap& map, char* shared, uint32_t offset, const BoxPlace& place);
void copy_box_to_global(const TensorMap& map, const char* shared, uint32_t offset,
                        const BoxPlace& place);

}  // namespace tilegrad::emulator
