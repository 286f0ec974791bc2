// The library's own kernels of core/cuda, against references in f64: matrix products in every layout, batched,
// ragged, with their epilogue; reductions of a block.
#include "cases.h"
#include "core/cuda/gemm_mma.cuh"
#include "core/cuda/gemm_simt.cuh"
#include "core/cuda/gemm_wgmma.cuh"
#include "core/cuda/reduce.cuh"
#include "core/cuda/wgmma_gather.cuh"
#include "harness.h"

namespace tilegrad::kernel_tests {

using cuda::MmaBf16, cuda::MmaF16, cuda::MmaTf32;

struct GemmCase {
  int m, n, k, batches = 1;
  bool a_transposed = false, b_transposed = false, epilogue = false;
  int pad = 0;  // extra row length of A and B, which spoils the alignment of the rows
};

template <class T, class Launch>
void test_gemm(const GemmCase& s, double tolerance, Launch&& launch_gemm) {
  const int a_rows = s.a_transposed ? s.k : s.m, a_length = (s.a_transposed ? s.m : s.k) + s.pad;
  const int b_rows = s.b_transposed ? s.n : s.k, b_length = (s.b_transposed ? s.k : s.n) + s.pad;
  const size_t a_size = size_t(a_rows) * a_length, b_size = size_t(b_rows) * b_length,
               c_size = size_t(s.m) * s.n;
  Vector<T> a(a_size * s.batches), b(b_size), c(c_size * s.batches),
      bias(s.n);  // B is shared by the batches
  for (auto* v : {&a, &b, &c, &bias}) {
    for (T& x : *v) x = T(next_value());
  }
  const Vector<T> before = c;
  Device<T> da(a), db(b), dc(c), dbias(bias);
  Gemm<T> g;
  g.m = s.m, g.n = s.n, g.k = s.k;
  g.a = da.p, g.a_row = s.a_transposed ? 1 : a_length, g.a_col = s.a_transposed ? a_length : 1;
  g.b = db.p, g.b_row = s.b_transposed ? 1 : b_length, g.b_col = s.b_transposed ? b_length : 1;
  g.c = dc.p, g.c_row = s.n;
  if (s.epilogue) g.accumulate = true, g.bias_axis = BiasAxis::col, g.bias = dbias.p, g.relu = true;
  GemmBatch batch;
  batch.rank = 1;
  batch.size[0] = s.batches, batch.a_stride[0] = int64_t(a_size),
  batch.c_stride[0] = int64_t(c_size);
  check(launch_gemm(g, batch));
  dc.read(c);
  for (int p = 0; p < s.batches; p++) {
    for (int i = 0; i < s.m; i++) {
      for (int j = 0; j < s.n; j++) {
        double sum = 0;
        for (int k = 0; k < s.k; k++) {
          sum += double(a[p * a_size + i * g.a_row + k * g.a_col]) *
                 double(b[k * g.b_row + j * g.b_col]);
        }
        const size_t at = p * c_size + size_t(i) * s.n + j;
        if (s.epilogue) sum = std::max(0.0, sum + double(before[at]) + double(bias[j]));
        expect_close(double(c[at]), sum, tolerance * (1 + std::abs(sum)));
      }
    }
  }
}

// `ranges` of the depth, each with partial sums of its own.
template <class T, class Sum>
void test_gemm_simt(const GemmCase& s, double tolerance, int ranges = 1) {
  Device<Sum> partial(size_t(ranges) * s.batches * s.m * s.n);
  test_gemm<T>(s, tolerance, [&](const Gemm<T>& g, const GemmBatch& batch) {
    if (ranges == 1) return cuda::launch_gemm_simt<T, Sum>(stream(), 4, g, batch);
    const int length = (s.k / ranges + cuda::kSimtStep) / cuda::kSimtStep * cuda::kSimtStep;
    return cuda::launch_gemm_simt<T, Sum>(stream(), 4, g, batch,
                                          {length, (s.k + length - 1) / length}, partial.p);
  });
}

template <class Kind>
void test_gemm_mma(const GemmCase& s, double tolerance, int ranges = 1) {
  using T = typename Kind::Element;
  Device<float> partial(size_t(ranges) * s.batches * s.m * s.n);
  test_gemm<T>(s, tolerance, [&](const Gemm<T>& g, const GemmBatch& batch) {
    if (ranges == 1) return cuda::launch_gemm_mma<Kind>(stream(), g, batch);
    const int step = cuda::kMmaStepBytes / int(sizeof(T));
    const int length = (s.k / ranges + step) / step * step;
    return cuda::launch_gemm_mma<Kind>(stream(), g, batch, {length, (s.k + length - 1) / length},
                                       partial.p);
  });
}

// C = A B^T on sm_90a, operands along K or, where AT or BT says so, along their lines; with TMA, or gathered by threads.
template <bool AT, bool BT>
__global__ void __launch_bounds__(cuda::kWgmmaThreads, 1) gemm_gathered(const Gemm<bf16> g) {
#if TILEGRAD_SM90A
  using Kind = cuda::WgmmaFloats<bf16, 128, AT, BT>;
  DYNAMIC_SHARED(cuda::GatherRing, ring);
  cuda::gather_ring_init(*ring);
  const int group = threadIdx.x / 128, m0 = blockIdx.y * 128, n0 = blockIdx.x * 128, k = int(g.k);
  cuda::RingPlace<cuda::GatherRing::kStages> at;
  if (group == 0) {
    const cuda::StridedOperand<bf16, !AT> a{g.a, g.a_row, g.a_col, g.m, true};
    const cuda::StridedOperand<bf16, !BT> b{g.b, g.b_col, g.b_row, g.n, true};
    cuda::gather_load<bf16>(*ring, at, a, b, m0, n0, 0, k);
  } else {
    float sum[64];
    for (float& x : sum) x = 0;
    cuda::wgmma_sum_tile<Kind>(*ring, at, sum, group - 1, k);
    cuda::each_wgmma_pair<128>(sum, m0 + (group - 1) * 64, n0,
                               [&](int64_t row, int64_t column, float x, float y) {
                                 cuda::store_pair(g, g.c, row, column, x, y, false);
                               });
  }
#endif
}

template <bool AT, bool BT>
void test_gemm_sm90(int m, int n, int k, bool gathered) {
  Vector<bf16> a(size_t(m) * k), b(size_t(n) * k), c(size_t(m) * n);
  for (auto* v : {&a, &b}) {
    for (bf16& x : *v) x = bf16(next_value());
  }
  Device<bf16> da(a), db(b), dc(c);
  Gemm<bf16> g;
  g.m = m, g.n = n, g.k = k, g.c = dc.p, g.c_row = n;
  g.a = da.p, g.a_row = AT ? 1 : k, g.a_col = AT ? m : 1;
  g.b = db.p, g.b_col = BT ? 1 : k, g.b_row = BT ? n : 1;
  if (gathered) {
    auto* kernel = gemm_gathered<AT, BT>;
    constexpr int kShared = sizeof(cuda::GatherRing);
    check(cudaFuncSetAttribute((const void*)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               kShared));
    check(launch(kernel, dim3(ceil_div(n, 128), ceil_div(m, 128)), dim3(cuda::kWgmmaThreads),
                 kShared, stream(), g));
  } else {
    auto* kernel = cuda::gemm_wgmma<cuda::WgmmaFloats<bf16, 128, AT, BT>>;
    constexpr int kShared = sizeof(cuda::WgmmaRing<128>);
    check(cudaFuncSetAttribute((const void*)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               kShared));
    const auto map = [k](const void* base, int lines, bool transposed) {
      return transposed ? tensor_map_bf16(base, lines, k, 64, 64)
                        : tensor_map_bf16(base, k, lines, 64, 128);
    };
    check(launch(kernel, dim3(2), dim3(cuda::kWgmmaThreads), kShared, stream(), map(da.p, m, AT),
                 map(db.p, n, BT), g, GemmBatch{}, cuda::WgmmaPlan{}, true));
  }
  dc.read(c);
  expect_product(m, n, k, c, 0.13, [&](int i, int j, int s) {
    return double(a[i * g.a_row + s * g.a_col]) * double(b[s * g.b_row + j * g.b_col]);
  });
}

template <int Threads>
__global__ void __launch_bounds__(Threads)
    sum_rows(const float* __restrict__ x, float* __restrict__ out, int n) {
  for (int row = blockIdx.x * 2; row < int(blockIdx.x) * 2 + 2;
       row++) {  // two rows: shared memory is used again
    float sum = 0;
    for (int i = threadIdx.x; i < n; i += Threads) sum += x[size_t(row) * n + i];
    sum = cuda::block_reduce<Threads>(sum, cuda::Sum{});
    if (threadIdx.x == Threads - 1) out[row] = sum;
  }
}

template <int Threads>
void test_block_reduce(int n) {
  Vector<float> x = random_values(size_t(6) * n), out;
  Device<float> dx(x), dout(6);
  check(launch(sum_rows<Threads>, dim3(3), dim3(Threads), 0, stream(), dx.p, dout.p, n));
  dout.read(out);
  for (int row = 0; row < 6; row++) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[size_t(row) * n + i];
    expect_close(out[row], sum, 1e-4);
  }
}

