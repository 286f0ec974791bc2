// One pass over a finished tile while it is in the cache: reads 4 bytes and writes 1 or 4 an element.
#include "core/cpu/int8_epilogue.h"
#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

constexpr int W = kLanes<int32_t>;
typedef int8_t VecI8 __attribute__((vector_size(W)));
typedef uint8_t VecU8 __attribute__((vector_size(W)));

// Along one row: what is per row or for all is in `all`, what is per column is read.
template <class T>
struct RowValue {
  const T* columns;  // or null
  T all;
};

template <class T>
TG_SIMD RowValue<T> row_value(const PerAxis<T>& v, int64_t row, int64_t col, T absent) {
  if (v.data == nullptr) return {nullptr, absent};
  if (v.col != 0) return {v.data + v.row * row + col, T{}};
  return {nullptr, v.data[v.row * row]};
}

template <class T>
TG_SIMD Vec<T> read(const RowValue<T>& v, int64_t j, int n) {
  if (v.columns == nullptr) return broadcast<T>(v.all);
  return n == W ? load<T>(v.columns + j) : load_partial<T>(v.columns + j, n);
}

struct Row {
  RowValue<int32_t> b_zero, bias_i32;
  RowValue<float> scale, bias_f32;
  int32_t a_zero, a_sum;
};

// The held values are a + a_shift and b - b_shift; so are the zero points.
TG_SIMD VecU32 integer_sum(const Int8Epilogue& e, const Row& row, const Int8Tile& t,
                           const int32_t* c, int64_t j, int n) {
  const auto take = [&](const int32_t* p) __attribute__((always_inline)) {
    return (VecU32)(n == W ? load<int32_t>(p + j) : load_partial<int32_t>(p + j, n));
  };
  const uint32_t a_zero = static_cast<uint32_t>(row.a_zero) + static_cast<uint32_t>(t.a_shift);
  const VecU32 b_zero = (VecU32)read<int32_t>(row.b_zero, j, n) - static_cast<uint32_t>(t.b_shift);
  const uint32_t a_rest = static_cast<uint32_t>(row.a_sum) - static_cast<uint32_t>(e.k) * a_zero;
  const VecU32 shift = b_zero * a_rest - (VecU32)read<int32_t>(row.bias_i32, j, n);
  return take(c) - (t.b_sums ? take(t.b_sums) * a_zero : VecU32{}) - shift;
}

TG_SIMD VecF32 scaled(const Int8Epilogue& e, const Row& row, VecU32 sum, int64_t j, int n) {
  VecF32 y = __builtin_convertvector((VecI32)sum, VecF32) * read<float>(row.scale, j, n) +
             read<float>(row.bias_f32, j, n);
  return e.relu ? relu<float>(y) : y;
}

// Round half to even: adding 1.5 * 2^23 leaves the integer in the low bits of what is within 2^22; NaN becomes 0.
TG_SIMD VecI32 round_to_bytes(const Int8Epilogue& e, VecF32 y) {
  constexpr float kShift = 12582912.0f;
  const float low = static_cast<float>(e.low - e.out_zero),
              high = static_cast<float>(e.high - e.out_zero);
  y = y != y ? VecF32{} : y;
  y = y < low ? VecF32{} + low : y;
  y = y > high ? VecF32{} + high : y;
  return ((VecI32)(y + kShift) - static_cast<int32_t>(0x4b400000)) + e.out_zero;
}

template <class Byte, class VecByte>
TG_SIMD void store_bytes(Byte* out, VecI32 v, int n) {
  const VecByte bytes = __builtin_convertvector(v, VecByte);
  if (n == W) {
    __builtin_memcpy(out, &bytes, W);
  } else {
    for (int i = 0; i < n; ++i) out[i] = bytes[i];
  }
}

