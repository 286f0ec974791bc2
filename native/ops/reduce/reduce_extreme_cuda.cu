// Largest and smallest values on CUDA, alone or with the place of the first one; NaN counts as the most
// extreme. Every accumulator carries the place, and of equals the smaller one wins, so that the order in
// which they meet does not matter.
#include "ops/reduce/reduce_launch.cuh"

namespace tilegrad {

namespace reduce_cuda {

namespace {

template <class T, bool kSmallest>
struct Extreme {
  using Element = T;
  using Result = T;
  using C = compute_t<T>;
  struct Accumulator {
    C value;
    int64_t index;  // -1: nothing taken in
  };

  __device__ static Accumulator start() { return {C(0), -1}; }
  __device__ static void take(Accumulator& a, T x, int64_t index) {
    merge(a, {static_cast<C>(x), index});
  }
  __device__ static void merge(Accumulator& a, const Accumulator& b) {
    if (b.index < 0) return;
    const bool b_nan = b.value != b.value, a_nan = a.value != a.value;
    const bool same = (b_nan && a_nan) || b.value == a.value;
    const bool better = b_nan != a_nan ? b_nan
                        : same         ? b.index < a.index
                        : kSmallest    ? b.value < a.value
                                       : b.value > a.value;
    if (a.index < 0 || better) a = b;
  }
  __device__ static void write(const Accumulator& a, const ReduceFinish&, T* out, int64_t* indices,
                               int64_t i) {
    if (out) out[i] = static_cast<T>(a.value);
    if (indices) indices[i] = a.index;
  }
};

template <bool kSmallest>
void extreme(KernelArgs& args, void* out, int64_t* indices) {
  TG_DISPATCH_ALL(args.inputs[0].dtype, T,
                  (reduce<Extreme<Stored<T>, kSmallest>>(args, {}, out, indices)))
}

}  // namespace

}  // namespace reduce_cuda

void amax_cuda(KernelArgs& args) {
  reduce_cuda::extreme<false>(args, args.outputs[0].data, nullptr);
}
void amin_cuda(KernelArgs& args) {
  reduce_cuda::extreme<true>(args, args.outputs[0].data, nullptr);
}
void argmax_cuda(KernelArgs& args) {
  reduce_cuda::extreme<false>(args, nullptr, args.outputs[0].as<int64_t>());
}
void argmin_cuda(KernelArgs& args) {
  reduce_cuda::extreme<true>(args, nullptr, args.outputs[0].as<int64_t>());
}
void max_cuda(KernelArgs& args) {
  reduce_cuda::extreme<false>(args, args.outputs[0].data, args.outputs[1].as<int64_t>());
}
void min_cuda(KernelArgs& args) {
  reduce_cuda::extreme<true>(args, args.outputs[0].data, args.outputs[1].as<int64_t>());
}

}  // namespace tilegrad
