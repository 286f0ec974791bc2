// Integer products on tensor cores by mma.sync, sm_80 and up: u8 or s8 by u8 or s8 into s32, by mma_tile.cuh, with the
// epilogue of int8_gemm.cuh. Lines that zero points need are summed from the same tiles, one line for each thread, four
// 16-byte reads and 16 dp4a per step. Exact modulo 2^32. Bytes moved: A once per column of tiles, B once per row.
#pragma once

#include "core/cuda/int8_gemm.cuh"
#include "core/cuda/mma_tile.cuh"

namespace tilegrad::cuda {

// What one thread adds up: the bytes of line threadIdx.x of the tiles, those of B after those of A.
template <class Shape>
struct LineSum {
  uint32_t flip;  // of unsigned bytes, to read them as signed ones less 128
  bool wanted;
  int32_t sum = 0;

  __device__ void operator()(const unsigned char* tile_a, const unsigned char*) {
    static_assert(Shape::kM + Shape::kN == Shape::kThreads);
    if (!wanted) return;
    // The tiles are neighbours; chunks are taken in another order by every other line, to spread the banks.
    const auto* line = reinterpret_cast<const uint4*>(tile_a + threadIdx.x * kMmaStepBytes);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const uint4 chunk = line[(i + threadIdx.x / 2) % 4];
      sum = __dp4a(static_cast<int>(chunk.x ^ flip), 0x01010101, sum);
      sum = __dp4a(static_cast<int>(chunk.y ^ flip), 0x01010101, sum);
      sum = __dp4a(static_cast<int>(chunk.z ^ flip), 0x01010101, sum);
      sum = __dp4a(static_cast<int>(chunk.w ^ flip), 0x01010101, sum);
    }
    if (flip != 0) sum += 128 * kMmaStepBytes;
  }
};

// Problem gives for each batch: a(batch), b(batch), operands of a tile product, epilogue(batch), and rows(), columns(),
// depth(), the last a multiple of 16 up to which the operands are zero. The operands are the bytes as they are, or, where
// the problem says kHeld, held as s8.
template <class Kind, class Shape, class Problem>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    int8_gemm_mma(const Problem problem, int64_t batches, bool a_signed, bool b_signed) {
  DYNAMIC_SHARED(unsigned char, shared);
  const int64_t columns = ceil_div<int64_t>(problem.columns(), Shape::kN);
  const int64_t m0 = blockIdx.x / columns * Shape::kM, n0 = blockIdx.x % columns * Shape::kN;
  for (int64_t batch = blockIdx.y; batch < batches; batch += gridDim.y) {
    Int8Epilogue e = problem.epilogue(batch);
    const bool of_a = threadIdx.x < Shape::kM;
    bool wanted = (of_a ? e.b_zero.data : e.a_zero.data) != nullptr;
    if constexpr (requires { Problem::kHeld; })
      wanted = wanted || !(of_a ? e.b_signed : e.a_signed);
    else
      e.a_signed = e.b_signed = true;
    LineSum<Shape> lines{(of_a ? a_signed : b_signed) ? 0u : 0x80808080u, wanted};
    MmaSums<Kind, Shape> sum = {};
    mma_product<Kind, Shape>(shared, problem.a(batch), problem.b(batch), m0, n0, 0, problem.depth(),
                             sum, lines);
    auto* sums = reinterpret_cast<int32_t*>(shared);  // (M + N)
    sums[threadIdx.x] = lines.sum;
    __syncthreads();
    static_assert(Shape::kRowsBytes + Shape::kThreads * 4 <= Shape::kSharedBytes);
    each_pair_by_rows<Kind, Shape>(shared + Shape::kThreads * 4, sum, m0, n0,
                                   [&](int64_t row, int64_t column, int32_t first, int32_t second) {
                                     if (row >= problem.rows()) return;
                                     const int32_t a_sum = sums[row - m0];
                                     const int32_t* b_sum = sums + Shape::kM + (column - n0);
                                     if (column < problem.columns())
                                       finish_int8(e, row, column, first, a_sum, b_sum[0]);
                                     if (column + 1 < problem.columns())
                                       finish_int8(e, row, column + 1, second, a_sum, b_sum[1]);
                                   });
  }
}

template <bool ASigned, bool BSigned, class Problem>
cudaError_t launch_int8_kind(cudaStream_t stream, const Problem& problem, int64_t batches) {
  using Kind = MmaBytes<ASigned, BSigned>;
  const auto tiles = [&](int64_t m, int64_t n) {
    return ceil_div<int64_t>(problem.rows(), m) * ceil_div<int64_t>(problem.columns(), n);
  };
  const auto y = static_cast<unsigned>(batches < 65535 ? batches : 65535);
  const int64_t large = tiles(MmaLarge::kM, MmaLarge::kN);
  if (problem.rows() > 64 && problem.columns() > 64 && large * batches >= 128)
    return launch(int8_gemm_mma<Kind, MmaLarge, Problem>, dim3(static_cast<unsigned>(large), y),
                  dim3(MmaLarge::kThreads), MmaLarge::kSharedBytes, stream, problem, batches,
                  ASigned, BSigned);
  const auto small = static_cast<unsigned>(tiles(MmaSmall::kM, MmaSmall::kN));
  return launch(int8_gemm_mma<Kind, MmaSmall, Problem>, dim3(small, y), dim3(MmaSmall::kThreads),
                MmaSmall::kSharedBytes, stream, problem, batches, ASigned, BSigned);
}

template <class Problem>
cudaError_t launch_int8_mma(cudaStream_t stream, const Problem& problem, int64_t batches,
                            bool a_signed, bool b_signed) {
  if (a_signed)
    return b_signed ? launch_int8_kind<true, true>(stream, problem, batches)
                    : launch_int8_kind<true, false>(stream, problem, batches);
  return b_signed ? launch_int8_kind<false, true>(stream, problem, batches)
                  : launch_int8_kind<false, false>(stream, problem, batches);
}

}  // namespace tilegrad::cuda
