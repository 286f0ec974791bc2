// batch_norm of a table, (rows, channels) or images of one pixel, on the CPU: chunks of rows, so that memory is read in
// order. Sums are taken around the mean of the first rows, and again around the mean where that lies far off for a channel;
// those of the chunks are added up in order. Bytes moved: x twice and y once, its gradient x and dout twice and dx once.
#include <algorithm>
#include <cmath>

#include "core/ceil_div.h"
#include "core/cpu/scratch.h"
#include "core/normalization.h"
#include "core/sweep.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/batch_norm/batch_norm_simd.h"

namespace tilegrad {

namespace {

constexpr int64_t kChunk = 131072;  // elements, beside which two sums a channel are few
constexpr int64_t kMostChunks = 64;
constexpr int64_t kPivotRows = 16;
constexpr int64_t kChannelGrain = 1024;

template <class T>
class Table {
 public:
  using C = compute_t<T>;

  // `values`: arrays of C with one value for each channel that the caller wants.
  Table(const View& x, int64_t values)
      : x_(x.as<T>()),
        channels_(x.shape()[1]),
        rows_(channels_ > 0 ? x.numel() / channels_ : 0),
        grain_(std::max(grain_for(channels_, kChunk), ceil_div(rows_, kMostChunks))),
        chunks_(ceil_div(rows_, grain_)),
        kernels_(TILEGRAD_SIMD(batch_norm_row_kernels)(x.dtype)) {
    const size_t channels = static_cast<size_t>(channels_);
    const size_t doubles = static_cast<size_t>(2 * (chunks_ + 1)) * channels;
    first_ = static_cast<double*>(
        scratch(ScratchSlot::region,
                doubles * sizeof(double) + static_cast<size_t>(values) * channels * sizeof(C)));
    second_ = first_ + channels_;
    partial_ = second_ + channels_;
    values_ = reinterpret_cast<C*>(first_ + doubles);
  }

  int64_t channels() const { return channels_; }
  double count() const { return static_cast<double>(rows_); }
  C* values(int64_t i) { return values_ + i * channels_; }
  double* first() { return first_; }
  double* second() { return second_; }

  // The sums over all rows of x - around and its square, or of dout and dout (x - around).
  void sum(const T* dout, const C* around) {
    const int64_t width = 2 * channels_;
    sweep_for(rows_, grain_, bytes(dout ? 2 : 1), [&](int64_t begin, int64_t end) {
      double* sums = partial_ + begin / grain_ * width;
      std::fill_n(sums, width, 0.0);
      kernels_.sums(rows(dout, begin, end), around, sums, sums + channels_);
    });
    parallel_for(width, kChannelGrain, [&](int64_t begin, int64_t end) {
      std::fill(first_ + begin, first_ + end, 0.0);  // first_ and second_ side by side
      for (int64_t chunk = 0; chunk < chunks_; ++chunk)
        for (int64_t i = begin; i < end; ++i) first_[i] += partial_[chunk * width + i];
    });
  }

  void map(const T* dout, bool reads_x, T* out, const C* around, const C* scale, const C* slope,
           const C* shift) {
    sweep_for(rows_, grain_, bytes(dout ? 3 : 2), [&](int64_t begin, int64_t end) {
      BatchNormRows part = rows(dout, begin, end);
      if (!reads_x) part.x = nullptr;
      kernels_.map(part, out + begin * channels_, around, scale, slope, shift);
    });
  }

  // The mean of the first rows of each channel.
  void pivot(C* out) const {
    const int64_t rows = std::min(rows_, kPivotRows);
    std::fill_n(out, channels_, C(0));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < channels_; ++c)
        out[c] += static_cast<C>(x_[r * channels_ + c]) / static_cast<C>(rows);
  }

  // Where a square leaves f32: value by value in f64.
  void exact_moments(int64_t c, double* mean, double* variance) const {
    double sum = 0, squares = 0;
    for (int64_t r = 0; r < rows_; ++r) sum += value(r, c);
    *mean = sum / count();
    for (int64_t r = 0; r < rows_; ++r) squares += (value(r, c) - *mean) * (value(r, c) - *mean);
    *variance = squares / count();
  }

 private:
  double value(int64_t r, int64_t c) const {
    return static_cast<double>(static_cast<C>(x_[r * channels_ + c]));
  }
  int64_t bytes(int64_t tensors) const {
    return tensors * rows_ * channels_ * static_cast<int64_t>(sizeof(T));
  }
  BatchNormRows rows(const T* dout, int64_t begin, int64_t end) const {
    return {dout ? dout + begin * channels_ : nullptr, x_ + begin * channels_, end - begin,
            channels_};
  }

