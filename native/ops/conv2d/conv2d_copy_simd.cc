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

}  // namespace

void conv_copy_rows_f32(const CopyRows<float>& c) { copy_rows(c); }
void conv_copy_rows_f64(const CopyRows<double>& c) { copy_rows(c); }
void conv_copy_image_f32(const CopyImage<float>& c) { copy_image(c); }
void conv_copy_image_f64(const CopyImage<double>& c) { copy_image(c); }

}  // namespace tilegrad::TILEGRAD_ISA
