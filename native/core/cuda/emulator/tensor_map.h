// What the emulator keeps in the 128 bytes of a CUtensorMap.
#pragma once

#include <cuda.h>

#include <cstdint>

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

}  // namespace tilegrad::emulator
