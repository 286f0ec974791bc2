// Intel AMX: whether this process may use the tile registers, and their state.
#pragma once

#include <cstdint>

namespace tilegrad {

inline constexpr int kAmxRows = 16;      // of a tile
inline constexpr int kAmxRowBytes = 64;  // of a tile

// True where the processor has AMX tiles for bytes and bf16, the system grants their state (asked for once, on the first call), and
// TILEGRAD_ISA is unset or "amx". Kernels then take them beside AVX-512.
bool has_amx();
// The same whatever TILEGRAD_ISA says.
bool processor_has_amx();

#if defined(__x86_64__)
namespace avx512 {

// Tiles hold their state per thread: kernels with them are called between the two.
void amx_configure();
void amx_release();

}  // namespace avx512
#endif

}  // namespace tilegrad
