// A group of 4 neighbours, of which 2 are kept: what CPU and CUDA do alike.
#pragma once

#include "core/dtype.h"

namespace tilegrad {

constexpr int kGroup = 4;

TG_HOST_DEVICE uint64_t magnitude_bits(float x) { return float_to_bits(x) & 0x7fffffffu; }
TG_HOST_DEVICE uint64_t magnitude_bits(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits & ~(uint64_t{1} << 63);
}

/// The 4 bits of the two elements of largest magnitude, of equal ones the first; NaN is the largest.
template <class T>
TG_HOST_DEVICE int kept_indices(const T* group) {
  uint64_t size[kGroup];
  for (int i = 0; i < kGroup; ++i) size[i] = magnitude_bits(static_cast<compute_t<T>>(group[i]));
  int first = 0;
  for (int i = 1; i < kGroup; ++i)
    if (size[i] > size[first]) first = i;
  int second = first == 0 ? 1 : 0;
  for (int i = second + 1; i < kGroup; ++i)
    if (i != first && size[i] > size[second]) second = i;
  return first < second ? first | second << 2 : second | first << 2;
}

/// The 4 bits of group `group` of a row of indices.
TG_HOST_DEVICE int indices_of(const uint8_t* row, int64_t group) {
  return row[group / 2] >> (group % 2 * 4) & 15;
}

}  // namespace tilegrad
