// Convolutions on tensor cores, sm_80 and up: bf16, f16, and f32 where its precision allows tf32 or 3xTF32. Implicit matrix
// products by mma_tile.cuh over images and weights whose channels were brought innermost (padded to 16 bytes): a chunk of
// 16 bytes is one tap of one pixel, so cp.async gathers the patches and no patch matrix is written. Results go to NCHW as
// they are. f16 and bf16 take wgmma on sm_90a where there is work enough, fed by TMA (conv2d_tma.cuh) or, where channels are
// few or strides stand in the way, gathered (conv2d_wgmma.cuh). Rows are channels, columns
// pixels (weight gradient: taps and channels); few tiles of a deep product split K, partial sums in f32 are added in order by
// a second kernel. Bytes moved: the images twice for the change of layout, where no copy
// is kept from an earlier call, then A once per tile of columns, B once per tap
// and tile of rows (mostly from L2).
#include <algorithm>

#include "core/cuda/channels_last.h"
#include "core/cuda/conv_patches.cuh"
#include "core/cuda/copy.h"
#include "core/cuda/gemm_operands.cuh"
#include "core/cuda/mma_tile.cuh"
#include "core/cuda/split_k.h"
#include "core/cuda/wgmma_operand.h"
#include "ops/conv2d/conv2d_mma.cuh"
#include "ops/conv2d/conv2d_wgmma.cuh"

namespace tilegrad {

namespace {

using cuda::ConvGradPatches, cuda::ConvPatches, cuda::MmaLarge, cuda::MmaSmall, cuda::PatchSize;
using cuda::SplitK, cuda::StridedOperand;

template <class T>
struct MmaForward {
  const T* weight;  // (groups, k, taps, channels)
  ConvPatches<T, true> patches;
  ConvForward<T> out;

  __host__ __device__ int64_t rows() const { return out.rows(); }
  __host__ __device__ int64_t columns() const { return out.columns(); }
  __host__ __device__ int depth() const { return patches.z.taps * patches.z.channels; }
  __device__ StridedOperand<T, true> a(int group) const {
    return {weight + group * rows() * depth(), depth(), 1, rows(), true};
  }
  __device__ ConvPatches<T, true> b(int group) const {
    return {patches.x + int64_t{group} * patches.z.channels, patches.z};
  }
  __host__ __device__ const ConvForward<T>& output() const { return out; }
};

template <class T>
struct MmaInputGrad {
  const T* weight;  // (groups, c, taps, filters)
  ConvGradPatches<T> patches;
  ConvInputGrad<T> out;

  __host__ __device__ int64_t rows() const { return out.rows(); }
  __host__ __device__ int64_t columns() const { return out.columns(); }
  __host__ __device__ int depth() const { return patches.z.taps * patches.z.channels; }
  __device__ StridedOperand<T, true> a(int group) const {
    return {weight + group * rows() * depth(), depth(), 1, rows(), true};
  }
  __device__ ConvGradPatches<T> b(int group) const {
    return {patches.dy + int64_t{group} * patches.z.channels, patches.z};
  }
  __host__ __device__ const ConvInputGrad<T>& output() const { return out; }
};

template <class T>
struct MmaWeightGrad {
  const T* dy;  // (n, p, q, groups, filters)
  int filters;  // per group, padded
  ConvPatches<T, false> patches;
  ConvWeightGrad<T> out;

