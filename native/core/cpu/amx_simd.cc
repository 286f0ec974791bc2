// The state of a thread that multiplies by AMX tiles: all eight of 16 rows of 64 bytes.
#if defined(TILEGRAD_ISA_AVX512)
#if !defined(__clang__)
#pragma GCC target("amx-tile")
#endif

#include <immintrin.h>

#include "core/cpu/amx.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("amx-tile"))), apply_to = function)
#endif

namespace tilegrad::avx512 {
namespace {

struct TileConfig {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

}  // namespace

void amx_configure() {
  TileConfig config = {};
  config.palette = 1;
  for (int i = 0; i < 8; ++i) config.row_bytes[i] = kAmxRowBytes, config.rows[i] = kAmxRows;
  asm volatile("" ::"r"(&config) : "memory");  // GCC 12 takes the intrinsic to read 8 bytes
  _tile_loadconfig(&config);
}

void amx_release() { _tile_release(); }

}  // namespace tilegrad::avx512

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
