// Integer convolutions on Hopper, sm_90a: implicit GEMM over all images by wgmma_gather.cuh, tiles of 128 kernels x 128
// pixels, 128 bytes of taps and channels a step. Bytes are held as s8, so one instruction serves every sign; the sums of
// weights that x's zero point needs come from a kernel of their own. Exact modulo 2^32. Limits: weights that are signed and
// have no zero point, which would need the sums of patches. Bytes moved: weights once per tile of pixels, images once per
// tap and tile of kernels (mostly from L2).
#include <algorithm>

#include "core/cuda/copy.h"
#include "core/cuda/int8_gemm_wgmma.cuh"
#include "core/cuda/wgmma_gather.cuh"
#include "core/cuda/wgmma_operand.h"
#include "core/cuda/wgmma_rows.cuh"
#include "ops/int8_conv2d/int8_conv2d_problem.cuh"

namespace tilegrad::int8_conv {

struct Bytes {
  using Element = uint8_t;
  using Sum = int32_t;
  static constexpr bool kATransposed = false, kBTransposed = false;
  __device__ static void multiply(int32_t (&sum)[64], uint64_t a, uint64_t b, int scale) {
#if TILEGRAD_SM90A
    ptx::wgmma_m64n128k32_s8(sum, a, b, scale);
#endif
  }
};

// The pixels of all images are the columns.
struct AllImages {
  MmaConvProblem one;          // its patches count all images
  const int32_t* weight_sums;  // (group, kernel), or null where nobody asks

  __host__ __device__ int64_t columns() const { return one.patches.z.n * one.columns(); }
  struct Place {
    int64_t offset;  // in bytes, of the image's results
    int pixel;       // -1 where there is none
  };
  __device__ Place place(int64_t column) const {
    if (column >= columns()) return {0, -1};
    const auto area = static_cast<uint32_t>(one.columns()), at = static_cast<uint32_t>(column);
    const uint32_t image = at / area;
    return {image * one.conv.s.k * int64_t{area} * one.conv.item,
            static_cast<int>(at - image * area)};
  }
};

namespace {

struct Shared {
  cuda::GatherRing ring;
  cuda::WgmmaRows<int32_t> sums;
};

// Blocks: x tiles, those of one range of columns together; y groups.
__global__ void __launch_bounds__(cuda::kWgmmaThreads, 1) int8_conv_wgmma(const AllImages problem) {
#if TILEGRAD_SM90A
  DYNAMIC_SHARED(Shared, shared);
  cuda::GatherRing* ring = &shared->ring;
  cuda::gather_ring_init(*ring);
  const MmaConvProblem& one = problem.one;
  const int64_t rows = one.rows();
  const int64_t down = ceil_div<int64_t>(rows, cuda::kWgmmaRows);
  const int64_t m0 = blockIdx.x % down * cuda::kWgmmaRows;
  const int64_t n0 = blockIdx.x / down * cuda::kGatherColumns;
  const int group = static_cast<int>(blockIdx.y), depth = one.depth();
  // By a shuffle, so that the compiler knows that a warp does not diverge here.
  const int warpgroup = __shfl_sync(kFullWarp, static_cast<int>(threadIdx.x / 128), 0);
  cuda::RingPlace<cuda::GatherRing::kStages> at;
  if (warpgroup == 0) {
    const auto a = one.a(group);
    const auto b = one.b(group);
    cuda::gather_load<uint8_t>(*ring, at, a, b, m0, n0, 0, depth);
  } else {
    int32_t sum[64];
#pragma unroll
    for (int32_t& x : sum) x = 0;
    cuda::wgmma_sum_tile<Bytes>(*ring, at, sum, warpgroup - 1, depth);
    const Int8Epilogue e = one.epilogue(group);
    const int32_t* sums = problem.weight_sums;
    cuda::each_wgmma_row(
        sum, shared->sums.rows[warpgroup - 1], m0 + (warpgroup - 1) * 64, n0,
        [&](int64_t column) { return problem.place(column); },
        [&](int64_t row, const AllImages::Place& place, int32_t product) {
          if (row >= rows || place.pixel < 0) return;
          Int8Epilogue own = e;
          own.out = static_cast<char*>(e.out) + place.offset;
          cuda::finish_int8(own, row, place.pixel, product,
                            sums == nullptr ? 0 : sums[group * rows + row], 0);
        });
  }
#endif
}

}  // namespace

bool try_wgmma(cuda::CudaStream& stream, const MmaConvProblem& one) {
  // Below a third of a wave of tiles the small tiles of mma.sync are ahead.
  constexpr int64_t kFewestTiles = 48;
  static const bool has_code = cuda::has_wgmma_code(reinterpret_cast<const void*>(int8_conv_wgmma));
  const ConvShape& s = one.conv.s;
  AllImages problem = {one, nullptr};
  problem.one.patches.z.n = s.n;
  const int64_t rows = one.rows(), columns = problem.columns();
  const int64_t depth = int64_t{one.patches.z.taps} * one.patches.z.channels;
  const int64_t tiles =
      ceil_div<int64_t>(rows, cuda::kWgmmaRows) * ceil_div<int64_t>(columns, cuda::kGatherColumns);
  const Int8Epilogue& e = one.conv.e;
  if (stream.traits().capability != 90 || rows < 48 || depth < 128 || s.groups > 65535 ||
      tiles * s.groups < kFewestTiles || columns > INT32_MAX - 256 || !e.a_signed ||
      e.a_zero.data != nullptr || !has_code)
    return false;
  BufferRef kept;
  if (e.b_zero.data != nullptr || !e.b_signed) {
    const int64_t lines = rows * s.groups;
    kept = cuda::workspace(stream, static_cast<size_t>(lines) * sizeof(int32_t));
    auto* sums = static_cast<int32_t*>(kept->data);
    cuda::check(launch(cuda::sum_lines<true>, dim3(cuda::grid_size(stream, lines, 8)), dim3(256), 0,
                       stream.handle(), one.weights, depth, depth, lines, sums),
                "sum_lines");
    problem.weight_sums = sums;
  }
  cuda::check(cudaFuncSetAttribute(reinterpret_cast<const void*>(int8_conv_wgmma),
                                   cudaFuncAttributeMaxDynamicSharedMemorySize, sizeof(Shared)),
              "cudaFuncSetAttribute");
  cuda::check(
      launch(int8_conv_wgmma, dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(s.groups)),
             dim3(cuda::kWgmmaThreads), sizeof(Shared), stream.handle(), problem),
      "int8_conv_wgmma");
  return true;
}

}  // namespace tilegrad::int8_conv
