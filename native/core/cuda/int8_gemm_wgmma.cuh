// Integer products on Hopper's tensor cores by wgmma_tile.cuh, tiles of 128 x 256: u8 or s8 by u8 or s8 into s32, with the
// epilogue of int8_gemm.cuh. Lines along K that start on 16 bytes; the sums of lines that zero points need come from a
// kernel of their own, which reads each operand once more. Exact modulo 2^32.
#pragma once

#include "core/cuda/int8_gemm.cuh"
#include "core/cuda/pack_operand.h"
#include "core/cuda/reduce.cuh"
#include "core/cuda/wgmma_store.cuh"

namespace tilegrad::cuda {

struct Int8Wgmma {
  int64_t m, n;
  Int8Epilogue e;
  int64_t matrix_bytes;            // of the output
  const int32_t *a_sums, *b_sums;  // (matrix, line), or null where nobody asks
  int64_t a_sum_step[8], b_sum_step[8];
};

// The sum of the bytes of each line of a packed operand, a warp for each: (matrix, line), matrices as they lie.
template <bool Signed>
__global__ void __launch_bounds__(256)
    sum_lines(const uint8_t* __restrict__ data, int64_t line_stride, int64_t k, int64_t lines,
              int32_t* __restrict__ sums) {
  const int lane = threadIdx.x % 32;
  for (int64_t line = int64_t{blockIdx.x} * 8 + threadIdx.x / 32; line < lines;
       line += int64_t{8} * gridDim.x) {
    const auto* chunks = reinterpret_cast<const uint4*>(data + line * line_stride);
    int32_t sum = 0;
    constexpr unsigned kFlip = Signed ? 0u : 0x80808080u;
    for (int64_t i = lane; i < k / 16; i += 32) {
      const uint4 chunk = chunks[i];
      const unsigned words[4] = {chunk.x, chunk.y, chunk.z, chunk.w};
#pragma unroll
      for (int w = 0; w < 4; w++) sum = __dp4a(static_cast<int>(words[w] ^ kFlip), 0x01010101, sum);
      if (!Signed) sum += 16 * 128;
    }
    sum = warp_reduce(sum, Sum{});
    if (lane == 0) sums[line] = sum;
  }
}

template <class Kind>
__global__ void __launch_bounds__(kWgmmaThreads, 1)
    int8_gemm_wgmma(const __grid_constant__ CUtensorMap map_a,
                    const __grid_constant__ CUtensorMap map_b, const Int8Wgmma p,
                    const GemmBatch batch, const WgmmaPlan plan) {
#if TILEGRAD_SM90A
  DYNAMIC_SHARED(WgmmaShared<typename Kind::Ring>, shared);
  const auto store = [&](const WgmmaUnit& unit, int64_t row0,
                         const int32_t(&sum)[Kind::kColumns / 2]) {
    Int8Epilogue e = p.e;
    e.out = static_cast<char*>(e.out) + unit.matrix * p.matrix_bytes;
    const int64_t a_first = batch_offset(batch, unit.matrix, p.a_sum_step);
    const int64_t b_first = batch_offset(batch, unit.matrix, p.b_sum_step);
    store_by_rows(shared->staged[threadIdx.x / 128 - 1], sum, row0, p.m, unit.column, p.n,
                  [&](int64_t row, int64_t column, int32_t value) {
                    finish_int8(e, row, column, value,
                                p.a_sums == nullptr ? 0 : p.a_sums[a_first + row],
                                p.b_sums == nullptr ? 0 : p.b_sums[b_first + column]);
                  });
  };
  wgmma_product<Kind>(shared->ring, WgmmaMaps{&map_a, &map_b}, batch, plan, store);
#endif
}

}  // namespace tilegrad::cuda
