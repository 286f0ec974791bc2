// Kernels of rooms, against references in f64: compressed rows, and the convolution that pools.
#include "cases.h"
#include "harness.h"
#include "ops/conv2d/conv2d_pool.cuh"
#include "ops/sparse/sparse_kernels.cuh"

namespace tilegrad::kernel_tests {

namespace {

struct NoFault {
  Device<cuda::Fault> device{Vector<cuda::Fault>(1, cuda::Fault{})};
  // Whether nothing was reported, and else what.
  void expect(bool reported, cuda::FaultKind kind = {}) {
    Vector<cuda::Fault> found;
    device.read(found);
    expect_close(found[0].ready, reported ? 1 : 0, 0);
    if (reported) expect_close(double(found[0].kind), double(kind), 0);
  }
};

Vector<float> sparse_values(int n, int k, float kept) {
  Vector<float> w = random_values(size_t(n) * k);
  for (float& x : w) x = std::abs(x) < kept ? x : 0.0f;
  return w;
}

struct Csr {
  Vector<int32_t> start, column;
  Vector<float> value;
};
Csr csr_of(const Vector<float>& w, int n, int k) {
  Csr made;
  for (int i = 0; i < n; i++) {
    made.start.push_back(int32_t(made.value.size()));
    for (int j = 0; j < k; j++) {
      if (w[size_t(i) * k + j] == 0.0f) continue;
      made.column.push_back(j);
      made.value.push_back(w[size_t(i) * k + j]);
    }
  }
  made.start.push_back(int32_t(made.value.size()));
  return made;
}

// `more` is added to the number of values that the kernels are told.
void test_to_csr(int n, int k, int more = 0) {
  const Vector<float> w = sparse_values(n, k, 0.3f);
  const Csr expected = csr_of(w, n, k);
  const int64_t count = int64_t(expected.value.size()) + more;
  Device<float> dw(w), dvalue{size_t(count)};
  Device<int32_t> dstart{size_t(n) + 1}, dcolumn{size_t(count)};
  NoFault fault;
  check(launch(sparse::count_rows<float>, dim3(2), dim3(sparse::kThreads), 0, stream(), dw.p,
               int64_t(n), int64_t(k), dstart.p));
  check(launch(sparse::add_up, dim3(1), dim3(sparse::kScanThreads), 0, stream(), dstart.p,
               int64_t(n), count, fault.device.p));
  check(launch(sparse::write_rows<float>, dim3(2), dim3(sparse::kThreads), 0, stream(), dw.p,
               int64_t(n), int64_t(k), count, dstart.p, dcolumn.p, dvalue.p));
  fault.expect(more != 0, cuda::FaultKind::csr_count);
  if (more != 0) return;
  Csr found;
  dstart.read(found.start), dcolumn.read(found.column), dvalue.read(found.value);
  for (size_t i = 0; i < found.start.size(); i++)
    expect_close(found.start[i], expected.start[i], 0);
  for (size_t i = 0; i < found.value.size(); i++) {
    expect_close(found.column[i], expected.column[i], 0);
    expect_close(double(found.value[i]), double(expected.value[i]), 0);
  }
}

void test_csr_linear(int m, int n, int k, bool few) {
  const Vector<float> w = sparse_values(n, k, 0.3f), x = random_values(size_t(m) * k),
                      bias = random_values(size_t(n));
  const Csr csr = csr_of(w, n, k);
  Device<float> dx(x), dvalue(csr.value), dbias(bias), dy(size_t(m) * n);
  Device<int32_t> dstart(csr.start), dcolumn(csr.column);
  NoFault fault;
  sparse::CsrProblem<float> p = {};
  p.start = dstart.p, p.column = dcolumn.p, p.value = dvalue.p, p.bias = dbias.p;
  p.n = n, p.k = k, p.m = m, p.values = int64_t(csr.value.size()), p.fault = fault.device.p;
  check(launch(sparse::check_rows<float>, dim3(1), dim3(sparse::kThreads), 0, stream(), p));
  const int64_t blocks = ceil_div(m, sparse::kColumns), pitch = blocks * sparse::kColumns;
  Device<float> turned(size_t(k * pitch));
  if (few) {
    check(launch(sparse::csr_dot<float>, dim3(2, unsigned(m)), dim3(sparse::kThreads), 0, stream(),
                 p, dx.p, dy.p));
  } else {
    check(launch(sparse::transpose_rows<float>, dim3(3), dim3(sparse::kThreads), 0, stream(), dx.p,
                 turned.p, int64_t(m), int64_t(k), pitch));
    check(launch(sparse::csr_panel<float>, dim3(ceil_div(n, sparse::kLines), unsigned(blocks)),
                 dim3(sparse::kThreads), 0, stream(), p, turned.p, pitch, dy.p));
  }
  Vector<float> y;
  dy.read(y);
  fault.expect(false);
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      double sum = bias[j];
      for (int c = 0; c < k; c++) sum += double(x[size_t(i) * k + c]) * w[size_t(j) * k + c];
      expect_close(y[size_t(i) * n + j], sum, 1e-5);
    }
  }
}

