// The library's own kernels of core/cuda, against references in f64: matrix products in every layout, batched,
// ragged, with their epilogue; reductions of a block.
#include "cases.h"
#include "core/cuda/gemm_mma.cuh"
#include "core/cuda/gemm_simt.cuh"
#include "core/cuda/reduce.cuh"
#include "harness.h"

namespace tilegrad::kernel_tests {

using cuda::MmaBf16, cuda::MmaF16, cuda::MmaTf32, cuda::MmaTf32x3;

struct GemmCase {
  int m, n, k, batches = 1;
  bool a_transposed = false, b_transposed = false, epilogue = false;
  Activation activation = Activation::relu;  // of the epilogue
  int pad = 0;  // extra row length of A and B, which spoils the alignment of the rows
};

template <class T, class Launch>
void test_gemm(const GemmCase& s, double tolerance, Launch&& launch_gemm) {
  const int a_rows = s.a_transposed ? s.k : s.m, a_length = (s.a_transposed ? s.m : s.k) + s.pad;
  const int b_rows = s.b_transposed ? s.n : s.k, b_length = (s.b_transposed ? s.k : s.n) + s.pad;
  const size_t a_size = size_t(a_rows) * a_length, b_size = size_t(b_rows) * b_length,
               c_size = size_t(s.m) * s.n;
  Vector<T> a(a_size * s.batches), b(b_size), c(c_size * s.batches), bias(s.n),
      residual(c_size * s.batches);  // B is shared by the batches
  for (auto* v : {&a, &b, &c, &bias, &residual}) {
    for (T& x : *v) x = T(next_value());
  }
  const Vector<T> before = c;
  Device<T> da(a), db(b), dc(c), dbias(bias), dresidual(residual);
  Gemm<T> g;
  g.m = s.m, g.n = s.n, g.k = s.k;
  g.a = da.p, g.a_row = s.a_transposed ? 1 : a_length, g.a_col = s.a_transposed ? a_length : 1;
  g.b = db.p, g.b_row = s.b_transposed ? 1 : b_length, g.b_col = s.b_transposed ? b_length : 1;
  g.c = dc.p, g.c_row = s.n;
  if (s.epilogue) {
    g.accumulate = true, g.bias_axis = BiasAxis::col, g.bias = dbias.p;
    g.residual = dresidual.p, g.activation = s.activation;
  }
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
        if (s.epilogue)
          sum = activated(s.activation,
                          sum + double(before[at]) + double(bias[j]) + double(residual[at]));
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

static void run_gemm_simt() {
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
}

static void run_activations() {
  for (const Activation activation :
       {Activation::gelu, Activation::gelu_tanh, Activation::silu, Activation::none}) {
    const std::string kind = std::to_string(static_cast<int>(activation));
    run_case("gemm_simt f32 activation " + kind, [=] {
      test_gemm_simt<float, float>(
          {.m = 70, .n = 37, .k = 20, .epilogue = true, .activation = activation}, 1e-5);
    });
    run_case("gemm_mma bf16 activation " + kind, [=] {
      test_gemm_mma<MmaBf16>(
          {.m = 40, .n = 70, .k = 40, .batches = 2, .epilogue = true, .activation = activation},
          8e-3);
    });
  }
  run_case("gemm_simt f64 activation", [] {
    test_gemm_simt<double, double>(
        {.m = 9, .n = 21, .k = 7, .epilogue = true, .activation = Activation::gelu}, 1e-13);
  });
  run_case("gemm_mma f16 split depth with activation", [] {
    test_gemm_mma<MmaF16>(
        {.m = 17, .n = 21, .k = 130, .epilogue = true, .activation = Activation::silu}, 2e-3, 2);
  });
}

static void run_gemm_mma() {
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
  run_case("gemm_mma tf32x3", [] { test_gemm_mma<MmaTf32x3>({.m = 24, .n = 40, .k = 36}, 1e-6); });
  run_case("gemm_mma bf16 split depth", [] {
    test_gemm_mma<MmaBf16>({.m = 9, .n = 70, .k = 200, .batches = 2, .epilogue = true}, 1e-2, 3);
  });
}

static void run_large_products() {
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
    run_case("gemm_mma tf32x3 " + name, [s] { test_gemm_mma<MmaTf32x3>(s, 2e-6); });
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

void run_library_kernels(bool small) {
  run_gemm_simt();
  run_activations();
  run_gemm_mma();
  run_case("block_reduce 32", [] { test_block_reduce<32>(100); });
  run_case("block_reduce 256", [] { test_block_reduce<256>(1001); });
  if (!small) run_large_products();
}

}  // namespace tilegrad::kernel_tests
