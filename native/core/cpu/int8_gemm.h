// Integer matrix product on the CPU: u8 or s8 (m, k) times u8 or s8 (k, n), exact in s32 (modulo 2^32).
#pragma once

#include <cstdint>

#include "core/packed_forms.h"

namespace tilegrad {

// Elements of one byte with strides, or, for B, a function that writes them.
struct Int8Operand {
  const void* data = nullptr;
  bool is_signed = false;
  int64_t row = 0, col = 0;
};

// A finished part of the product: rows [row, row + rows) and columns [col, col + cols).
// Inside, operands may be held as A + a_shift and B - b_shift (128 to make A unsigned or B signed, else 0): the sums and `c`
// are those of the held values, and the zero points shift along with them (see Int8Epilogue).
struct Int8Tile {
  int32_t* c;  // (rows, cols)
  int64_t c_row;
  int64_t row, rows, col, cols;
  const int32_t* a_sums;  // of the rows of this tile over k; null where nobody wants them
  const int32_t* b_sums;  // of the columns of this tile over k; null where A has no zero point
  int32_t a_shift, b_shift;
  // Not 0: in `c` the columns lie in runs of that many, run_pitch apart, and a vector may be read from anywhere in it.
  int64_t run = 0, run_pitch = 0;
};

struct Int8Gemm {
  int64_t m = 0, n = 0, k = 0;
  Int8Operand a, b;
  PackedForms* packed =
      nullptr;  // of the contents of b.data, if they stay the same from call to call
  // Instead of b.data: writes rows [0, k) of columns [col, col + cols) to out (k, pitch), as b.is_signed says.
  void (*fill)(const void* context, int64_t col, int64_t cols, uint8_t* out,
               int64_t pitch) = nullptr;
  const void* fill_context = nullptr;
  // (m, n) if the tiles are wanted in place; null: each tile lies in scratch memory.
  int32_t* c = nullptr;
  int64_t c_row = 0;
  void (*finish)(const void* context, const Int8Tile& tile) = nullptr;
  const void* finish_context = nullptr;
  // False if no zero point of B needs the sums of A's rows where nothing is shifted.
  bool wants_a_sums = true;
  // With `c`: `finish` changes nothing where nothing is shifted, and may then be left out.
  bool raw = false;
};

// What the packed form of B depends on.
PackedKey int8_packed_key(const Int8Gemm& g, const char* kind);

// k = 0 gives zeros. Every tile is finished exactly once, on any thread.
void int8_gemm(const Int8Gemm& g);

}  // namespace tilegrad
