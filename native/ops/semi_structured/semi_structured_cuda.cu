// 2:4 matrices on CUDA. The product, from sm_80 on in f16 and bf16, is W x^T by mma.sp, on sm_90a where there is work enough
// by wgmma.sp (semi_structured_wgmma.cuh). By mma.sp: a block of 4 warps makes a tile of
// 64 rows of W by 64 rows of x, 64 places of K a step through 3 stages of shared memory (mma_tile.cuh); W's tile holds the
// 32 that are kept, its indices go from memory to the registers that the instruction reads. Elsewhere the product is that
// of an unpacked copy. Sums in f32, over K in order. The other kernels: a thread per 8 elements of a row (one byte of indices).
// Bytes moved: W's values and indices once per column of tiles, x once per row of tiles.
#include <algorithm>

#include "core/cuda/copy.h"
#include "core/cuda/gemm.h"
#include "core/cuda/gemm_operands.cuh"
#include "core/cuda/mma_tile.cuh"
#include "core/cuda/tensor_map.h"
#include "core/cuda/wgmma_operand.h"
#include "ops/semi_structured/semi_structured.h"
#include "ops/semi_structured/semi_structured_group.h"
#include "ops/semi_structured/semi_structured_wgmma.cuh"

namespace tilegrad {

namespace {

using cuda::MmaSmall, cuda::StridedOperand;

constexpr int kThreads = 256;

// Both groups of byte `i` of the indices: those kept of weight[8 i ..] to values[4 i ..]. With `given` the indices are read.
template <class T>
__global__ void __launch_bounds__(kThreads)
    compress(const T* __restrict__ weight, const uint8_t* __restrict__ given,
             T* __restrict__ values, uint8_t* __restrict__ indices, int64_t bytes) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < bytes;
       i += int64_t{kThreads} * gridDim.x) {
    int byte = 0;
    for (int half = 0; half < 2; half++) {
      const T* group = weight + i * 8 + half * kGroup;
      const int bits = given != nullptr ? given[i] >> (half * 4) & 15 : kept_indices(group);
      values[i * 4 + half * 2] = group[bits & 3];
      values[i * 4 + half * 2 + 1] = group[bits >> 2];
      byte |= bits << (half * 4);
    }
    if (indices != nullptr) indices[i] = static_cast<uint8_t>(byte);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    unpack(const T* __restrict__ values, const uint8_t* __restrict__ indices,
           T* __restrict__ weight, int64_t bytes) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < bytes;
       i += int64_t{kThreads} * gridDim.x) {
    for (int half = 0; half < 2; half++) {
      const int bits = indices[i] >> (half * 4) & 15;
      for (int place = 0; place < kGroup; place++) {
        T value = T(0.0f);
        if (place == (bits & 3)) value = values[i * 4 + half * 2];
        if (place == bits >> 2) value = values[i * 4 + half * 2 + 1];
        weight[i * 8 + half * kGroup + place] = value;
      }
    }
  }
}

template <class T>
struct SparseProduct {
  StridedOperand<T, true> values, x;  // lines of W (n, k / 2) and of x (m, k)
  const uint8_t* indices;
  const T* bias;  // or null
  T* y;           // (m, n)
  int n, m, k;
};

// What mma.sp takes for 16 rows and 32 places of K from `place` on: lanes 4 g and 4 g + 1 give the 16 bits of 16 places
// each, row g below row g + 8. Where there is nothing, indices in order, whose values are zero.
template <class T>
__device__ uint32_t metadata(const SparseProduct<T>& p, int row, int place) {
  constexpr uint32_t kInOrder = 0x44;
  const int lane = threadIdx.x % 32, first = (place + lane % 2 * 16) / 8, bytes = p.k / 8;
  uint32_t word = 0;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int line = row + lane / 4 + half * 8;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const bool inside = line < p.n && first + i < bytes;
      const uint32_t byte = inside ? p.indices[int64_t{line} * bytes + first + i] : kInOrder;
      word |= byte << (half * 16 + i * 8);
    }
  }
  return word;
}

template <class T>
__device__ void multiply_sparse(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[4],
                                uint32_t indices) {
  if constexpr (std::is_same_v<T, bf16>)
    ptx::mma_sp_m16n8k32_bf16(sum, a, b, indices);
  else
    ptx::mma_sp_m16n8k32_f16(sum, a, b, indices);
}