  const T* x_;
  int64_t channels_, rows_, grain_, chunks_;
  BatchNormRowKernels kernels_;
  double *first_, *second_, *partial_;
  C* values_;
};

// Leaves the mean and the biased variance of each channel in first() and second().
template <class T>
void table_moments(Table<T>& table, compute_t<T>* around) {
  using C = compute_t<T>;
  table.pivot(around);
  for (int pass = 0; pass < 2; ++pass) {
    table.sum(nullptr, around);
    bool far = false;  // where digits are lost, unless around the mean itself
    for (int64_t c = 0; c < table.channels(); ++c) {
      const double off = table.first()[c] / table.count();
      const double value = table.second()[c] / table.count() - off * off;
      double &mean = table.first()[c], &variance = table.second()[c];
      mean = static_cast<double>(around[c]) + off;
      variance = value < 0 ? 0 : value;
      far = far || off * off > 4 * value;
      if (value == HUGE_VAL) table.exact_moments(c, &mean, &variance);
    }
    if (!far || pass == 1) return;
    for (int64_t c = 0; c < table.channels(); ++c) around[c] = static_cast<C>(table.first()[c]);
  }
}

template <class T>
void forward(KernelArgs& args) {
  using C = compute_t<T>;
  const View& x = args.inputs[kBnX];
  Table<T> table(x, 2);
  const T *weight = optional_input<T>(args, kBnWeight), *bias = optional_input<T>(args, kBnBias),
          *running_mean = optional_input<T>(args, kBnRunningMean),
          *running_var = optional_input<T>(args, kBnRunningVar);
  C *mean = args.outputs[1].as<C>(), *rstd = args.outputs[2].as<C>();
  C *scale = table.values(0), *shift = table.values(1);
  const bool training = args.attrs.boolean("training");
  const double eps = args.attrs.number("eps");
  if (training) table_moments(table, mean);
  for (int64_t c = 0; c < table.channels(); ++c) {
    mean[c] = training ? static_cast<C>(table.first()[c]) : static_cast<C>(running_mean[c]);
    const double variance =
        training ? table.second()[c] : static_cast<double>(static_cast<C>(running_var[c]));
    const double r = 1 / std::sqrt(variance + eps);
    rstd[c] = static_cast<C>(r);
    scale[c] = static_cast<C>(weight ? r * static_cast<double>(static_cast<C>(weight[c])) : r);
    shift[c] = bias ? static_cast<C>(bias[c]) : C(0);
  }
  table.map(nullptr, true, args.outputs[0].as<T>(), mean, scale, scale, shift);
}

template <class T>
void backward(KernelArgs& args) {
  using C = compute_t<T>;
  Table<T> table(args.inputs[kBnGradX], 3);
  const T *dout = args.inputs[kBnDout].as<T>(), *weight = optional_input<T>(args, kBnGradWeight);
  const C *mean = args.inputs[kBnMean].as<C>(), *rstd = args.inputs[kBnRstd].as<C>();
  T *dweight = args.outputs[1].as<T>(), *dbias = args.outputs[2].as<T>();
  C *scale = table.values(0), *slope = table.values(1), *shift = table.values(2);
  const bool training = args.attrs.boolean("training");
  table.sum(dout, mean);
  for (int64_t c = 0; c < table.channels(); ++c) {
    const double r = static_cast<double>(rstd[c]), sum = table.first()[c], dot = table.second()[c];
    const double s = weight ? r * static_cast<double>(static_cast<C>(weight[c])) : r;
    dweight[c] = static_cast<T>(static_cast<C>(dot * r));
    dbias[c] = static_cast<T>(static_cast<C>(sum));
    scale[c] = static_cast<C>(s);
    slope[c] = training ? static_cast<C>(-s * r * r * dot / table.count()) : C(0);
    shift[c] = training ? static_cast<C>(-s * sum / table.count()) : C(0);
  }
  table.map(dout, training, args.outputs[0].as<T>(), mean, scale, slope, shift);
}

}  // namespace

void batch_norm_table_cpu(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kBnX].dtype, T, forward<T>(args))
}
void batch_norm_table_grad_cpu(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kBnGradX].dtype, T, backward<T>(args))
}

}  // namespace tilegrad
