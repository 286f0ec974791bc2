// csr_linear: few rows of x are gathered from where they lie; from kPanelRows on, x is transposed in blocks as wide as a panel
// of sums, and tasks of 16 rows of W go over it. Each output is summed in the order of its row, on any number of threads.
#include <algorithm>
#include <atomic>

#include "core/ceil_div.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/sparse/sparse.h"
#include "ops/sparse/sparse_simd.h"

namespace tilegrad {
namespace {

constexpr int64_t kPanelRows = 8;
// Of a chunk, smaller ones do not repay a second thread: multiply-adds, values that are gathered for, elements that are
// transposed.
constexpr int64_t kWork = 1 << 18, kGathered = 1 << 15, kTurned = 1 << 16;

template <class T>
void to_csr(const T* x, int64_t rows, int64_t k, int64_t count, int32_t* start, int32_t* column,
            T* value) {
  const auto wrong = [&] {
    fail(ErrorCode::argument, "count is ", count, " but the input has another number of ",
         "elements that are not 0");
  };
  int64_t at = 0;
  if (count == 0) column[0] = 0, value[0] = T{};
  for (int64_t i = 0; i < rows; ++i) {
    start[i] = static_cast<int32_t>(at);
    for (int64_t j = 0; j < k; ++j) {
      const T v = x[i * k + j];
      if (v == T{}) continue;
      if (at == count) wrong();
      column[at] = static_cast<int32_t>(j);
      value[at++] = v;
    }
  }
  start[rows] = static_cast<int32_t>(at);
  if (at != count) wrong();
}

class CsrLinear {
 public:
  explicit CsrLinear(KernelArgs& args)
      : args_(args),
        dtype_(args.inputs[kCsrX].dtype),
        item_(static_cast<int64_t>(dtype_size(dtype_))),
        n_(args.inputs[kCsrRowStart].numel() - 1),
        k_(args.inputs[kCsrX].shape()[args.inputs[kCsrX].layout.rank() - 1]),
        m_(args.outputs[0].numel() / n_),
        start_(args.inputs[kCsrRowStart].as<int32_t>()) {}

  void run() {
    check_rows();
    const int64_t row_work = start_[n_] / n_ + 1;
    if (m_ < kPanelRows) {
      dot(row_work);
    } else {
      panels(row_work);
    }
    if (!columns_fit_.load(std::memory_order_relaxed))
      fail(ErrorCode::argument, "a column is not from 0 to ", k_ - 1);
  }

 private:
  char* at(const View& v, int64_t element) const {
    return static_cast<char*>(v.data) + (v.layout.offset + element) * item_;
  }

  void check_rows() const {
    bool fits = start_[0] == 0 && start_[n_] <= args_.inputs[kCsrColumn].numel();
    for (int64_t i = 0; i < n_; ++i) fits &= start_[i] <= start_[i + 1];
    if (!fits || (k_ == 0 && start_[n_] > 0))
      fail(ErrorCode::argument, "row_start must begin with 0, not fall, and end within ",
           args_.inputs[kCsrColumn].numel(), " values");
  }

  SparseRows rows_from(int64_t n, int64_t count) const {
    return {start_ + n,
            args_.inputs[kCsrColumn].as<int32_t>(),
            at(args_.inputs[kCsrValue], 0),
            args_.has(kCsrBias) ? at(args_.inputs[kCsrBias], n) : nullptr,
            count,
            std::max<int64_t>(k_, 1)};
  }

  void dot(int64_t row_work) {
    const View &x = args_.inputs[kCsrX], &y = args_.outputs[0];
    parallel_for(n_, grain_for(row_work * m_, kGathered), [&](int64_t begin, int64_t end) {
      for (int64_t i = 0; i < m_; ++i)
        if (!TILEGRAD_SIMD(sparse_dot)(dtype_, rows_from(begin, end - begin), at(x, i * k_),
                                       at(y, i * n_ + begin)))
          columns_fit_.store(false, std::memory_order_relaxed);
    });
  }

  // x^T of rows [row, row + rows) of x, as (k, columns), zeros beyond.
  void transpose(int64_t row, int64_t rows, int columns, char* out) const {
    const char* x = at(args_.inputs[kCsrX], row * k_);
    parallel_for(k_, grain_for(columns, kTurned), [&](int64_t begin, int64_t end) {
      TILEGRAD_SIMD(sparse_transpose)
      (dtype_,
       {x + begin * item_, rows, end - begin, k_, out + begin * columns * item_, columns, columns});
    });
  }

  void panels(int64_t row_work) {
    const int columns = TILEGRAD_SIMD(sparse_columns)(dtype_, m_);
    auto* x = static_cast<char*>(scratch(
        ScratchSlot::region, static_cast<size_t>(std::max<int64_t>(k_, 1) * columns * item_)));
    const int64_t tasks = ceil_div(n_, kSparseRows);
    for (int64_t row = 0; row < m_; row += columns) {
      const int64_t rows = std::min<int64_t>(columns, m_ - row);
      transpose(row, rows, columns, x);
      parallel_for(tasks, grain_for(row_work * columns * kSparseRows, kWork),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t t = begin; t < end; ++t) multiply(row, rows, columns, t, x);
                   });
    }
  }

  void multiply(int64_t row, int64_t rows, int columns, int64_t task, const char* x) {
    const int64_t n = task * kSparseRows, count = std::min<int64_t>(kSparseRows, n_ - n);
    alignas(64) char sums[kSparseRows * 64 * sizeof(float)];
    if (!TILEGRAD_SIMD(sparse_panel)(dtype_, rows_from(n, count), x, columns, sums))
      columns_fit_.store(false, std::memory_order_relaxed);
    TILEGRAD_SIMD(sparse_transpose)
    (dtype_, {sums, count, rows, columns, at(args_.outputs[0], row * n_ + n), count, n_});
  }

  KernelArgs& args_;
  const DType dtype_;
  const int64_t item_;
  const int64_t n_, k_, m_;  // rows of W, columns of W, rows of x
  const int32_t* start_;
  std::atomic<bool> columns_fit_{true};
};

}  // namespace

void to_csr_cpu(KernelArgs& args) {
  const View& x = args.inputs[0];
  const int64_t rows = x.shape()[0], k = x.shape()[1], count = args.attrs.integer("count");
  auto* start = args.outputs[0].as<int32_t>();
  auto* column = args.outputs[1].as<int32_t>();
  if (x.dtype == DType::f32) {
    to_csr(x.as<float>(), rows, k, count, start, column, args.outputs[2].as<float>());
  } else {
    to_csr(x.as<double>(), rows, k, count, start, column, args.outputs[2].as<double>());
  }
}

void csr_linear_cpu(KernelArgs& args) { CsrLinear(args).run(); }

}  // namespace tilegrad