template <class T>
__global__ void __launch_bounds__(MmaSmall::kThreads, 1)
    semi_structured_mma(const SparseProduct<T> p) {
  using Shape = MmaSmall;
  constexpr int kTile = 64 * cuda::kMmaStepBytes, kStage = 3 * kTile;  // values, 2 x 32 places of x
  constexpr int kStages = cuda::kMmaStages, kStep = 64;
  DYNAMIC_SHARED(unsigned char, shared);
  const int down = ceil_div(p.n, Shape::kM);
  const int m0 = static_cast<int>(blockIdx.x) % down * Shape::kM;
  const int n0 = static_cast<int>(blockIdx.x) / down * Shape::kN;
  using Operand = StridedOperand<T, true>;
  using Tile = cuda::MmaTile<Operand, T, 64, Shape::kThreads>;
  const cuda::TileFiller<Operand, Tile> fill_a(p.values, m0), fill_b(p.x, n0);
  int next_k = 0, next = 0;
  const auto fill = [&] {
    if (next_k < p.k) {
      fill_a.fill(shared + next, next_k / 2, p.k / 2);
      fill_b.fill(shared + next + kTile, next_k, p.k);
      fill_b.fill(shared + next + 2 * kTile, next_k + kStep / 2, p.k);
    }
    ptx::cp_async_commit();
    next_k += kStep;
    next = next + kStage == kStages * kStage ? 0 : next + kStage;
  };
  for (int stage = 0; stage + 1 < kStages; stage++) fill();
  cuda::MmaSums<cuda::MmaOf<T>, Shape> sum = {};
  int at = 0;
#pragma unroll 1
  for (int k = 0; k < p.k; k += kStep) {
    uint32_t indices[2][Shape::kFragmentsM];
#pragma unroll
    for (int part = 0; part < 2; part++) {
#pragma unroll
      for (int i = 0; i < Shape::kFragmentsM; i++)
        indices[part][i] = metadata(p, m0 + Shape::warp_m() + i * 16, k + part * 32);
    }
    ptx::cp_async_wait<kStages - 2>();
    __syncthreads();
    fill();
    const unsigned char* tile_a = shared + at;
#pragma unroll
    for (int part = 0; part < 2; part++) {
      const unsigned char* tile_b = tile_a + (1 + part) * kTile;
      uint32_t a[Shape::kFragmentsM][4];
#pragma unroll
      for (int i = 0; i < Shape::kFragmentsM; i++)
        cuda::load_a<true, 64, T>(a[i], tile_a, Shape::warp_m() + i * 16, part);
#pragma unroll
      for (int j = 0; j < Shape::kFragmentsN; j += 2) {
        uint32_t low[2][2], high[2][2];
        const int line = Shape::warp_n() + j * 8;
        cuda::load_b<true, 64, T>(low[0], low[1], tile_b, line, 0);
        cuda::load_b<true, 64, T>(high[0], high[1], tile_b, line, 1);
#pragma unroll
        for (int side = 0; side < 2; side++) {
          const uint32_t b[4] = {low[side][0], low[side][1], high[side][0], high[side][1]};
#pragma unroll
          for (int i = 0; i < Shape::kFragmentsM; i++)
            multiply_sparse<T>(sum[i][j + side], a[i], b, indices[part][i]);
        }
      }
    }
    at = at + kStage == kStages * kStage ? 0 : at + kStage;
  }
  ptx::cp_async_wait<0>();
  cuda::each_pair<cuda::MmaOf<T>, Shape>(
      sum, m0, n0, [&](int64_t row, int64_t column, float first, float second) {
        if (row >= p.n) return;
        const float bias = p.bias == nullptr ? 0.0f : static_cast<float>(p.bias[row]);
        if (column < p.m) p.y[column * p.n + row] = static_cast<T>(first + bias);
        if (column + 1 < p.m) p.y[(column + 1) * p.n + row] = static_cast<T>(second + bias);
      });
}

template <class... P, class... A>
void run(cuda::CudaStream& stream, int64_t n, void (*kernel)(P...), A... values) {
  cuda::check(launch(kernel, dim3(static_cast<unsigned>(cuda::grid_size(stream, n, kThreads))),
                     dim3(kThreads), 0, stream.handle(), values...),
              "launch");
}

// Enqueues the product by wgmma.sp if device, build and sizes suit.
template <class T>
bool try_wgmma(cuda::CudaStream& stream, const SparseProduct<T>& p) {
  // Below a third of a wave the small tiles of mma.sp are ahead.
  constexpr int64_t kFewestTiles = 48;
  constexpr auto kType =
      std::is_same_v<T, bf16> ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
  static const bool has_code =
      cuda::has_wgmma_code(reinterpret_cast<const void*>(semi_structured_wgmma<T>));
  const int64_t tiles = ceil_div<int64_t>(p.n, 128) * ceil_div<int64_t>(p.m, 128);
  const bool aligned = p.values.vectors && p.x.vectors && p.k % 128 == 0 &&
                       reinterpret_cast<uintptr_t>(p.indices) % 16 == 0 && p.n % 8 == 0 &&
                       reinterpret_cast<uintptr_t>(p.y) % 16 == 0;
  if (stream.traits().capability != 90 || !aligned || p.k == 0 || tiles < kFewestTiles || !has_code)
    return false;
  const SparseOutput<T> out = {p.bias, p.y, p.n, p.m};
  cuda::WgmmaPlan plan;
  plan.m = p.n, plan.n = p.m, plan.depth = p.k;
  plan.cluster = cuda::wgmma_cluster(plan, SparseRing::kColumns);
  const CUtensorMap values =
      cuda::swizzled_map(kType, p.values.data, p.k / 2, p.n, p.k / 2, 2, 128);
  const CUtensorMap x = cuda::swizzled_map(kType, p.x.data, p.k, p.m, p.k, 2, 128);
  const CUtensorMap indices = cuda::plain_map(CU_TENSOR_MAP_DATA_TYPE_UINT8, p.indices, p.k / 8,
                                              p.n, p.k / 8, 1, SparseRing::kIndexBytes, 128);
  const CUtensorMap y = cuda::swizzled_map(kType, p.y, p.n, p.m, p.n, 2, 64);
  cuda::launch_wgmma(stream, "semi_structured_wgmma", semi_structured_wgmma<T>, plan,
                     SparseRing::kColumns, sizeof(cuda::WgmmaShared<SparseRing>), values, x,
                     indices, y, out, plan);
  return true;
}