// Wrong rows and columns are reported, and nothing beyond the arrays is read.
void test_csr_faults() {
  const Vector<float> x = random_values(3 * 5), value(4, 1.0f);
  Device<float> dx(x), dvalue(value), dy(3 * 2);
  for (const bool rows : {true, false}) {
    Device<int32_t> dstart(rows ? Vector<int32_t>{0, 1000, -7} : Vector<int32_t>{0, 2, 4});
    Device<int32_t> dcolumn(Vector<int32_t>{0, rows ? 1 : 99, 2, rows ? 3 : -1});
    NoFault fault;
    sparse::CsrProblem<float> p = {};
    p.start = dstart.p, p.column = dcolumn.p, p.value = dvalue.p;
    p.n = 2, p.k = 5, p.m = 3, p.values = 4, p.fault = fault.device.p;
    check(launch(sparse::check_rows<float>, dim3(1), dim3(sparse::kThreads), 0, stream(), p));
    check(launch(sparse::csr_dot<float>, dim3(1, 3), dim3(sparse::kThreads), 0, stream(), p, dx.p,
                 dy.p));
    fault.expect(true, rows ? cuda::FaultKind::csr_rows : cuda::FaultKind::csr_column);
  }
}

// conv2d, ReLU and pooling of x (n, groups c, h, w); `tile` 0 sums window by window.
template <int Rows, int Columns>
void launch_pooled(const ConvPooled& conv) {
  const int64_t tiles =
      ceil_div<int64_t>(conv.rows(), Rows) * ceil_div<int64_t>(conv.columns(), Columns);
  check(launch(conv_pool_product<Rows, Columns>, dim3(unsigned(tiles), 1, unsigned(conv.z.groups)),
               dim3(kConvThreads), 0, stream(), conv));
}

void test_conv_pool(ConvShape s, bool windows) {
  const int64_t channels = s.c / s.groups, filters = s.k / s.groups;
  s.p = (s.h + s.pad_top * 2 - s.r) / s.stride_h + 1;
  s.q = (s.w + s.pad_left * 2 - s.s) / s.stride_w + 1;
  const int64_t p2 = s.p / 2, q2 = s.q / 2;
  const Vector<float> x = random_values(size_t(s.n * s.c * s.h * s.w)),
                      w = random_values(size_t(s.k * channels * s.r * s.s)),
                      bias = random_values(size_t(s.k));
  Device<float> dx(x), dw(w), dbias(bias), dy(size_t(s.n * s.k * p2 * q2));
  Device<uint8_t> dtaps(size_t(s.n * s.k * p2 * q2));
  const ConvForward<float> plain = {ConvSizes(s),         dx.p, dw.p, dbias.p, nullptr,
                                    ConvActivation::relu, dy.p};
  const ConvPooled conv{plain, dtaps.p};
  if (windows) {
    check(launch(conv_windows, dim3(1, unsigned(s.groups)), dim3(kConvThreads),
                 size_t(conv.depth()) * kConvMost * sizeof(float), stream(), conv));
  } else if (filters <= 16) {
    launch_pooled<16, 256>(conv);
  } else {
    launch_pooled<64, 64>(conv);
  }
  Vector<float> y;
  Vector<uint8_t> taps;
  dy.read(y), dtaps.read(taps);
  for (int64_t i = 0; i < int64_t(y.size()); i++) {
    const int64_t q = i % q2, p = i / q2 % p2, k = i / (q2 * p2) % s.k, image = i / (q2 * p2 * s.k);
    double best = -1e30, at_tap = 0;
    for (int tap = 0; tap < 4; tap++) {
      double sum = bias[size_t(k)];
      for (int64_t c = 0; c < channels; c++) {
        for (int64_t e = 0; e < s.r * s.s; e++) {
          const int64_t h = (2 * p + tap / 2) * s.stride_h - s.pad_top + e / s.s;
          const int64_t v = (2 * q + tap % 2) * s.stride_w - s.pad_left + e % s.s;
          if (h < 0 || h >= s.h || v < 0 || v >= s.w) continue;
          const int64_t channel = k / filters * channels + c;
          sum += double(x[size_t(((image * s.c + channel) * s.h + h) * s.w + v)]) *
                 w[size_t((k * channels + c) * s.r * s.s + e)];
        }
      }
      best = std::max(best, sum);
      if (tap == taps[size_t(i)]) at_tap = sum;
    }
    expect_close(y[size_t(i)], std::max(best, 0.0), 1e-5);
    expect_close(at_tap, best, 1e-5);
  }
}

ConvShape conv_case(int64_t n, int64_t c, int64_t h, int64_t w, int64_t k, int64_t size,
                    int64_t pad, int64_t groups) {
  ConvShape s = {};
  s.n = n, s.c = c, s.h = h, s.w = w, s.k = k, s.r = s.s = size, s.groups = groups;
  s.stride_h = s.stride_w = s.dilation_h = s.dilation_w = 1;
  s.pad_top = s.pad_left = pad;
  return s;
}

}  // namespace

void run_op_kernels(bool small) {
  run_case("to_csr 9x70", [] { test_to_csr(9, 70); });
  run_case("to_csr with another count", [] { test_to_csr(9, 70, 1), test_to_csr(9, 70, -1); });
  run_case("csr_linear few rows", [] { test_csr_linear(3, 20, 45, true); });
  run_case("csr_linear panels", [] { test_csr_linear(37, 40, 35, false); });
  run_case("csr_linear faults", test_csr_faults);
  run_case("conv_windows", [] { test_conv_pool(conv_case(2, 4, 7, 9, 10, 3, 1, 2), true); });
  run_case("conv_pool_product flat",
           [] { test_conv_pool(conv_case(1, 3, 8, 9, 12, 3, 0, 1), false); });
  run_case("conv_pool_product square",
           [] { test_conv_pool(conv_case(1, 2, 6, 7, 20, 2, 1, 1), false); });
  if (small) return;
  run_case("to_csr many rows", [] { test_to_csr(2100, 3); });
  run_case("csr_linear blocks", [] { test_csr_linear(150, 70, 130, false); });
}

}  // namespace tilegrad::kernel_tests
