// cuTensorMapEncodeTiled, found through cudaGetDriverEntryPointByVersion as on a real driver. It checks the
// documented limits: alignment of base and strides, size of the box, box row against the swizzle.
#include "core/cuda/emulator/tensor_map.h"

#include <cstring>

#include "core/cuda/emulator/runtime.h"

namespace tilegrad::emulator {
namespace {

uint32_t element_bytes(CUtensorMapDataType type) {
  switch (type) {
    case CU_TENSOR_MAP_DATA_TYPE_UINT8:
      return 1;
    case CU_TENSOR_MAP_DATA_TYPE_UINT16:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT16:
    case CU_TENSOR_MAP_DATA_TYPE_BFLOAT16:
      return 2;
    case CU_TENSOR_MAP_DATA_TYPE_UINT32:
    case CU_TENSOR_MAP_DATA_TYPE_INT32:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT32:
    case CU_TENSOR_MAP_DATA_TYPE_TFLOAT32:
      return 4;
    default:
      return 0;
  }
}

CUresult encode_tiled(CUtensorMap* out, CUtensorMapDataType type, cuuint32_t rank, void* base,
                      const cuuint64_t* size, const cuuint64_t* strides, const cuuint32_t* box,
                      const cuuint32_t* element_strides, CUtensorMapInterleave interleave,
                      CUtensorMapSwizzle swizzle, CUtensorMapL2promotion,
                      CUtensorMapFloatOOBfill fill) {
  const uint32_t bytes = element_bytes(type);
  const bool emulated =
      rank == 2 && bytes != 0 && interleave == CU_TENSOR_MAP_INTERLEAVE_NONE &&
      (swizzle == CU_TENSOR_MAP_SWIZZLE_NONE || swizzle == CU_TENSOR_MAP_SWIZZLE_128B) &&
      fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE && element_strides[0] == 1 &&
      element_strides[1] == 1;
  if (!emulated) return CUDA_ERROR_NOT_SUPPORTED;
  const bool aligned = reinterpret_cast<uintptr_t>(base) % 16 == 0 && strides[0] % 16 == 0 &&
                       box[0] * bytes % 16 == 0;
  const bool sized =
      size[0] > 0 && size[1] > 0 && box[0] > 0 && box[1] > 0 && box[0] <= 256 && box[1] <= 256;
  const bool spans = swizzle == CU_TENSOR_MAP_SWIZZLE_NONE || box[0] * bytes <= 128;
  if (!aligned || !sized || !spans) return CUDA_ERROR_INVALID_VALUE;
  const TensorMap map{kTensorMapWord,
                      static_cast<const char*>(base),
                      {size[0], size[1]},
                      strides[0],
                      {box[0], box[1]},
                      bytes,
                      swizzle == CU_TENSOR_MAP_SWIZZLE_128B};
  std::memset(static_cast<void*>(out), 0, sizeof(*out));
  std::memcpy(static_cast<void*>(out), &map, sizeof(map));
  return CUDA_SUCCESS;
}

}  // namespace

}  // namespace tilegrad::emulator

extern "C" cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function,
                                                        unsigned, unsigned long long,
                                                        cudaDriverEntryPointQueryResult* result) {
  using namespace tilegrad::emulator;
  if (cudaError_t error = check_usable()) return report(error);
  const bool known = std::strcmp(symbol, "cuTensorMapEncodeTiled") == 0;
  *function = known ? reinterpret_cast<void*>(encode_tiled) : nullptr;
  if (result) *result = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
