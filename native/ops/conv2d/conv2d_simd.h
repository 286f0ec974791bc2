// What the convolutions ask of their SIMD files. "Image": planes in which the elements that one tap
// meets at successive output columns are neighbours (see conv2d_image.h).
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"

namespace tilegrad {

// What is applied to a finished sum, after bias and residual. NaN stays NaN.
enum class ConvActivation : uint8_t { none, relu, relu6 };

// Lanes [begin, end) of a vector go to out + lane.
struct ConvSegment {
  int64_t out;
  int32_t begin, end;
};

// Up to panel_rows output channels at `vectors` runs of `lanes` output columns:
//   out[i * out_row + out_base[v] + lane] = sum over d of weights[d * rows + i]
//                                           * image[image_base[v] + offsets[d] + lane]
template <class T>
struct ConvPanel {
  int rows;
  int64_t depth;
  const T* weights;        // (depth, rows)
  const int64_t* offsets;  // (depth)
  const T* image;
  int64_t vectors;
  const int64_t* image_base;  // (vectors)
  const int64_t* out_base;    // (vectors)
  // Where not null: the upper half of vector v lies here, apart from the lower one.
  const int64_t* image_high;
  const int64_t* out_high;
  // Instead of out_base, where not null: vector v is written in segments first_segment[v] to [v + 1].
  const ConvSegment* segments;
  const int64_t* first_segment;  // (vectors + 1)
  T* out;
  int64_t out_row;
  const T* bias;      // (rows), or null
  const T* residual;  // lies as out does, or null
  ConvActivation activation;
};

// height rows of `width` elements, both sides with a pitch and a column step on the far side. With a
// residual (which lies as out does, out_col 1) or an activation, those are applied on the way.
template <class T>
struct CopyRows {
  int64_t height, width;
  const T* in;
  int64_t in_row;
  T* out;
  int64_t out_row, out_col;
  const T* residual;  // or null
  ConvActivation activation;
};

// One phase of an image: `rows` rows of `pitch` elements per plane, of which [begin, end) come from the
// input and the rest is zero. Row i comes from input row first_row + i * row_step, zero outside
// [0, in_rows); element j from element in_col + j * col_step of it.
template <class T>
struct CopyImage {
  int64_t planes, rows, pitch;
  const T* in;
  int64_t in_plane, in_rows, in_row;
  int64_t first_row, row_step, in_col, col_step;
  int64_t begin, end;
  T* out;
  int64_t out_plane;
};

// `shifts` copies of each plane's rows: element j of copy s is element j + s of the row.
template <class T>
struct CopyShifted {
  int64_t planes, rows, pitch, shifts;
  const T* in;
  int64_t in_plane, in_row;
  T* out;  // (planes, shifts, rows, pitch)
};

// out[i, j] (h, w) = sum over taps (a, b) of columns[a * s + b, p, q] where p = i + pad_top - a *
// dilation_h lies in [0, p) and q likewise: what the columns of a stride-1 convolution add up to.
template <class T>
struct GatherColumns {
  int64_t r, s, p, q;
  int64_t dilation_h, dilation_w, pad_top, pad_left;
  const T* columns;  // (r * s, p * q)
  T* sums;           // room for h vectors
  int64_t h, w;
  T* out;  // (h, w)
};

// sums (taps, filters) += over positions (p, q): image[offsets[t] + p * image_row + q] * dy[f, p * cols + q]
// filters is a multiple of lanes. Panel i of n = ceil(vectors of filters / conv_weight_vectors) holds dy of the
// vectors from vectors * i / n on.
template <class T>
struct ConvWeightTile {
  int64_t taps, filters;
  int64_t run;  // taps come in rows of so many neighbours
  const int64_t* offsets;
  const T* image;
  int64_t image_row;
  const T* dy;  // panels of (rows * cols, filters of the panel)
  int64_t rows, cols;
  T* sums;
  bool first;  // what sums hold is overwritten
};

// sums[f * sums_row + t] = over images and positions: image[offsets[t] + p * image_row + q]
//                                                    * dy[f * dy_plane + p * cols + q]
template <class T>
struct ConvWeightDot {
  int64_t taps, filters;
  int64_t run;  // taps come in rows of so many neighbours
  const int64_t* offsets;
  int64_t images;
  const T* image;
  int64_t image_stride, image_row;
  const T* dy;
  int64_t dy_stride, dy_plane;
  int64_t rows, cols;
  T* sums;
  int64_t sums_row;
};

// activation(the largest of each 2 x 2 window of `in`) (rows, cols), and where it stood: 2 * row + column.
template <class T>
struct ConvPool {
  int64_t rows, cols;
  const T* in;
  int64_t in_row;
  T* out;
  uint8_t* taps;  // or null
  ConvActivation activation;
};

// The gradient before pooling and activation, out (planes, height, width), from the one behind, dy (planes,
// rows, cols), and the outputs y and taps there.
template <class T>
struct ConvUnpool {
  int64_t planes, rows, cols;
  const T *dy, *y;
  const uint8_t* taps;
  ConvActivation activation;
  T* out;
  int64_t height, width;
};

// The sum of dy, as far as it passes the activation, over runs of `count` elements.
template <class T>
struct ConvPoolBias {
  int64_t images, image_stride, count;
  const T *dy, *y;
  ConvActivation activation;
};

struct ConvGeometry {
  int panel_rows, lanes;
  bool masked_stores;  // cheap enough to write segments straight from registers
  bool split_vectors;  // whose halves lie apart
};

TILEGRAD_SIMD_DECLARE(ConvGeometry, conv_geometry_f32, ())
TILEGRAD_SIMD_DECLARE(ConvGeometry, conv_geometry_f64, ())
TILEGRAD_SIMD_DECLARE(void, conv_panel_f32, (const ConvPanel<float>& c))
TILEGRAD_SIMD_DECLARE(void, conv_panel_f64, (const ConvPanel<double>& c))
TILEGRAD_SIMD_DECLARE(void, conv_copy_rows_f32, (const CopyRows<float>& c))
TILEGRAD_SIMD_DECLARE(void, conv_copy_rows_f64, (const CopyRows<double>& c))
TILEGRAD_SIMD_DECLARE(void, conv_copy_image_f32, (const CopyImage<float>& c))
TILEGRAD_SIMD_DECLARE(void, conv_copy_image_f64, (const CopyImage<double>& c))
TILEGRAD_SIMD_DECLARE(void, conv_copy_shifted_f32, (const CopyShifted<float>& c))
TILEGRAD_SIMD_DECLARE(void, conv_copy_shifted_f64, (const CopyShifted<double>& c))
TILEGRAD_SIMD_DECLARE(void, conv_gather_columns_f32, (const GatherColumns<float>& c))
TILEGRAD_SIMD_DECLARE(void, conv_gather_columns_f64, (const GatherColumns<double>& c))
TILEGRAD_SIMD_DECLARE(int, conv_weight_vectors, ())
TILEGRAD_SIMD_DECLARE(void, conv_weight_tile_f32, (const ConvWeightTile<float>& c))
TILEGRAD_SIMD_DECLARE(void, conv_weight_tile_f64, (const ConvWeightTile<double>& c))
TILEGRAD_SIMD_DECLARE(void, conv_weight_dot_f32, (const ConvWeightDot<float>& c))
TILEGRAD_SIMD_DECLARE(void, conv_weight_dot_f64, (const ConvWeightDot<double>& c))
TILEGRAD_SIMD_DECLARE(void, conv_pool_f32, (const ConvPool<float>& c))
TILEGRAD_SIMD_DECLARE(void, conv_pool_f64, (const ConvPool<double>& c))
TILEGRAD_SIMD_DECLARE(void, conv_unpool_f32, (const ConvUnpool<float>& c))
TILEGRAD_SIMD_DECLARE(void, conv_unpool_f64, (const ConvUnpool<double>& c))
TILEGRAD_SIMD_DECLARE(float, conv_pool_bias_f32, (const ConvPoolBias<float>& c))
TILEGRAD_SIMD_DECLARE(double, conv_pool_bias_f64, (const ConvPoolBias<double>& c))

// By element type, for baseline code.
template <class T>
struct ConvKernels;

#define TILEGRAD_CONV_KERNELS(T, suffix)                                                           \
  template <>                                                                                      \
  struct ConvKernels<T> {                                                                          \
    ConvGeometry geometry = TILEGRAD_SIMD(conv_geometry_##suffix)();                               \
    void (*panel)(const ConvPanel<T>&) = TILEGRAD_SIMD(conv_panel_##suffix);                       \
    void (*copy_rows)(const CopyRows<T>&) = TILEGRAD_SIMD(conv_copy_rows_##suffix);                \
    void (*copy_image)(const CopyImage<T>&) = TILEGRAD_SIMD(conv_copy_image_##suffix);             \
    void (*copy_shifted)(const CopyShifted<T>&) = TILEGRAD_SIMD(conv_copy_shifted_##suffix);       \
    void (*gather_columns)(const GatherColumns<T>&) = TILEGRAD_SIMD(conv_gather_columns_##suffix); \
    void (*weight_tile)(const ConvWeightTile<T>&) = TILEGRAD_SIMD(conv_weight_tile_##suffix);      \
    void (*weight_dot)(const ConvWeightDot<T>&) = TILEGRAD_SIMD(conv_weight_dot_##suffix);         \
    void (*pool)(const ConvPool<T>&) = TILEGRAD_SIMD(conv_pool_##suffix);                          \
    void (*unpool)(const ConvUnpool<T>&) = TILEGRAD_SIMD(conv_unpool_##suffix);                    \
    T (*pool_bias)(const ConvPoolBias<T>&) = TILEGRAD_SIMD(conv_pool_bias_##suffix);               \
    static const ConvKernels& chosen() {                                                           \
      static const ConvKernels kernels;                                                            \
      return kernels;                                                                              \
    }                                                                                              \
  };
TILEGRAD_CONV_KERNELS(float, f32)
TILEGRAD_CONV_KERNELS(double, f64)
#undef TILEGRAD_CONV_KERNELS

}  // namespace tilegrad
