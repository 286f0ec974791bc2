#ifdef TILEGRAD_HAVE_CUDA

#include "core/cuda/tensor_map.h"

#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>

#include "core/cuda/cuda_device.h"

namespace tilegrad::cuda {

namespace {

// The driver's function, asked for by version: the runtime library is linked, the driver is not.
PFN_cuTensorMapEncodeTiled_v12000 encoder() {
  static const auto found = [] {
    void* entry = nullptr;
    cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000,
                                           cudaEnableDefault, &result),
          "cudaGetDriverEntryPointByVersion");
    if (result != cudaDriverEntryPointSuccess || entry == nullptr)
      fail(ErrorCode::cuda, "the driver has no cuTensorMapEncodeTiled");
    return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(entry);
  }();
  return found;
}

CUtensorMap matrix_map(CUtensorMapDataType type, const void* base, int64_t inner, int64_t outer,
                       int64_t row_bytes, int box_inner, int box_outer,
                       CUtensorMapSwizzle swizzle) {
  const cuuint64_t size[2] = {static_cast<cuuint64_t>(inner), static_cast<cuuint64_t>(outer)};
  const cuuint64_t stride[1] = {static_cast<cuuint64_t>(row_bytes)};
  const cuuint32_t box[2] = {static_cast<cuuint32_t>(box_inner),
                             static_cast<cuuint32_t>(box_outer)};
  const cuuint32_t step[2] = {1, 1};
  CUtensorMap map;
  const CUresult result =
      encoder()(&map, type, 2, const_cast<void*>(base), size, stride, box, step,
                CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    fail(ErrorCode::cuda, "cuTensorMapEncodeTiled failed with ", static_cast<int>(result), " (",
         inner, " x ", outer, ", rows of ", row_bytes, " bytes)");
  return map;
}

}  // namespace

CUtensorMap swizzled_map(CUtensorMapDataType type, const void* base, int64_t inner, int64_t outer,
                         int64_t row_stride, int element_bytes, int box_outer) {
  return matrix_map(type, base, inner, outer, row_stride * element_bytes, 128 / element_bytes,
                    box_outer, CU_TENSOR_MAP_SWIZZLE_128B);
}

CUtensorMap plain_map(CUtensorMapDataType type, const void* base, int64_t inner, int64_t outer,
                      int64_t row_stride, int element_bytes, int box_inner, int box_outer) {
  return matrix_map(type, base, inner, outer, row_stride * element_bytes, box_inner, box_outer,
                    CU_TENSOR_MAP_SWIZZLE_NONE);
}

}  // namespace tilegrad::cuda

#endif
