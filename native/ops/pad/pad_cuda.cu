// pad on CUDA: a thread per element of the output; its gradient: a thread per element of the input, which adds up the
// places that show it, in their order. Bytes moved: one read and one write per element.
#include "core/cuda/cuda_device.h"
#include "core/cuda/launch.cuh"
#include "ops/pad/pad.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void __launch_bounds__(kThreads)
    pad_places(const PadPlan plan, const T* __restrict__ x, T value, T* __restrict__ y, int64_t n) {
  const int64_t step = int64_t{kThreads} * gridDim.x;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n; i += step) {
    int64_t rest = i, at = 0, stride = 1;
    bool inside = true;
    for (int d = plan.rank - 1; d >= 0; d--) {
      const PadAxis& axis = plan.axes[d];
      const int64_t from = axis.source(plan.mode, rest % axis.out);
      rest /= axis.out;
      inside &= from >= 0;
      at += from * stride;
      stride *= axis.in;
    }
    y[i] = inside ? x[at] : value;
  }
}

// The places of the output that show place i of the input: `count` of them, number k is first + k * step, but of a
// mirrored axis those of `mirror`.
struct Showing {
  int64_t count, first, step;
  int64_t mirror[3];

  __device__ Showing(const PadAxis& axis, PadMode mode, int64_t i) : count(0), first(0), step(0) {
    const int64_t own = i + axis.begin, last = axis.out - 1;
    if (mode == PadMode::reflect) {
      const int64_t left = axis.begin - i, right = axis.begin + 2 * (axis.in - 1) - i;
      if (i > 0 && left >= 0 && left <= last) mirror[count++] = left;
      if (own >= 0 && own <= last) mirror[count++] = own;
      if (i < axis.in - 1 && right >= 0 && right <= last) mirror[count++] = right;
      return;
    }
    int64_t end = own;
    first = own;
    step = 1;
    if (mode == PadMode::replicate) {
      if (i == 0) first = 0;
      if (i == axis.in - 1) end = last;
    } else if (mode == PadMode::circular) {
      step = axis.in;
      first = (own % axis.in + axis.in) % axis.in;
      end = last;
    }
    if (first < 0) first = 0;
    if (end > last) end = last;
    count = end < first ? 0 : (end - first) / step + 1;
  }
  __device__ int64_t place(int64_t k) const { return step == 0 ? mirror[k] : first + k * step; }
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    pad_sums(const PadPlan plan, const T* __restrict__ dy, T* __restrict__ dx, int64_t n) {
  using C = compute_t<T>;
  const int64_t step = int64_t{kThreads} * gridDim.x;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n; i += step) {
    int64_t rest = i, choices = 1;
    int64_t index[kMaxRank];
    for (int d = plan.rank - 1; d >= 0; d--) {
      index[d] = rest % plan.axes[d].in;
      rest /= plan.axes[d].in;
      choices *= Showing(plan.axes[d], plan.mode, index[d]).count;
    }
    C total = C(0);
    for (int64_t choice = 0; choice < choices; choice++) {
      int64_t k = choice, at = 0, stride = 1;
      for (int d = plan.rank - 1; d >= 0; d--) {
        const Showing showing(plan.axes[d], plan.mode, index[d]);
        at += showing.place(k % showing.count) * stride;
        k /= showing.count;
        stride *= plan.axes[d].out;
      }
      total += static_cast<C>(dy[at]);
    }
    dx[i] = static_cast<T>(total);
  }
}

}  // namespace

void pad_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &y = args.outputs[0];
  const PadPlan plan = pad_plan(args.attrs, x.shape());
  const double value = args.attrs.number("value");
  auto& stream = cuda::stream_of(args.stream);
  const int64_t n = y.numel();
  TG_DISPATCH_ALL(y.dtype, T, {
    cuda::check(launch(pad_places<T>, dim3(cuda::grid_size(stream, n, kThreads)), dim3(kThreads), 0,
                       stream.handle(), plan, x.as<T>(),
                       static_cast<T>(static_cast<compute_t<T>>(value)), y.as<T>(), n),
                "launch");
  });
}

void pad_input_grad_cuda(KernelArgs& args) {
  const View &dy = args.inputs[0], &dx = args.outputs[0];
  const PadPlan plan = pad_plan(args.attrs, dx.shape());
  auto& stream = cuda::stream_of(args.stream);
  const int64_t n = dx.numel();
  TG_DISPATCH_FLOAT(dx.dtype, T, {
    cuda::check(launch(pad_sums<T>, dim3(cuda::grid_size(stream, n, kThreads)), dim3(kThreads), 0,
                       stream.handle(), plan, dy.as<T>(), dx.as<T>(), n),
                "launch");
  });
}

}  // namespace tilegrad
