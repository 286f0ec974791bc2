// Convolutions on tensor cores, for the conv2d kernels that choose between them and SIMT.
#pragma once

#include "core/cuda/cuda_device.h"
#include "core/cuda/wgmma_rows.cuh"
#include "core/precision.h"
#include "ops/conv2d/conv2d_problems.cuh"

namespace tilegrad {

/// Whether the device, the sizes and, for f32, the precision suit the tensor cores. `images`: the images are an operand,
/// not the result.
template <class T>
bool conv2d_mma_takes(const cuda::CudaStream& stream, const ConvSizes& sizes, bool images,
                      Float32Precision precision);

// What is kept of the two operands' buffers: KernelArgs::forms.
struct ConvForms {
  PackedForms *first, *second;
};

/// Enqueues the product of one of the three problems; T is float, f16 or bf16.
template <class T>
void conv2d_mma(cuda::CudaStream& stream, const ConvForward<T>& conv, const ConvForms& forms,
                Float32Precision precision);
template <class T>
void conv2d_mma(cuda::CudaStream& stream, const ConvInputGrad<T>& conv, const ConvForms& forms,
                Float32Precision precision);
template <class T>
void conv2d_mma(cuda::CudaStream& stream, const ConvWeightGrad<T>& conv, const ConvForms& forms,
                Float32Precision precision);

/// Enqueues the product if device, build and sizes suit conv2d_tma.cuh; T is f16 or bf16. Images have their channels
/// innermost, weights are (groups, rows, taps, channels); `channels` and `filters` are those of one group, padded.
template <class T>
bool try_conv2d_tma(cuda::CudaStream& stream, const ConvForward<T>& conv, const void* x,
                    const void* weight, int channels);
template <class T>
bool try_conv2d_tma(cuda::CudaStream& stream, const ConvInputGrad<T>& conv, const void* dy,
                    const void* weight, int filters);
template <class T>
bool try_conv2d_tma(cuda::CudaStream& stream, const ConvWeightGrad<T>& conv, const void* x,
                    const void* dy, int channels, int filters);

// dw of a product whose columns are (tap, channel), channels padded.
template <class T>
struct WeightOutput {
  ConvWeightGrad<T> out;
  int channels, taps;
  __device__ void select(int group) { out.select(group); }
  // -1 where there is none: in the padding.
  __device__ int64_t place(int64_t index) const {
    const auto tap = static_cast<int>(index) / channels;
    const int channel = static_cast<int>(index) - tap * channels;
    return channel < out.z.c ? int64_t{channel} * taps + tap : -1;
  }
  __device__ void put(int64_t row, int64_t place, float sum) const {
    if (place >= 0) out.store(row, place, sum);
  }
  __device__ void store(int64_t row, int64_t index, float sum) const {
    put(row, place(index), sum);
  }
};

// The pixels of dx at (phase_h + i * stride_h, phase_w + j * stride_w), of rows x columns such: all meet the same taps.
template <class T>
struct PhaseOutput {
  ConvInputGrad<T> conv;
  int phase_h, phase_w, rows, columns;
  __device__ void select(int group) { conv.select(group); }
  __device__ int64_t place(int64_t index) const {
    const cuda::Pixel at(index, rows, columns);
    const int h = phase_h + at.row * conv.z.stride_h, w = phase_w + at.column * conv.z.stride_w;
    return at.image * conv.z.x_image() + int64_t{h} * conv.z.w + w;
  }
  __device__ void put(int64_t row, int64_t place, float sum) const { conv.put(row, place, sum); }
  __device__ void store(int64_t row, int64_t index, float sum) const {
    put(row, place(index), sum);
  }
};

// Stores sums row by row: where the output wants them, or as partial sums (row, column) where `partial` is not null.
template <class Out>
struct ConvColumns {
  int64_t columns;
  const Out& out;
  const float* partial;
  __device__ int64_t operator()(int64_t column) const {
    return column >= columns ? -1 : partial != nullptr ? column : out.place(column);
  }
};
template <class Out>
struct ConvPut {
  int64_t rows, columns;
  const Out& out;
  float* partial;
  __device__ void operator()(int64_t row, int64_t place, float sum) const {
    if (row >= rows || place < 0) return;
    if (partial != nullptr)
      partial[row * columns + place] = sum;
    else
      out.put(row, place, sum);
  }
};

/// Those of a warpgroup.
template <class Out>
__device__ void store_conv_rows(const float (&sum)[64], cuda::WarpRows<float> (&space)[4],
                                int64_t row0, int64_t column0, int64_t rows, int64_t columns,
                                const Out& out, float* partial) {
  cuda::each_wgmma_row(sum, space, row0, column0, ConvColumns<Out>{columns, out, partial},
                       ConvPut<Out>{rows, columns, out, partial});
}

/// Enqueues the sum of partial products (range, group, row, column), range by range, into the output: ConvForward,
/// ConvInputGrad, PhaseOutput or WeightOutput.
template <class Out>
void add_conv_ranges(cuda::CudaStream& stream, const Out& out, int64_t rows, int64_t columns,
                     int groups, int ranges, const float* partial);

}  // namespace tilegrad
