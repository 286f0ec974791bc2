// The 2 x 2 tiles of sums of a product by AMX, tiles 0 to 3, from and to C. Included behind the choice of AMX's instructions.
#pragma once

#include "core/cpu/amx.h"
#include "core/cpu/simd.h"

namespace tilegrad::avx512 {

// T is of 4 bytes; c: (kAmxRows, 2 kAmxRows), with Two (2 kAmxRows, 2 kAmxRows), rows c_row elements apart.
template <bool Two, class T>
TG_SIMD void amx_begin_sums(bool accumulate, const T* c, int64_t c_row) {
  const T* const c1 = c + kAmxRows * c_row;
  if (accumulate) {
    _tile_loadd(0, c, c_row * 4);
    _tile_loadd(1, c + kAmxRows, c_row * 4);
    if constexpr (Two) {
      _tile_loadd(2, c1, c_row * 4);
      _tile_loadd(3, c1 + kAmxRows, c_row * 4);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (Two) {
      _tile_zero(2);
      _tile_zero(3);
    }
  }
}

template <bool Two, class T>
TG_SIMD void amx_store_sums(T* c, int64_t c_row) {
  T* const c1 = c + kAmxRows * c_row;
  _tile_stored(0, c, c_row * 4);
  _tile_stored(1, c + kAmxRows, c_row * 4);
  if constexpr (Two) {
    _tile_stored(2, c1, c_row * 4);
    _tile_stored(3, c1 + kAmxRows, c_row * 4);
  }
}

}  // namespace tilegrad::avx512
