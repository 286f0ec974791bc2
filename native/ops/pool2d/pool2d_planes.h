// 16-bit floats in the pooling kernels: each thread widens the planes that it works on.
#pragma once

#include "core/cpu/half.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "core/tensor.h"

namespace tilegrad {

inline constexpr int64_t kPoolGrain = 16384;  // elements per parallel chunk

// Runs compute(plane, in, out) for each plane with f32 copies of its parts of `in` and `out`, which have in_size and
// out_size elements per plane, and `work` elements of workspace.
template <class Compute>
void by_wide_planes(int64_t planes, const View& in, int64_t in_size, const View& out,
                    int64_t out_size, int64_t work, const Compute& compute) {
  const auto widen = in.dtype == DType::f16 ? TILEGRAD_SIMD(widen_f16) : TILEGRAD_SIMD(widen_bf16);
  const auto narrow =
      in.dtype == DType::f16 ? TILEGRAD_SIMD(narrow_f16) : TILEGRAD_SIMD(narrow_bf16);
  const uint16_t* from = in.as<uint16_t>();
  uint16_t* to = out.as<uint16_t>();
  parallel_for(planes, grain_for(in_size + out_size, kPoolGrain), [&](int64_t begin, int64_t end) {
    auto* wide = static_cast<float*>(scratch(
        ScratchSlot::chunk, static_cast<size_t>(in_size + out_size + work) * sizeof(float)));
    for (int64_t plane = begin; plane < end; ++plane) {
      widen(from + plane * in_size, wide, in_size);
      compute(plane, static_cast<const float*>(wide), wide + in_size, wide + in_size + out_size);
      narrow(wide + in_size, to + plane * out_size, out_size);
    }
  });
}

}  // namespace tilegrad
