// What convolution by patches asks of its SIMD file.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"

namespace tilegrad {

// Lanes [begin, end) of a vector come from image + from + lane.
struct PatchSegment {
  int64_t from;
  int32_t begin, end;
};

// out[d * pitch + v * lanes + lane] = image[offsets[d] + place of the lane], zero where no segment has one.
template <class T>
struct PackPatches {
  int64_t depth;
  const int64_t* offsets;  // (depth)
  const T* image;
  int vectors;
  const PatchSegment* segments;
  const int* first_segment;  // (vectors + 1)
  T* out;
  int64_t pitch;
};

// out[i * out_plane + j * step + b] = in[b * in_step + i * in_row + j] for i < height and places below `width`.
// Up to a vector of `in` behind each row is read.
template <class T>
struct MeshRows {
  int64_t height, width, step;
  const T* in;
  int64_t in_step, in_row;
  T* out;
  int64_t out_plane;
};

TILEGRAD_SIMD_DECLARE(void, pack_patches_f32, (const PackPatches<float>& p))
TILEGRAD_SIMD_DECLARE(void, pack_patches_f64, (const PackPatches<double>& p))
TILEGRAD_SIMD_DECLARE(void, mesh_rows_f32, (const MeshRows<float>& m))
TILEGRAD_SIMD_DECLARE(void, mesh_rows_f64, (const MeshRows<double>& m))

}  // namespace tilegrad
