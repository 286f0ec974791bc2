// Variance, standard deviation and log-sum-exp on CUDA in one pass: Welford's update and Chan's merge of
// the moments, and exponentials that are rescaled whenever a larger value comes; in f64 for f64, else in
// f32, which is joined in f64.
#include "ops/reduce/reduce_launch.cuh"

namespace tilegrad {

namespace reduce_cuda {

namespace {

template <class T>
struct Moments {
  using Element = T;
  using Result = T;
  using C = compute_t<T>;
  struct Accumulator {
    double n, mean, squares;
  };

  __device__ static Accumulator start() { return {0.0, 0.0, 0.0}; }
  __device__ static void take(Accumulator& a, T x, int64_t) {
    a.n += 1;
    const double v = static_cast<double>(static_cast<C>(x)), delta = v - a.mean;
    a.mean += delta / a.n;
    a.squares += delta * (v - a.mean);
  }
  __device__ static void merge(Accumulator& a, const Accumulator& b) {
    if (b.n == 0) return;
    if (a.n == 0) return static_cast<void>(a = b);  // a square of the mean may be infinite
    const double n = a.n + b.n, delta = b.mean - a.mean;
    a.mean += delta * (b.n / n);
    a.squares += b.squares + delta * delta * (a.n * (b.n / n));
    a.n = n;
  }
  __device__ static void write(const Accumulator& a, const ReduceFinish& how, T* out, int64_t*,
                               int64_t i) {
    const double n = how.numel - how.correction;
    double value = a.squares / (n > 0 ? n : 0.0);
    if (how.numel == 0) value = math::via_f64::kNan;
    if (how.root) value = math::sqrt(value);
    out[i] = static_cast<T>(static_cast<C>(value));
  }
};

template <class T>
struct LogSumExp {
  using Element = T;
  using Result = T;
  using C = compute_t<T>;
  struct Accumulator {
    C largest, sum;  // sum of exp(x - shift(largest))
  };

  // An infinite maximum is no shift: inf - inf would be NaN.
  __device__ static C shift(C largest) { return largest - largest == C(0) ? largest : C(0); }
  __device__ static Accumulator start() { return {static_cast<C>(-math::via_f64::kInf), C(0)}; }
  __device__ static void take(Accumulator& a, T x, int64_t) {
    const C v = static_cast<C>(x);
    merge(a, {v, math::exp(v - shift(v))});
  }
  __device__ static C rescaled(const Accumulator& a, C largest) {
    return a.sum == C(0) ? C(0) : a.sum * math::exp(shift(a.largest) - shift(largest));
  }
  __device__ static void merge(Accumulator& a, const Accumulator& b) {
    const C largest = b.largest > a.largest ? b.largest : a.largest;
    a = {largest, rescaled(a, largest) + rescaled(b, largest)};
  }
  __device__ static void write(const Accumulator& a, const ReduceFinish&, T* out, int64_t*,
                               int64_t i) {
    out[i] = static_cast<T>(shift(a.largest) + math::log(a.sum));
  }
};

void moments(KernelArgs& args, bool root) {
  ReduceFinish how;
  how.correction = args.attrs.number("correction");
  how.root = root;
  TG_DISPATCH_FLOAT(args.inputs[0].dtype, T, reduce_to_first<Moments<T>>(args, how))
}

}  // namespace

}  // namespace reduce_cuda

void var_cuda(KernelArgs& args) { reduce_cuda::moments(args, false); }
void std_cuda(KernelArgs& args) { reduce_cuda::moments(args, true); }
void logsumexp_cuda(KernelArgs& args) {
  using namespace reduce_cuda;
  TG_DISPATCH_FLOAT(args.inputs[0].dtype, T, reduce_to_first<LogSumExp<T>>(args))
}

}  // namespace tilegrad
