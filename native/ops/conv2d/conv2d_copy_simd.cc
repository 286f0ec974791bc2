// Rows in and out of the convolution kernels: the padded image in, the columns that count out.
#include "core/cpu/simd.h"
#include "ops/conv2d/conv2d_activation.h"
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

// out[i] = in[2 i]: two loads and a shuffle, none beyond the last element.
template <class T>
TG_SIMD void copy_every_second(const T* in, T* out, int64_t count) {
  constexpr int W = kLanes<T>;
  Mask<T> from;
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i) from[i] = 2 * i < W ? 2 * i : 2 * i + 1;
  const auto some = [&](int64_t i) __attribute__((always_inline)) {
    const Vec<T> low = load<T>(in + 2 * i), high = load<T>(in + 2 * i + W - 1);
    store<T>(out + i, __builtin_shuffle(low, high, from));
  };
  if (count < W) {
    for (int64_t i = 0; i < count; ++i) out[i] = in[2 * i];
    return;
  }
  for (int64_t i = 0; i + W < count; i += W) some(i);
  some(count - W);
}

template <class T>
TG_SIMD void zero_run(T* out, int64_t count) {
  constexpr int W = kLanes<T>;
  if (count < W) return store_partial<T>(out, Vec<T>{}, static_cast<int>(count));
  for (int64_t i = 0; i + W < count; i += W) store<T>(out + i, Vec<T>{});
  store<T>(out + count - W, Vec<T>{});
}

template <class T>
TG_SIMD void finish_run(const CopyRows<T>& c, const T* in, const T* residual, T* out) {
  constexpr int W = kLanes<T>;
  for (int64_t i = 0; i < c.width; i += W) {
    const int left = static_cast<int>(c.width - i < W ? c.width - i : W);
    Vec<T> sum = load_partial<T>(in + i, left);
    if (residual != nullptr) sum += load_partial<T>(residual + i, left);
    store_partial<T>(out + i, activate<T>(sum, c.activation), left);
  }
}

template <class T>
TG_SIMD void copy_rows(const CopyRows<T>& c) {
  if (c.residual != nullptr || c.activation != ConvActivation::none) {
    for (int64_t p = 0; p < c.height; ++p) {
      const T* residual = c.residual != nullptr ? c.residual + p * c.out_row : nullptr;
      finish_run<T>(c, c.in + p * c.in_row, residual, c.out + p * c.out_row);
    }
    return;
  }
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

// Two rows of half a vector make one; `Shifts` is known, or 0.
template <class T, int Shifts>
TG_SIMD void copy_shifted_rows(const CopyShifted<T>& c, const T* in, T* out) {
  const int64_t shifts = Shifts != 0 ? Shifts : c.shifts, shift_plane = c.rows * c.pitch;
  const int64_t in_row = c.in_row, pitch = c.pitch;
  int64_t i = 0;
  for (; kSplitVectors && i + 2 <= c.rows; i += 2, in += 2 * in_row, out += 2 * pitch) {
    __builtin_prefetch(in + c.planes * c.in_plane);
    __builtin_prefetch(in + c.planes * c.in_plane + in_row);
#pragma GCC unroll 8
    for (int64_t s = 0; s < shifts; ++s) {
      store<T>(out + s * shift_plane, load_halves<T>(in + s, in + s + in_row));
    }
  }
  for (; i < c.rows; ++i, in += in_row, out += pitch) {
    for (int64_t s = 0; s < shifts; ++s) copy_run<T>(in + s, out + s * shift_plane, pitch);
  }
}

// Planes that lie behind those of this call are the next call's.
template <class T>
TG_SIMD void copy_shifted(const CopyShifted<T>& c) {
  for (int64_t plane = 0; plane < c.planes; ++plane) {
    const T* in = c.in + plane * c.in_plane;
    T* out = c.out + plane * c.shifts * c.rows * c.pitch;
    switch (c.shifts) {
      case 3:
        copy_shifted_rows<T, 3>(c, in, out);
        break;
      case 5:
        copy_shifted_rows<T, 5>(c, in, out);
        break;
      default:
        copy_shifted_rows<T, 0>(c, in, out);
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
      } else if (c.col_step == 2) {
        copy_every_second<T>(in + 2 * c.begin, out + c.begin, c.end - c.begin);
      } else {
        for (int64_t j = c.begin; j < c.end; ++j) out[j] = in[j * c.col_step];
      }
    }
  }
}

// One vector of output columns over all rows at a time, which are summed in `sums` (h, W): tap after tap
// adds its rows, a window of lanes each.
template <class T>
TG_SIMD void add_rows(const T* from, int64_t pitch, Window<T> lanes, int64_t count, T* sums) {
  constexpr int W = kLanes<T>;
  for (int64_t i = 0; i < count; ++i, from += pitch, sums += W) {
    store<T>(sums, load<T>(sums) + load<T>(from, lanes));
  }
}

template <class T>
TG_SIMD void gather_columns(const GatherColumns<T>& c) {
  constexpr int W = kLanes<T>;
  for (int64_t j = 0; j < c.w; j += W) {
    for (int64_t i = 0; i < c.h; ++i) store<T>(c.sums + i * W, Vec<T>{});
    for (int64_t b = 0; b < c.s; ++b) {
      const int64_t q = j + c.pad_left - b * c.dilation_w;  // of lane 0
      const int64_t begin = q < 0 ? -q : 0, end = c.q - q < W ? c.q - q : W;
      if (begin >= end) continue;
      const Window<T> lanes = window<T>(static_cast<int>(begin), static_cast<int>(end));
      for (int64_t a = 0; a < c.r; ++a) {
        const int64_t shift = a * c.dilation_h - c.pad_top;  // from row p to output row p + shift
        const int64_t first = shift < 0 ? -shift : 0, last = c.h - shift < c.p ? c.h - shift : c.p;
        const T* from = c.columns + ((a * c.s + b) * c.p + first) * c.q + q;
        add_rows<T>(from, c.q, lanes, last - first, c.sums + (shift + first) * W);
      }
    }
    const int left = static_cast<int>(c.w - j < W ? c.w - j : W);
    for (int64_t i = 0; i < c.h; ++i) {
      store_partial<T>(c.out + i * c.w + j, load<T>(c.sums + i * W), left);
    }
  }
}

}  // namespace

void conv_gather_columns_f32(const GatherColumns<float>& c) { gather_columns(c); }
void conv_gather_columns_f64(const GatherColumns<double>& c) { gather_columns(c); }
void conv_copy_rows_f32(const CopyRows<float>& c) { copy_rows(c); }
void conv_copy_rows_f64(const CopyRows<double>& c) { copy_rows(c); }
void conv_copy_shifted_f32(const CopyShifted<float>& c) { copy_shifted(c); }
void conv_copy_shifted_f64(const CopyShifted<double>& c) { copy_shifted(c); }
void conv_copy_image_f32(const CopyImage<float>& c) { copy_image(c); }
void conv_copy_image_f64(const CopyImage<double>& c) { copy_image(c); }

}  // namespace tilegrad::TILEGRAD_ISA