TG_SIMD void finish_row(const Int8Epilogue& e, const Row& row, const Int8Tile& t, int64_t i) {
  const int32_t* c = t.c + i * t.c_row;
  const int64_t at = (t.row + i) * e.out_row + t.col;
  for (int64_t j = 0; j < t.cols; j += W) {
    const int n = static_cast<int>(t.cols - j < W ? t.cols - j : W);
    const VecU32 sum = integer_sum(e, row, t, c, j, n);
    if (e.dtype == DType::i32) {
      int32_t* out = static_cast<int32_t*>(e.out) + at + j;
      n == W ? store<int32_t>(out, (VecI32)sum) : store_partial<int32_t>(out, (VecI32)sum, n);
      continue;
    }
    const VecF32 y = scaled(e, row, sum, j, n);
    if (e.dtype == DType::f32) {
      float* out = static_cast<float*>(e.out) + at + j;
      n == W ? store<float>(out, y) : store_partial<float>(out, y, n);
    } else if (e.dtype == DType::i8) {
      store_bytes<int8_t, VecI8>(static_cast<int8_t*>(e.out) + at + j, round_to_bytes(e, y), n);
    } else {
      store_bytes<uint8_t, VecU8>(static_cast<uint8_t*>(e.out) + at + j, round_to_bytes(e, y), n);
    }
  }
}

// f32 where nothing is per column and A has no zero point: y = (c + shift) scale + bias.
TG_SIMD void finish_row_f32(const Int8Epilogue& e, const Row& row, const Int8Tile& t, int64_t i) {
  const int32_t* c = t.c + i * t.c_row;
  float* out = static_cast<float*>(e.out) + (t.row + i) * e.out_row + t.col;
  const uint32_t b_zero = static_cast<uint32_t>(row.b_zero.all) - static_cast<uint32_t>(t.b_shift);
  const auto shift = static_cast<int32_t>(static_cast<uint32_t>(row.bias_i32.all) -
                                          b_zero * static_cast<uint32_t>(row.a_sum));
  const VecU32 shifts = (VecU32)broadcast<int32_t>(shift);
  const VecF32 scale = broadcast<float>(row.scale.all), bias = broadcast<float>(row.bias_f32.all);
  const VecF32 least = broadcast<float>(e.relu ? 0.0f : -__builtin_inff());
  for (int64_t j = 0; j < t.cols; j += W) {
    const int n = static_cast<int>(t.cols - j < W ? t.cols - j : W);
    const VecU32 held = (VecU32)(n == W ? load<int32_t>(c + j) : load_partial<int32_t>(c + j, n));
    VecF32 y = __builtin_convertvector((VecI32)(held + shifts), VecF32) * scale + bias;
    y = y < least ? least : y;
    n == W ? store<float>(out + j, y) : store_partial<float>(out + j, y, n);
  }
}

bool is_per_row(const Int8Epilogue& e, const Int8Tile& t) {
  return e.dtype == DType::f32 && e.a_zero.data == nullptr && t.a_shift == 0 && e.b_zero.col == 0 &&
         e.bias_i32.col == 0 && e.bias_f32.col == 0 && e.scale.col == 0;
}

}  // namespace

void int8_epilogue(const Int8Epilogue& e, const Int8Tile& tile) {
  const bool per_row = is_per_row(e, tile);
  for (int64_t i = 0; i < tile.rows; ++i) {
    const int64_t row = tile.row + i;
    const Row values = {row_value<int32_t>(e.b_zero, row, tile.col, 0),
                        row_value<int32_t>(e.bias_i32, row, tile.col, 0),
                        row_value<float>(e.scale, row, tile.col, 1.0f),
                        row_value<float>(e.bias_f32, row, tile.col, 0.0f),
                        row_value<int32_t>(e.a_zero, row, 0, 0).all,
                        tile.a_sums ? tile.a_sums[i] : 0};
    per_row ? finish_row_f32(e, values, tile, i) : finish_row(e, values, tile, i);
  }
}

}  // namespace tilegrad::TILEGRAD_ISA
