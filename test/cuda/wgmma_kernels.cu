// The library's products on Hopper's warpgroup instructions, against references in f64: tiles fed by TMA, alone and in
// clusters, with the depth whole and split, 3xTF32, 2:4 weights, and tiles that threads gather.
#include "cases.h"
#include "core/cuda/gemm_wgmma.cuh"
#include "core/cuda/wgmma_gather.cuh"
#include "harness.h"
#include "ops/semi_structured/semi_structured_wgmma.cuh"

namespace tilegrad::kernel_tests {

using cuda::WgmmaFloats, cuda::WgmmaTf32x3;

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

template <class T>
struct Operands {
  Vector<T> a, b, c;
  Device<T> da, db, dc;
  Gemm<T> g;

  static Vector<T> values(size_t n) {
    Vector<T> v(n);
    for (T& x : v) x = T(next_value());
    return v;
  }
  Operands(int m, int n, int k, bool a_transposed, bool b_transposed)
      : a(values(size_t(m) * k)), b(values(size_t(n) * k)), c(size_t(m) * n), da(a), db(b), dc(c) {
    g.m = m, g.n = n, g.k = k, g.c = dc.p, g.c_row = n;
    g.a = da.p, g.a_row = a_transposed ? 1 : k, g.a_col = a_transposed ? m : 1;
    g.b = db.p, g.b_col = b_transposed ? 1 : k, g.b_row = b_transposed ? n : 1;
  }
  void expect(double tolerance) {
    dc.read(c);
    for (int i = 0; i < g.m; i++) {
      for (int j = 0; j < g.n; j++) {
        double sum = 0;
        for (int s = 0; s < g.k; s++)
          sum += double(a[i * g.a_row + s * g.a_col]) * double(b[s * g.b_row + j * g.b_col]);
        expect_close(double(c[size_t(i) * g.n + j]), activated(g.activation, sum), tolerance);
      }
    }
  }
};

template <bool AT, bool BT>
void test_gemm_gathered(int m, int n, int k) {
  Operands<bf16> x(m, n, k, AT, BT);
  auto* kernel = gemm_gathered<AT, BT>;
  constexpr int kShared = sizeof(cuda::GatherRing);
  check(cudaFuncSetAttribute((const void*)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             kShared));
  check(launch(kernel, dim3(ceil_div(n, 128), ceil_div(m, 128)), dim3(cuda::kWgmmaThreads), kShared,
               stream(), x.g));
  x.expect(0.13);
}

struct Cut {
  int cluster = 1, ranges = 1, clusters = 2;
  bool by_tma = true;  // where the rows of C start on 16 bytes
  Activation activation = Activation::none;
};

template <class Kind>
void test_gemm_wgmma_library(int m, int n, int k, double tolerance, const Cut& cut = {}) {
  using T = typename Kind::Element;
  constexpr int kStep = 128 / sizeof(T);
  Operands<T> x(m, n, k, Kind::kATransposed, Kind::kBTransposed);
  const auto type = sizeof(T) == 2                      ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
                    : std::is_same_v<Kind, WgmmaTf32x3> ? CU_TENSOR_MAP_DATA_TYPE_FLOAT32
                                                        : CU_TENSOR_MAP_DATA_TYPE_TFLOAT32;
  const auto map = [&](const void* base, int lines, bool transposed, int box) {
    return transposed ? tensor_map(type, sizeof(T), base, lines, k, kStep, kStep)
                      : tensor_map(type, sizeof(T), base, k, lines, kStep, box);
  };
  x.g.activation = cut.activation;
  cuda::WgmmaPlan plan{m, n, k};
  plan.cluster = cut.cluster;
  if (cut.ranges > 1) {
    const int length = ceil_div(ceil_div(k, cut.ranges), kStep) * kStep;
    plan.split = {length, ceil_div(k, length)};
  }
  const GemmBatch batch;
  const size_t numel = size_t(m) * n;
  Device<float> partial(plan.split.ranges * numel);
  float* sums = plan.split.ranges > 1 ? partial.p : nullptr;
  auto* kernel = cuda::gemm_wgmma<Kind>;
  constexpr int kShared = sizeof(cuda::WgmmaShared<typename Kind::Ring>);
  check(cudaFuncSetAttribute((const void*)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             kShared));
  const cuda::WgmmaOutput output = {
      {}, cut.by_tma && sums == nullptr && cut.activation == Activation::none};
  const CUtensorMap map_a = map(x.da.p, m, Kind::kATransposed, 128);
  const CUtensorMap map_b = map(x.db.p, n, Kind::kBTransposed, Kind::kColumns / 2);
  const auto stored = sizeof(T) == 2 ? type : CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  const CUtensorMap map_c =
      cut.by_tma ? tensor_map(stored, sizeof(T), x.dc.p, n, m, kStep, 64) : map_a;
  check(launch_cluster(kernel, dim3(cut.clusters * cut.cluster), dim3(cuda::kWgmmaThreads),
                       dim3(cut.cluster), kShared, stream(), map_a, map_b, map_c, x.g, batch, plan,
                       output, sums));
  if (sums != nullptr)
    check(launch(cuda::add_ranges<T, float>, dim3(2), dim3(256), 0, stream(), sums, x.g, batch,
                 int64_t(numel), plan.split.ranges));
  x.expect(tolerance);
}

// y = x W^T + bias, of W (n, k) two of each four kept.
void test_semi_structured(int n, int m, int k, int cluster) {
  constexpr int kPairs[] = {0b0100, 0b1000, 0b1100, 0b1001, 0b1101, 0b1110};
  const Vector<bf16> values = Operands<bf16>::values(size_t(n) * k / 2),
                     bias = Operands<bf16>::values(n), x = Operands<bf16>::values(size_t(m) * k);
  Vector<bf16> y(size_t(m) * n);
  Vector<uint8_t> indices(size_t(n) * k / 8);
  for (size_t i = 0; i < indices.size(); i++)
    indices[i] = uint8_t(kPairs[(i * 5 + i / 7) % 6] | kPairs[(i * 7 + i / 5) % 6] << 4);
  Device<bf16> dvalues(values), dbias(bias), dx(x), dy(y);
  Device<uint8_t> dindices(indices);
  cuda::WgmmaPlan plan{n, m, k};
  plan.cluster = cluster;
  auto* kernel = semi_structured_wgmma<bf16>;
  constexpr int kShared = sizeof(cuda::WgmmaShared<SparseRing>);
  check(cudaFuncSetAttribute((const void*)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             kShared));
  check(launch_cluster(
      kernel, dim3(2 * cluster), dim3(cuda::kWgmmaThreads), dim3(cluster), kShared, stream(),
      tensor_map_bf16(dvalues.p, k / 2, n, 64, 128), tensor_map_bf16(dx.p, k, m, 64, 128),
      tensor_map(CU_TENSOR_MAP_DATA_TYPE_UINT8, 1, dindices.p, k / 8, n, 16, 128,
                 CU_TENSOR_MAP_SWIZZLE_NONE),
      tensor_map_bf16(dy.p, n, m, 64, 64), SparseOutput<bf16>{dbias.p, dy.p, n, m}, plan));
  dy.read(y);
  expect_product(m, n, k / 2, y, 0.2, [&](int i, int j, int s) {
    const size_t at = size_t(j) * k / 2 + s;
    const int place = indices[at / 4] >> (at % 4 * 2) & 3;
    const double product = double(values[at]) * double(x[size_t(i) * k + s / 2 * 4 + place]);
    return s == 0 ? product + double(bias[j]) : product;
  });
}

void run_wgmma_kernels(bool small) {
  if (!on_hopper()) return;
  using Rows = WgmmaFloats<bf16, 128>;
  using Transposed = WgmmaFloats<bf16, 128, true, true>;
  run_case("gemm_wgmma bf16", [] { test_gemm_wgmma_library<Rows>(24, 40, 136, 0.13); });
  run_case("gemm_wgmma bf16 transposed",
           [] { test_gemm_wgmma_library<Transposed>(24, 40, 72, 0.13); });
  run_case("gemm_wgmma bf16 cluster",
           [] { test_gemm_wgmma_library<Rows>(136, 40, 136, 0.13, {.cluster = 2}); });
  run_case("gemm_wgmma bf16 split depth",
           [] { test_gemm_wgmma_library<Rows>(24, 40, 200, 0.13, {.ranges = 3}); });
  run_case("gemm_wgmma bf16 odd rows of C",
           [] { test_gemm_wgmma_library<Rows>(70, 133, 72, 0.13, {.by_tma = false}); });
  run_case("gemm_wgmma bf16 with activation", [] {
    test_gemm_wgmma_library<Rows>(70, 40, 72, 0.13, {.activation = Activation::gelu});
  });
  run_case("gemm_wgmma bf16 split depth with activation", [] {
    test_gemm_wgmma_library<Rows>(24, 40, 200, 0.13, {.ranges = 3, .activation = Activation::silu});
  });
  run_case("gemm_wgmma tf32x3", [] { test_gemm_wgmma_library<WgmmaTf32x3>(24, 40, 76, 1e-5); });
  run_case("semi_structured_wgmma", [] { test_semi_structured(40, 24, 256, 1); });
  run_case("gemm_gathered bf16", [] { test_gemm_gathered<false, false>(24, 40, 136); });
  run_case("gemm_gathered bf16 transposed", [] { test_gemm_gathered<true, true>(24, 40, 72); });
  if (small) return;
  // More tiles than blocks, and more steps than stages.
  run_case("gemm_wgmma bf16 tiles", [] {
    test_gemm_wgmma_library<WgmmaFloats<bf16, 128, false, true>>(200, 264, 520, 0.13);
  });
  run_case("gemm_wgmma bf16 tiles, A transposed",
           [] { test_gemm_wgmma_library<WgmmaFloats<bf16, 128, true>>(200, 264, 520, 0.13); });
  run_case("gemm_wgmma bf16 tiles, clusters, depth split", [] {
    test_gemm_wgmma_library<Transposed>(304, 136, 520, 0.13, {.cluster = 2, .ranges = 2});
  });
  run_case("gemm_wgmma bf16 wide tiles, clusters", [] {
    test_gemm_wgmma_library<WgmmaFloats<bf16, 256, true>>(264, 520, 328, 0.13, {.cluster = 2});
  });
  run_case("gemm_wgmma tf32 clusters", [] {
    test_gemm_wgmma_library<WgmmaFloats<float, 128>>(136, 264, 100, 3e-2, {.cluster = 2});
  });
  run_case("gemm_wgmma tf32x3 clusters, depth split", [] {
    test_gemm_wgmma_library<WgmmaTf32x3>(136, 264, 260, 1e-5, {.cluster = 2, .ranges = 2});
  });
  run_case("semi_structured_wgmma tiles, clusters", [] { test_semi_structured(304, 264, 640, 2); });
  run_case("gemm_gathered bf16 tiles", [] { test_gemm_gathered<false, true>(200, 136, 520); });
  run_case("gemm_gathered bf16 tiles, A transposed",
           [] { test_gemm_gathered<true, false>(136, 200, 520); });
}

}  // namespace tilegrad::kernel_tests
