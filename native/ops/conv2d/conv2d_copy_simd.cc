// Rows in and out of the convolution kernels: the padded image in, the columns that count out.
#include "core/cpu/simd.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

template <class T>
TG_SIMD void copy_run(const T* in, T* out, int64_t count) {
  constexpr int W = kLanes<T>;
  if (count < W)
    return store_partial<T>(out, load_partial<T>(in, static_cast<int>(count)),
                            static_cast<int>(count));
  for (int64_t i = 0; i + W < count; i += W) store<T>(out + i, load<T>(in + i));
  store<T>(out + count - W, load<T>(in + count - W));
}

template <class T>
TG_SIMD void zero_run(T* out, int64_t count) {
  constexpr int W = kLanes<T>;
  if (count < W) return store_partial<T>(out, Vec<T>{}, static_cast<int>(count));
  for (int64_t i = 0; i + W < count; i += W) store<T>(out + i, Vec<T>{});
  store<T>(out + count - W, Vec<T>{});
}

template <class T>
TG_SIMD void copy_rows(const CopyRows<T>& c) {
  for (int64_t p = 0; p < c.height; ++p) {
    const T* in = c.in + p * c.in_row;
    T* out = c.out + p * c.out_row;
    if (c.out_col == 1) {
      copy_run<T>(in, out, c.width);
    } else {
      for (int64_t q = 0; q < c.width; ++q) out[q * c.out_col] = in[q];
    }
  }
}

template <class T>
TG_SIMD void copy_image(const CopyImage<T>& c) {
  for (int64_t plane = 0; plane < c.planes; ++plane) {
    T* out = c.out + plane * c.out_plane;
    for (int64_t i = 0; i < c.rows; ++i, out += c.pitch) {
      const int64_t row = c.first_row + i * c.row_step;
      if (row < 0 || row >= c.in_rows || c.begin >= c.end) {
        zero_run<T>(out, c.pitch);
        continue;
      }
      const T* in = c.in + plane * c.in_plane + row * c.in_row + c.in_col;
      if (c.end - c.begin < c.pitch) zero_run<T>(out, c.pitch);
      if (c.col_step == 1) {
        copy_run<T>(in + c.begin, out + c.begin, c.end - c.begin);
      } else {
        for (int64_t j = c.begin; j < c.end; ++j) out[j] = in[j * c.col_step];
      }
    }
  }
}

// What one vector of output columns gets from tap column b: rows a0 to a1 of it, at lane 0 = column q.
template <class T>
TG_SIMD Vec<T> gather_rows(const T* from, int64_t step, int64_t count, Window<T> lanes) {
  Vec<T> sum = {};
  for (int64_t a = 0; a < count; ++a) sum += load<T>(from + a * step, lanes);
  return sum;
}

// Each output vector collects its taps in a register; a tap covers the lanes whose column lies inside.
template <class T>
TG_SIMD void gather_columns(const GatherColumns<T>& c) {
  constexpr int W = kLanes<T>;
  const int64_t step = c.s * c.p * c.q - c.dilation_h * c.q;  // from tap row a to a + 1
  for (int64_t i = 0; i < c.h; ++i) {
    // Tap rows a0 to a1: p = top - a * dilation_h in [0, c.p).
    const int64_t top = i + c.pad_top;
    int64_t a0 = 0, a1 = c.r;
    while (a0 < a1 && top - a0 * c.dilation_h >= c.p) ++a0;
    while (a0 < a1 && top - (a1 - 1) * c.dilation_h < 0) --a1;
    for (int64_t j = 0; j < c.w; j += W) {
      Vec<T> sum = {};
      for (int64_t b = 0; b < c.s; ++b) {
        const int64_t q = j + c.pad_left - b * c.dilation_w;
        const int64_t begin = q < 0 ? -q : 0, end = c.q - q < W ? c.q - q : W;
        if (begin >= end) continue;
        const int64_t first = ((a0 * c.s + b) * c.p + top - a0 * c.dilation_h) * c.q + q;
        sum += gather_rows<T>(c.columns + first, step, a1 - a0,
                              window<T>(static_cast<int>(begin), static_cast<int>(end)));
      }
      const int64_t left = c.w - j;
      store_partial<T>(c.out + i * c.w + j, sum, static_cast<int>(left < W ? left : W));
    }
  }
}

}  // namespace

void conv_gather_columns_f32(const GatherColumns<float>& c) { gather_columns(c); }
void conv_gather_columns_f64(const GatherColumns<double>& c) { gather_columns(c); }
void conv_copy_rows_f32(const CopyRows<float>& c) { copy_rows(c); }
void conv_copy_rows_f64(const CopyRows<double>& c) { copy_rows(c); }
void conv_copy_image_f32(const CopyImage<float>& c) { copy_image(c); }
void conv_copy_image_f64(const CopyImage<double>& c) { copy_image(c); }

}  // namespace tilegrad::TILEGRAD_ISA
