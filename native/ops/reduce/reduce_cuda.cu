// Sums, means, norms, products, any and all on CUDA. f16, bf16 and f32 are summed in f32 by each thread
// and in f64 from there on, integers in 64 bits.
#include "ops/reduce/reduce_launch.cuh"

namespace tilegrad {

namespace reduce_cuda {

namespace {

template <class T, SumOf kWhat>
struct FloatSum {
  using Element = T;
  using Result = T;
  using C = compute_t<T>;
  // What one thread took in, and what came by merging.
  struct Accumulator {
    C own;
    double merged;
  };

  __device__ static Accumulator start() { return {C(0), 0.0}; }
  __device__ static void take(Accumulator& a, T x, int64_t) {
    const C v = static_cast<C>(x);
    if constexpr (kWhat == SumOf::magnitudes)
      a.own += v < C(0) ? -v : v;
    else if constexpr (kWhat == SumOf::squares)
      a.own += v * v;
    else if constexpr (kWhat == SumOf::nonzeros)
      a.own += v != C(0) ? C(1) : C(0);
    else
      a.own += v;
  }
  __device__ static double total(const Accumulator& a) {
    return static_cast<double>(a.own) + a.merged;
  }
  __device__ static void merge(Accumulator& a, const Accumulator& b) { a.merged += total(b); }
  __device__ static void write(const Accumulator& a, const ReduceFinish& how, T* out, int64_t*,
                               int64_t i) {
    double value = total(a);
    if constexpr (kWhat == SumOf::squares) value = math::sqrt(value);
    if (how.mean) value /= how.numel;
    out[i] = static_cast<T>(static_cast<C>(value));
  }
};

template <class T>
struct IntegerSum {
  using Element = T;
  using Result = int64_t;
  using Accumulator = uint64_t;  // wraps

  __device__ static uint64_t start() { return 0; }
  __device__ static void take(uint64_t& a, T x, int64_t) {
    a += static_cast<uint64_t>(static_cast<int64_t>(x));
  }
  __device__ static void merge(uint64_t& a, uint64_t b) { a += b; }
  __device__ static void write(uint64_t a, const ReduceFinish&, int64_t* out, int64_t*, int64_t i) {
    out[i] = static_cast<int64_t>(a);
  }
};

template <class T>
struct Product {
  static constexpr bool kFloat = !std::is_integral_v<T>;
  using Element = T;
  using Result = std::conditional_t<kFloat, T, int64_t>;
  using Accumulator = std::conditional_t<kFloat, double, uint64_t>;

  __device__ static Accumulator start() { return 1; }
  __device__ static void take(Accumulator& a, T x, int64_t) {
    if constexpr (kFloat)
      a *= static_cast<double>(static_cast<compute_t<T>>(x));
    else
      a *= static_cast<uint64_t>(static_cast<int64_t>(x));
  }
  __device__ static void merge(Accumulator& a, Accumulator b) { a *= b; }
  __device__ static void write(Accumulator a, const ReduceFinish&, Result* out, int64_t*,
                               int64_t i) {
    if constexpr (kFloat)
      out[i] = static_cast<T>(static_cast<compute_t<T>>(a));
    else
      out[i] = static_cast<int64_t>(a);
  }
};

// Whether an element is not zero, or, for kAll, whether one is.
template <class T, bool kAll>
struct Any {
  using Element = T;
  using Result = uint8_t;
  using Accumulator = uint32_t;

  __device__ static uint32_t start() { return 0; }
  __device__ static void take(uint32_t& a, T x, int64_t) {
    a |= (static_cast<compute_t<T>>(x) != compute_t<T>(0)) != kAll;
  }
  __device__ static void merge(uint32_t& a, uint32_t b) { a |= b; }
  __device__ static void write(uint32_t a, const ReduceFinish&, uint8_t* out, int64_t*, int64_t i) {
    out[i] = (a != 0) != kAll;
  }
};

template <SumOf kWhat>
void float_sum(KernelArgs& args, const ReduceFinish& how = {}) {
  TG_DISPATCH_FLOAT(args.inputs[0].dtype, T, reduce_to_first<FloatSum<T, kWhat>>(args, how))
}

}  // namespace

}  // namespace reduce_cuda

void sum_cuda(KernelArgs& args) {
  using namespace reduce_cuda;
  TG_DISPATCH_ALL(args.inputs[0].dtype, T, {
    if constexpr (std::is_integral_v<T>)
      reduce_to_first<IntegerSum<Stored<T>>>(args);
    else
      reduce_to_first<FloatSum<T, SumOf::values>>(args);
  })
}

void mean_cuda(KernelArgs& args) {
  ReduceFinish how;
  how.mean = true;
  reduce_cuda::float_sum<SumOf::values>(args, how);
}

void norm_cuda(KernelArgs& args) {
  const int64_t p = args.attrs.integer("p");
  if (p == 0) return reduce_cuda::float_sum<SumOf::nonzeros>(args);
  if (p == 1) return reduce_cuda::float_sum<SumOf::magnitudes>(args);
  reduce_cuda::float_sum<SumOf::squares>(args);
}

void prod_cuda(KernelArgs& args) {
  using namespace reduce_cuda;
  TG_DISPATCH_ALL(args.inputs[0].dtype, T, reduce_to_first<Product<Stored<T>>>(args))
}

void any_cuda(KernelArgs& args) {
  using namespace reduce_cuda;
  TG_DISPATCH_ALL(args.inputs[0].dtype, T, (reduce_to_first<Any<Stored<T>, false>>(args)))
}

void all_cuda(KernelArgs& args) {
  using namespace reduce_cuda;
  TG_DISPATCH_ALL(args.inputs[0].dtype, T, (reduce_to_first<Any<Stored<T>, true>>(args)))
}

}  // namespace tilegrad
