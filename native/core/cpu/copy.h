// Strided copy on the CPU: what the dispatcher inserts before kernels that want contiguous inputs.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/tensor.h"

namespace tilegrad {

/// memcpy, without a call where that would take longer than the copy.
inline void copy_bytes(char* to, const char* from, int64_t bytes) {
  constexpr int64_t kShortBytes = 128;
  if (bytes > kShortBytes)
    return static_cast<void>(std::memcpy(to, from, static_cast<size_t>(bytes)));
  for (; bytes >= 16; bytes -= 16, from += 16, to += 16) std::memcpy(to, from, 16);
  if (bytes & 8) std::memcpy(to, from, 8), from += 8, to += 8;
  if (bytes & 4) std::memcpy(to, from, 4), from += 4, to += 4;
  if (bytes & 2) std::memcpy(to, from, 2), from += 2, to += 2;
  if (bytes & 1) *to = *from;
}

/// Copies `source` (any layout) to `target` (any layout without overlap) of the same shape and dtype.
void copy_strided_cpu(const View& source, const View& target);

}  // namespace tilegrad