// The dense product of an unpacked copy.
template <class T>
void multiply_dense(cuda::CudaStream& stream, const SparseProduct<T>& p) {
  const BufferRef space =
      cuda::workspace(stream, static_cast<size_t>(p.n) * static_cast<size_t>(p.k) * sizeof(T));
  auto* weight = static_cast<T*>(space->data);
  if (p.n > 0 && p.k > 0)
    run(stream, int64_t{p.n} * p.k / 8, unpack<T>, p.values.data, p.indices, weight,
        int64_t{p.n} * p.k / 8);
  Gemm<T> g;
  g.m = p.m, g.n = p.n, g.k = p.k;
  g.a = p.x.data, g.a_row = p.k, g.a_col = 1;
  g.b = weight, g.b_row = 1, g.b_col = p.k;
  g.c = p.y, g.c_row = p.n;
  if (p.bias != nullptr) g.bias_axis = BiasAxis::col, g.bias = p.bias;
  cuda::gemm(stream, g, GemmBatch{});
}

template <class T>
StridedOperand<T, true> lines_of(const View& view, int64_t lines, int64_t length) {
  const T* data = view.as<T>();
  const bool vectors = reinterpret_cast<uintptr_t>(data) % 16 == 0 && length * sizeof(T) % 16 == 0;
  return {data, length, 1, lines, vectors};
}

template <class T>
void multiply(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &x = args.inputs[0], &values = args.inputs[1], &out = args.outputs[0];
  const int64_t n = values.shape()[0], k = values.shape()[1] * 2, m = out.numel() / n;
  if (std::max({n, k, m}) > INT32_MAX - 256)
    fail(ErrorCode::unsupported, "sizes beyond 2^31 have no CUDA kernel");
  const SparseProduct<T> p = {lines_of<T>(values, n, k / 2),
                              lines_of<T>(x, m, k),
                              args.inputs[2].as<uint8_t>(),
                              args.has(3) ? args.inputs[3].as<T>() : nullptr,
                              out.as<T>(),
                              static_cast<int>(n),
                              static_cast<int>(m),
                              static_cast<int>(k)};
  if constexpr (sizeof(T) == 2) {
    if (try_wgmma(stream, p)) return;
    if (stream.traits().capability >= 80) {
      const int64_t tiles = ceil_div<int64_t>(n, 64) * ceil_div<int64_t>(m, 64);
      cuda::check(launch(semi_structured_mma<T>, dim3(static_cast<unsigned>(tiles)),
                         dim3(MmaSmall::kThreads), cuda::kMmaStages * 3 * 64 * cuda::kMmaStepBytes,
                         stream.handle(), p),
                  "semi_structured_mma");
      return;
    }
  }
  multiply_dense(stream, p);
}

}  // namespace

void semi_structured_compress_cuda(KernelArgs& args) {
  const View &weight = args.inputs[0], &indices = args.outputs[1];
  TG_DISPATCH_FLOAT(weight.dtype, T,
                    run(cuda::stream_of(args.stream), indices.numel(), compress<T>, weight.as<T>(),
                        static_cast<const uint8_t*>(nullptr), args.outputs[0].as<T>(),
                        indices.as<uint8_t>(), indices.numel()))
}

void semi_structured_pick_cuda(KernelArgs& args) {
  const View &weight = args.inputs[0], &indices = args.inputs[1];
  TG_DISPATCH_FLOAT(weight.dtype, T,
                    run(cuda::stream_of(args.stream), indices.numel(), compress<T>, weight.as<T>(),
                        static_cast<const uint8_t*>(indices.as<uint8_t>()), args.outputs[0].as<T>(),
                        static_cast<uint8_t*>(nullptr), indices.numel()))
}

void semi_structured_dense_cuda(KernelArgs& args) {
  const View &values = args.inputs[0], &indices = args.inputs[1];
  TG_DISPATCH_FLOAT(values.dtype, T,
                    run(cuda::stream_of(args.stream), indices.numel(), unpack<T>, values.as<T>(),
                        indices.as<uint8_t>(), args.outputs[0].as<T>(), indices.numel()))
}

void semi_structured_linear_cuda(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.outputs[0].dtype, T, multiply<T>(args))
}

}  // namespace tilegrad
