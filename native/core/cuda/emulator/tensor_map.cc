// cuTensorMapEncodeTiled and cuTensorMapEncodeIm2col, found through cudaGetDriverEntryPointByVersion as on a real driver.
// They check the documented limits: alignment of base and strides, sizes of the box, box row against the swizzle, corners.
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

// What both kinds have in common; null arguments of the driver's functions are not emulated.
CUresult describe(TensorMap* map, CUtensorMapDataType type, cuuint32_t rank, const void* base,
                  const cuuint64_t* size, const cuuint64_t* strides,
                  const cuuint32_t* element_strides, CUtensorMapInterleave interleave,
                  CUtensorMapSwizzle swizzle, CUtensorMapFloatOOBfill fill) {
  const uint32_t bytes = element_bytes(type);
  const bool emulated =
      bytes != 0 && interleave == CU_TENSOR_MAP_INTERLEAVE_NONE &&
      (swizzle == CU_TENSOR_MAP_SWIZZLE_NONE || swizzle == CU_TENSOR_MAP_SWIZZLE_128B) &&
      fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE;
  if (!emulated) return CUDA_ERROR_NOT_SUPPORTED;
  if (rank < 1 || rank > kMostDimensions || reinterpret_cast<uintptr_t>(base) % 16 != 0)
    return CUDA_ERROR_INVALID_VALUE;
  *map = {};
  map->word = kTensorMapWord;
  map->base = static_cast<const char*>(base);
  map->rank = static_cast<uint8_t>(rank);
  map->swizzle_128b = swizzle == CU_TENSOR_MAP_SWIZZLE_128B;
  for (cuuint32_t d = 0; d < rank; d++) {
    const cuuint64_t stride = d == 0 ? bytes : strides[d - 1];
    const cuuint32_t step = d == 0 ? 1 : element_strides[d];  // the innermost one is ignored
    if (size[d] < 1 || size[d] > uint64_t{1} << 32 || step < 1 || step > 8)
      return CUDA_ERROR_INVALID_VALUE;
    if (d > 0 && (stride % 16 != 0 || stride >= uint64_t{1} << 40)) return CUDA_ERROR_INVALID_VALUE;
    map->size[d] = size[d];
    map->stride[d] = stride;
    map->step[d] = static_cast<uint8_t>(step);
  }
  return CUDA_SUCCESS;
}

// A row of the box: a whole number of 16 bytes, and within the swizzle.
bool row_fits(const TensorMap& map) {
  const uint64_t bytes = map.box[0] * map.stride[0];
  return bytes % 16 == 0 && (!map.swizzle_128b || bytes <= 128);
}

void store(CUtensorMap* out, const TensorMap& map) {
  std::memset(static_cast<void*>(out), 0, sizeof(*out));
  std::memcpy(static_cast<void*>(out), &map, sizeof(map));
}

CUresult encode_tiled(CUtensorMap* out, CUtensorMapDataType type, cuuint32_t rank, void* base,
                      const cuuint64_t* size, const cuuint64_t* strides, const cuuint32_t* box,
                      const cuuint32_t* element_strides, CUtensorMapInterleave interleave,
                      CUtensorMapSwizzle swizzle, CUtensorMapL2promotion,
                      CUtensorMapFloatOOBfill fill) {
  TensorMap map;
  if (const CUresult error = describe(&map, type, rank, base, size, strides, element_strides,
                                      interleave, swizzle, fill))
    return error;
  for (cuuint32_t d = 0; d < rank; d++) {
    if (box[d] < 1 || box[d] > 256) return CUDA_ERROR_INVALID_VALUE;
    map.box[d] = static_cast<uint16_t>((box[d] + map.step[d] - 1) / map.step[d]);
  }
  if (!row_fits(map)) return CUDA_ERROR_INVALID_VALUE;
  store(out, map);
  return CUDA_SUCCESS;
}

CUresult encode_im2col(CUtensorMap* out, CUtensorMapDataType type, cuuint32_t rank, void* base,
                       const cuuint64_t* size, const cuuint64_t* strides, const int* lower,
                       const int* upper, cuuint32_t channels, cuuint32_t pixels,
                       const cuuint32_t* element_strides, CUtensorMapInterleave interleave,
                       CUtensorMapSwizzle swizzle, CUtensorMapL2promotion,
                       CUtensorMapFloatOOBfill fill) {
  TensorMap map;
  if (const CUresult error = describe(&map, type, rank, base, size, strides, element_strides,
                                      interleave, swizzle, fill))
    return error;
  if (rank < 3 || channels < 1 || channels > 256 || pixels < 1 || pixels > 1024)
    return CUDA_ERROR_INVALID_VALUE;
  // Three, four and five dimensions have 16, 8 and 5 bits for each corner.
  const int limit = rank == 3 ? 32768 : rank == 4 ? 128 : 16;
  for (cuuint32_t d = 0; d < rank - 2; d++) {
    const bool stored =
        lower[d] >= -limit && lower[d] < limit && upper[d] >= -limit && upper[d] < limit;
    if (!stored || static_cast<int64_t>(size[d + 1]) + upper[d] <= lower[d])
      return CUDA_ERROR_INVALID_VALUE;
    map.lower[d] = static_cast<int16_t>(lower[d]);
    map.upper[d] = static_cast<int16_t>(upper[d]);
  }
  map.im2col = 1;
  map.box[0] = static_cast<uint16_t>(channels);
  map.box[1] = static_cast<uint16_t>(pixels);
  if (!row_fits(map)) return CUDA_ERROR_INVALID_VALUE;
  store(out, map);
  return CUDA_SUCCESS;
}

}  // namespace

}  // namespace tilegrad::emulator

extern "C" cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function,
                                                        unsigned, unsigned long long,
                                                        cudaDriverEntryPointQueryResult* result) {
  using namespace tilegrad::emulator;
  if (cudaError_t error = check_usable()) return report(error);
  *function = nullptr;
  if (std::strcmp(symbol, "cuTensorMapEncodeTiled") == 0)
    *function = reinterpret_cast<void*>(encode_tiled);
  if (std::strcmp(symbol, "cuTensorMapEncodeIm2col") == 0)
    *function = reinterpret_cast<void*>(encode_im2col);
  if (result)
    *result =
        *function != nullptr ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