  __host__ __device__ int64_t rows() const { return out.rows(); }
  __host__ __device__ int64_t columns() const {
    return int64_t{patches.z.taps} * patches.z.channels;
  }
  __host__ __device__ int depth() const { return static_cast<int>(out.depth()); }
  __device__ StridedOperand<T, false> a(int group) const {
    return {dy + int64_t{group} * filters, 1, int64_t{filters} * out.z.groups, filters, true};
  }
  __device__ ConvPatches<T, false> b(int group) const {
    return {patches.x + int64_t{group} * patches.z.channels, patches.z};
  }
  __host__ __device__ WeightOutput<T> output() const {
    return {out, patches.z.channels, patches.z.taps};
  }
};

// Blocks: x tiles, those of one range of columns together; y ranges of K; z groups. Partial sums are (range, group, row,
// column).
template <class Kind, class Shape, class Problem>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    conv_mma(const Problem problem, int groups, const SplitK split, float* __restrict__ partial) {
  DYNAMIC_SHARED(unsigned char, shared);
  const int64_t rows = problem.rows(), columns = problem.columns();
  const int64_t down = ceil_div<int64_t>(rows, Shape::kM);
  const int64_t m0 = blockIdx.x % down * Shape::kM, n0 = blockIdx.x / down * Shape::kN;
  const int begin = static_cast<int>(blockIdx.y) * split.length, depth = problem.depth();
  const int end = depth - begin > split.length ? begin + split.length : depth;
  for (int group = blockIdx.z; group < groups; group += gridDim.z) {
    cuda::MmaSums<Kind, Shape> sum = {};
    cuda::mma_product<Kind, Shape>(shared, problem.a(group), problem.b(group), m0, n0, begin, end,
                                   sum);
    auto out = problem.output();
    out.select(group);
    float* to = partial == nullptr
                    ? nullptr
                    : partial + (int64_t{blockIdx.y} * groups + group) * rows * columns;
    cuda::each_mma_row<Kind, Shape>(sum, shared, m0, n0,
                                    ConvColumns<decltype(out)>{columns, out, to},
                                    ConvPut<decltype(out)>{rows, columns, out, to});
    __syncthreads();
  }
}

template <class Out>
__global__ void __launch_bounds__(256, 4)
    conv_add_ranges(const Out out, int64_t rows, int64_t columns, int groups, int ranges,
                    const float* __restrict__ partial) {
  const int64_t size = rows * columns, n = size * groups;
  for (int64_t i = int64_t{blockIdx.x} * 256 + threadIdx.x; i < n; i += int64_t{256} * gridDim.x) {
    float sum = 0;
    for (int range = 0; range < ranges; range++) sum += partial[range * n + i];
    const int64_t group = i / size, at = i - group * size, row = at / columns;
    Out own = out;
    own.select(static_cast<int>(group));
    own.store(row, at - row * columns, sum);
  }
}

template <class Shape>
int64_t tiles_of(int64_t rows, int64_t columns) {
  return ceil_div<int64_t>(rows, Shape::kM) * ceil_div<int64_t>(columns, Shape::kN);
}

// How a problem is cut: tiles, ranges of the depth, and the kernel that takes them.
template <class T, class Problem>
struct Cut {
  using Kernel = void (*)(const Problem, int, const SplitK, float*);
  Kernel kernel;
  int64_t tiles;
  SplitK split;
  int threads;
  size_t shared;
};

// On Hopper where tiles of 128 x 128, with the depth split, fill a third of the device.
template <class T, class Problem>
bool cut_for_wgmma(const cuda::CudaStream& stream, const Problem& problem, Cut<T, Problem>* cut) {
  if constexpr (sizeof(T) == 2) {
    constexpr int64_t kFewestBlocks = 48;
    static const bool has_code =
        cuda::has_wgmma_code(reinterpret_cast<const void*>(conv_wgmma<T, Problem>));
    const int64_t tiles = tiles_of<MmaLarge>(problem.rows(), problem.columns());
    const SplitK split = cuda::split_depth(tiles * problem.out.z.groups, problem.depth(), 64, 256);
    const bool many = tiles * problem.out.z.groups * split.ranges >= kFewestBlocks;
    if (stream.traits().capability != 90 || problem.out.z.groups > 65535 || problem.rows() < 64 ||
        problem.depth() < 128 || !many || !has_code)
      return false;
    *cut = {conv_wgmma<T, Problem>, tiles, split, cuda::kWgmmaThreads, sizeof(ConvGather)};
    cuda::check(cudaFuncSetAttribute(reinterpret_cast<const void*>(cut->kernel),
                                     cudaFuncAttributeMaxDynamicSharedMemorySize,
                                     static_cast<int>(cut->shared)),
                "cudaFuncSetAttribute");
    return true;
  }
  return false;
}

template <class Kind, class Problem, class T = typename Kind::Element>
Cut<T, Problem> cut_for_mma(const Problem& problem) {
  const int64_t rows = problem.rows(), columns = problem.columns(), groups = problem.out.z.groups;
  const int64_t large = tiles_of<MmaLarge>(rows, columns);
  const int64_t small = tiles_of<MmaSmall>(rows, columns);
  const SplitK split = cuda::split_depth(small * groups, problem.depth(),
                                         cuda::kMmaStepBytes / static_cast<int>(sizeof(T)), 256);
  if (rows > 64 && columns > 64 && large * groups >= 128)
    return {conv_mma<Kind, MmaLarge, Problem>, large, split, MmaLarge::kThreads,
            MmaLarge::kSharedBytes};
  return {conv_mma<Kind, MmaSmall, Problem>, small, split, MmaSmall::kThreads,
          MmaSmall::kSharedBytes};
}

template <class T, class Problem>
Cut<T, Problem> cut_for(const cuda::CudaStream& stream, const Problem& problem,
                        Float32Precision precision) {
  Cut<T, Problem> cut;
  if (cut_for_wgmma(stream, problem, &cut)) return cut;
  if constexpr (sizeof(T) == 4) {
    if (precision == Float32Precision::high) return cut_for_mma<cuda::MmaTf32x3>(problem);
  }
  return cut_for_mma<cuda::MmaOf<T>>(problem);
}

template <class T, class Problem>
void run(cuda::CudaStream& stream, const Problem& problem, Float32Precision precision) {
  const int64_t rows = problem.rows(), columns = problem.columns();
  const int groups = problem.out.z.groups;
  const Cut<T, Problem> cut = cut_for<T>(stream, problem, precision);
  const SplitK& split = cut.split;
  BufferRef space;
  float* partial = nullptr;
  if (split.ranges > 1) {
    space =
        cuda::workspace(stream, static_cast<size_t>(split.ranges * groups * rows * columns) * 4);
    partial = static_cast<float*>(space->data);
  }
  const dim3 grid(static_cast<unsigned>(cut.tiles), static_cast<unsigned>(split.ranges),
                  static_cast<unsigned>(std::min(groups, 65535)));
  cuda::check(launch(cut.kernel, grid, dim3(static_cast<unsigned>(cut.threads)), cut.shared,
                     stream.handle(), problem, groups, split, partial),
              "conv_mma");
  if (partial != nullptr)
    add_conv_ranges(stream, problem.output(), rows, columns, groups, split.ranges, partial);
}

// `channels` are those of one group of the images that are gathered, padded.
PatchSize patch_size(const ConvSizes& z, int channels) {
  return {z.n,        z.h,          z.w,         z.p,
          z.q,        z.s,          channels,    channels * z.groups,
          z.r * z.s,  z.stride_h,   z.stride_w,  z.pad_top,
          z.pad_left, z.dilation_h, z.dilation_w};
}

}  // namespace

template <class Out>
void add_conv_ranges(cuda::CudaStream& stream, const Out& out, int64_t rows, int64_t columns,
                     int groups, int ranges, const float* partial) {
  const int blocks = cuda::grid_size(stream, rows * columns * groups, 256);
  cuda::check(launch(conv_add_ranges<Out>, dim3(static_cast<unsigned>(blocks)), dim3(256), 0,
                     stream.handle(), out, rows, columns, groups, ranges, partial),
              "conv_add_ranges");
}

template <class T>
bool conv2d_mma_takes(const cuda::CudaStream& stream, const ConvSizes& z, bool images,
                      Float32Precision precision) {
  const bool f32 = sizeof(T) == 4 && precision == Float32Precision::highest;
  if (stream.traits().capability < 80 || f32) return false;
  constexpr int kPer = 16 / sizeof(T);
  // Padded channels would be more than half of the work; of an image's first layer, with filters enough, the 3 of 8 that do
  // count are still ahead of SIMT.
  const bool first = images && 3 * z.c >= kPer && z.k >= 32;
  if ((2 * z.c < kPer && !first) || 2 * z.k < kPer) return false;
  const int64_t taps = int64_t{z.r} * z.s, most = std::max(z.c, z.k) + int64_t{kPer};
  return taps * most * z.groups < INT32_MAX && z.n * z.p * z.q < INT32_MAX - 256;
}

template <class T>
void conv2d_mma(cuda::CudaStream& stream, const ConvForward<T>& conv, const ConvForms& forms,
                Float32Precision precision) {
  const ConvSizes& z = conv.z;
  constexpr int kBytes = sizeof(T);
  const int channels = static_cast<int>(cuda::padded_channels(z.c, kBytes));
  const PackedForm x = cuda::channels_last(stream, conv.x, z.n, z.groups, z.c, int64_t{z.h} * z.w,
                                           kBytes, forms.first);
  const PackedForm weight = cuda::packed_weight(stream, conv.weight, z.groups, z.k, z.c,
                                                int64_t{z.r} * z.s, false, kBytes, forms.second);
  if constexpr (kBytes == 2)
    if (try_conv2d_tma(stream, conv, x.get(), weight.get(), channels)) return;
  run<T>(stream,
         MmaForward<T>{static_cast<const T*>(weight.get()),
                       {static_cast<const T*>(x.get()), patch_size(z, channels)},
                       conv},
         precision);
}

template <class T>
void conv2d_mma(cuda::CudaStream& stream, const ConvInputGrad<T>& conv, const ConvForms& forms,
                Float32Precision precision) {
  const ConvSizes& z = conv.z;
  constexpr int kBytes = sizeof(T);
  const int filters = static_cast<int>(cuda::padded_channels(z.k, kBytes));
  const PackedForm dy = cuda::channels_last(stream, conv.dy, z.n, z.groups, z.k, int64_t{z.p} * z.q,
                                            kBytes, forms.first);
  const PackedForm weight = cuda::packed_weight(stream, conv.weight, z.groups, z.k, z.c,
                                                int64_t{z.r} * z.s, true, kBytes, forms.second);
  if constexpr (kBytes == 2)
    if (try_conv2d_tma(stream, conv, dy.get(), weight.get(), filters)) return;
  run<T>(stream,
         MmaInputGrad<T>{static_cast<const T*>(weight.get()),
                         {static_cast<const T*>(dy.get()), patch_size(z, filters)},
                         conv},
         precision);
}

template <class T>
void conv2d_mma(cuda::CudaStream& stream, const ConvWeightGrad<T>& conv, const ConvForms& forms,
                Float32Precision precision) {
  const ConvSizes& z = conv.z;
  constexpr int kBytes = sizeof(T);
  const int channels = static_cast<int>(cuda::padded_channels(z.c, kBytes));
  const int filters = static_cast<int>(cuda::padded_channels(z.k, kBytes));
  const PackedForm x = cuda::channels_last(stream, conv.x, z.n, z.groups, z.c, int64_t{z.h} * z.w,
                                           kBytes, forms.first);
  const PackedForm dy = cuda::channels_last(stream, conv.dy, z.n, z.groups, z.k, int64_t{z.p} * z.q,
                                            kBytes, forms.second);
  if constexpr (kBytes == 2)
    if (try_conv2d_tma(stream, conv, x.get(), dy.get(), channels, filters)) return;
  run<T>(stream,
         MmaWeightGrad<T>{static_cast<const T*>(dy.get()),
                          filters,
                          {static_cast<const T*>(x.get()), patch_size(z, channels)},
                          conv},
         precision);
}

#define TG_CONV_MMA(T)                                                                             \
  template void add_conv_ranges(cuda::CudaStream&, const ConvForward<T>&, int64_t, int64_t, int,   \
                                int, const float*);                                                \
  template void add_conv_ranges(cuda::CudaStream&, const ConvInputGrad<T>&, int64_t, int64_t, int, \
                                int, const float*);                                                \
  template void add_conv_ranges(cuda::CudaStream&, const WeightOutput<T>&, int64_t, int64_t, int,  \
                                int, const float*);                                                \
  template bool conv2d_mma_takes<T>(const cuda::CudaStream&, const ConvSizes&, bool,               \
                                    Float32Precision);                                             \
  template void conv2d_mma(cuda::CudaStream&, const ConvForward<T>&, const ConvForms&,             \
                           Float32Precision);                                                      \
  template void conv2d_mma(cuda::CudaStream&, const ConvInputGrad<T>&, const ConvForms&,           \
                           Float32Precision);                                                      \
  template void conv2d_mma(cuda::CudaStream&, const ConvWeightGrad<T>&, const ConvForms&,          \
                           Float32Precision);
TG_CONV_MMA(float)
TG_CONV_MMA(f16)
TG_CONV_MMA(bf16)
#undef TG_CONV_MMA
template void add_conv_ranges(cuda::CudaStream&, const PhaseOutput<f16>&, int64_t, int64_t, int,
                              int, const float*);
template void add_conv_ranges(cuda::CudaStream&, const PhaseOutput<bf16>&, int64_t, int64_t, int,
                              int, const float*);

}  // namespace tilegrad