void run_library_kernels(bool small) {
  run_case("gemm_simt f32 33x20x17",
           [] { test_gemm_simt<float, float>({.m = 33, .n = 20, .k = 17}, 1e-5); });
  run_case("gemm_simt f32 no k",
           [] { test_gemm_simt<float, float>({.m = 3, .n = 5, .k = 0, .epilogue = true}, 0); });
  run_case("gemm_simt f32 batches", [] {
    test_gemm_simt<float, float>(
        {.m = 9, .n = 70, .k = 40, .batches = 3, .a_transposed = true, .epilogue = true}, 1e-5);
  });
  run_case("gemm_simt f64", [] {
    test_gemm_simt<double, double>({.m = 20, .n = 33, .k = 35, .b_transposed = true}, 1e-13);
  });
  run_case("gemm_simt f32 split depth", [] {
    test_gemm_simt<float, float>({.m = 9, .n = 70, .k = 100, .batches = 2, .epilogue = true}, 1e-5,
                                 3);
  });
  run_case("gemm_mma bf16 rows", [] { test_gemm_mma<MmaBf16>({.m = 24, .n = 40, .k = 72}, 4e-3); });
  run_case("gemm_mma f16 odd", [] {
    test_gemm_mma<MmaF16>({.m = 17, .n = 21, .k = 35, .batches = 2, .epilogue = true, .pad = 1},
                          1e-3);
  });
  run_case("gemm_mma f16 transposed", [] {
    test_gemm_mma<MmaF16>({.m = 24, .n = 16, .k = 40, .a_transposed = true, .b_transposed = true},
                          1e-3);
  });
  run_case("gemm_mma tf32", [] { test_gemm_mma<MmaTf32>({.m = 24, .n = 40, .k = 36}, 1e-2); });
  run_case("gemm_mma tf32 transposed", [] {
    test_gemm_mma<MmaTf32>({.m = 20, .n = 12, .k = 40, .a_transposed = true, .b_transposed = true},
                           1e-2);
  });
  run_case("gemm_mma bf16 split depth", [] {
    test_gemm_mma<MmaBf16>({.m = 9, .n = 70, .k = 200, .batches = 2, .epilogue = true}, 1e-2, 3);
  });
  run_case("gemm_wgmma bf16", [] { test_gemm_sm90<false, false>(24, 40, 136, false); });
  run_case("gemm_wgmma bf16 transposed", [] { test_gemm_sm90<true, true>(24, 40, 72, false); });
  run_case("gemm_gathered bf16", [] { test_gemm_sm90<false, false>(24, 40, 136, true); });
  run_case("gemm_gathered bf16 transposed", [] { test_gemm_sm90<true, true>(24, 40, 72, true); });
  run_case("block_reduce 32", [] { test_block_reduce<32>(100); });
  run_case("block_reduce 256", [] { test_block_reduce<256>(1001); });
  if (small) return;
  for (int layout = 0; layout < 4; layout++) {
    const GemmCase s{.m = 200,
                     .n = 135,
                     .k = 97,
                     .batches = 2,
                     .a_transposed = layout % 2 > 0,
                     .b_transposed = layout > 1,
                     .epilogue = layout == 2};
    const std::string name = "layout " + std::to_string(layout);
    run_case("gemm_simt f32 " + name, [s] { test_gemm_simt<float, float>(s, 1e-5); });
    run_case("gemm_mma bf16 " + name, [s] { test_gemm_mma<MmaBf16>(s, 1e-2); });
    run_case("gemm_mma tf32 " + name, [s] { test_gemm_mma<MmaTf32>(s, 1e-2); });
  }
  run_case("gemm_simt f32 large tiles",
           [] { test_gemm_simt<float, float>({.m = 260, .n = 390, .k = 33}, 1e-5); });
  run_case("gemm_mma f16 aligned", [] {
    test_gemm_mma<MmaF16>({.m = 136, .n = 264, .k = 200, .b_transposed = true}, 1e-3);
  });
  run_case("gemm_mma bf16 large tiles",
           [] { test_gemm_mma<MmaBf16>({.m = 130, .n = 140, .k = 72, .batches = 33}, 4e-3); });
  run_case("gemm_mma f16 large tiles transposed", [] {
    test_gemm_mma<MmaF16>(
        {.m = 136, .n = 144, .k = 40, .batches = 32, .a_transposed = true, .b_transposed = false},
        1e-3);
  });
}

}  // namespace tilegrad::kernel_tests
