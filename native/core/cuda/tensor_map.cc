#ifdef TILEGRAD_HAVE_CUDA

#include "core/cuda/tensor_map.h"

#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>

#include "core/cuda/cuda_device.h"

namespace tilegrad::cuda {

namespace {

// A function of the driver, asked for by version: the runtime library is linked, the driver is not.
template <class Function>
Function driver_function(const char* name) {
  void* entry = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
  check(cudaGetDriverEntryPointByVersion(name, &entry, 12000, cudaEnableDefault, &result),
        "cudaGetDriverEntryPointByVersion");
  if (result != cudaDriverEntryPointSuccess || entry == nullptr)
    fail(ErrorCode::cuda, "the driver has no ", name);
  return reinterpret_cast<Function>(entry);
}

constexpr int kMostRank = 5;

struct Extents {
  cuuint64_t size[kMostRank], stride[kMostRank];  // strides in bytes, without the innermost
};

Extents extents_of(int rank, const int64_t* size, const int64_t* stride, int element_bytes) {
  Extents out;
  for (int d = 0; d < rank; d++) {
    out.size[d] = static_cast<cuuint64_t>(size[d]);
    if (d > 0) out.stride[d - 1] = static_cast<cuuint64_t>(stride[d - 1] * element_bytes);
  }
  return out;
}

CUtensorMap tiled_map(CUtensorMapDataType type, const void* base, int rank, const int64_t* size,
                      const int64_t* stride, int element_bytes, int box_inner, const int* box,
                      CUtensorMapSwizzle swizzle) {
  static const auto encode =
      driver_function<PFN_cuTensorMapEncodeTiled_v12000>("cuTensorMapEncodeTiled");
  const Extents extents = extents_of(rank, size, stride, element_bytes);
  cuuint32_t boxes[kMostRank] = {static_cast<cuuint32_t>(box_inner)};
  for (int d = 1; d < rank; d++) boxes[d] = static_cast<cuuint32_t>(box[d - 1]);
  const cuuint32_t steps[kMostRank] = {1, 1, 1, 1, 1};
  CUtensorMap map;
  const CUresult result =
      encode(&map, type, static_cast<cuuint32_t>(rank), const_cast<void*>(base), extents.size,
             extents.stride, boxes, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    fail(ErrorCode::cuda, "cuTensorMapEncodeTiled failed with ", static_cast<int>(result), " (",
         size[0], " x ", size[1], ", row stride ", stride[0], ", rank ", rank, ")");
  return map;
}

}  // namespace

CUtensorMap swizzled_map(CUtensorMapDataType type, const void* base, int rank, const int64_t* size,
                         const int64_t* stride, int element_bytes, const int* box) {
  return tiled_map(type, base, rank, size, stride, element_bytes, 128 / element_bytes, box,
                   CU_TENSOR_MAP_SWIZZLE_128B);
}

CUtensorMap swizzled_map(CUtensorMapDataType type, const void* base, int64_t inner, int64_t outer,
                         int64_t row_stride, int element_bytes, int box_outer) {
  const int64_t size[2] = {inner, outer};
  return swizzled_map(type, base, 2, size, &row_stride, element_bytes, &box_outer);
}

CUtensorMap plain_map(CUtensorMapDataType type, const void* base, int64_t inner, int64_t outer,
                      int64_t row_stride, int element_bytes, int box_inner, int box_outer) {
  const int64_t size[2] = {inner, outer};
  return tiled_map(type, base, 2, size, &row_stride, element_bytes, box_inner, &box_outer,
                   CU_TENSOR_MAP_SWIZZLE_NONE);
}

bool window_fits(const PixelWindow& w) {
  const auto corner = [](int64_t value) { return value >= -128 && value <= 127; };
  const auto end = [](int lower, int count, int stride, int size) {
    return lower + int64_t{count - 1} * stride + 1 - size;
  };
  return w.n > 0 && w.n < INT32_MAX && w.rows > 0 && w.columns > 0 && w.height > 0 && w.width > 0 &&
         corner(w.lower_h) && corner(w.lower_w) &&
         corner(end(w.lower_h, w.rows, w.stride_h, w.height)) &&
         corner(end(w.lower_w, w.columns, w.stride_w, w.width)) && w.stride_h <= 8 &&
         w.stride_w <= 8 && w.far_h < 256 && w.far_w < 256;
}

CUtensorMap pixel_map(CUtensorMapDataType type, const void* base, const PixelWindow& w,
                      int element_bytes, int pixels) {
  static const auto encode =
      driver_function<PFN_cuTensorMapEncodeIm2col_v12000>("cuTensorMapEncodeIm2col");
  const int64_t size[4] = {w.channels, w.width, w.height, w.n};
  const int64_t stride[3] = {w.channels, int64_t{w.channels} * w.width,
                             int64_t{w.channels} * w.width * w.height};
  const Extents extents = extents_of(4, size, stride, element_bytes);
  // The upper corner counts from the image's end to behind the last place.
  const int lower[2] = {w.lower_w, w.lower_h};
  const int upper[2] = {w.lower_w + (w.columns - 1) * w.stride_w + 1 - w.width,
                        w.lower_h + (w.rows - 1) * w.stride_h + 1 - w.height};
  const cuuint32_t steps[4] = {1, static_cast<cuuint32_t>(w.stride_w),
                               static_cast<cuuint32_t>(w.stride_h), 1};
  CUtensorMap map;
  const CUresult result =
      encode(&map, type, 4, const_cast<void*>(base), extents.size, extents.stride, lower, upper,
             static_cast<cuuint32_t>(128 / element_bytes), static_cast<cuuint32_t>(pixels), steps,
             CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    fail(ErrorCode::cuda, "cuTensorMapEncodeIm2col failed with ", static_cast<int>(result), " (",
         w.n, " x ", w.height, " x ", w.width, " x ", w.channels, ", corner ", w.lower_h, ", ",
         w.lower_w, ")");
  return map;
}

}  // namespace tilegrad::cuda

#endif
