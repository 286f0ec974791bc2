// cross_entropy and its gradient on CUDA, by the formulas of cross_entropy_cpu.cc: a warp for each position
// (a block for many classes), or a thread where the positions lie side by side. One block then adds the
// losses in f64, in an order that is fixed. A target out of range is reported, never used as an index.
// Bytes moved: the logits once (twice from the cache), the gradient one write more.
#include "core/cuda/copy.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/fault.cuh"
#include "core/cuda/lane_sum.cuh"
#include "core/cuda/reduce.cuh"
#include "core/math.h"
#include "core/view_bytes.h"
#include "ops/cross_entropy/cross_entropy.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;
constexpr int64_t kManyClasses = 1024;

// The tensors and attributes of one call.
template <class T>
struct Call {
  using C = compute_t<T>;
  int64_t classes, inner, positions;
  const T *x, *weight, *probability;  // weight, probability: null where there is none
  const void* target;                 // class indices
  DType target_dtype;
  bool normalize, dense;
  double a, b;  // factors of the target and of the uniform distribution
  int64_t ignore;
  int reduction;
  cuda::Fault* fault;

  Call(const KernelArgs& args, int weight_input) {
    const CrossEntropyShape shape(args.inputs[kCeInput].shape());
    const View& given = args.inputs[kCeTarget];
    const double smoothing = args.attrs.number("label_smoothing");
    classes = shape.classes, inner = shape.inner, positions = shape.positions();
    x = args.inputs[kCeInput].as<T>();
    weight = args.has(weight_input) ? args.inputs[weight_input].as<T>() : nullptr;
    target_dtype = given.dtype;
    probability = is_float(given.dtype) ? given.as<T>() : nullptr;
    target = bytes_of(given);
    normalize = args.attrs.boolean("normalize");
    dense = is_float(given.dtype) || smoothing > 0;
    a = 1 - smoothing;
    b = smoothing / static_cast<double>(shape.classes);
    ignore = args.attrs.integer("ignore_index");
    reduction = args.attrs.choice("reduction");
    fault = cuda::stream_of(args.stream).fault();
  }

  __device__ int64_t first(int64_t position) const {
    return inner == 1 ? position * classes : position / inner * classes * inner + position % inner;
  }
  __device__ C weight_of(int64_t c) const { return weight ? static_cast<C>(weight[c]) : C(1); }
  // What the target and the smoothing add for class c, the class index apart.
  __device__ C target_of(int64_t at, int64_t c) const {
    C t = static_cast<C>(b);
    if (probability) t += static_cast<C>(probability[at]) * static_cast<C>(a);
    return t * weight_of(c);
  }
  // The class at a position; `ignore` where it is that or wrong.
  __device__ int64_t class_at(int64_t position) const {
    const int64_t c = target_dtype == DType::i64   ? static_cast<const int64_t*>(target)[position]
                      : target_dtype == DType::i32 ? static_cast<const int32_t*>(target)[position]
                                                   : static_cast<const uint8_t*>(target)[position];
    if (c == ignore || (c >= 0 && c < classes)) return c;
    cuda::report_fault(fault, cuda::FaultKind::target, position, c, classes);
    return ignore;
  }
};

// saved: the largest logit and the log-sum of each position. losses, divisors: one for each position.
template <class T, int Lanes, class C = compute_t<T>>
__global__ void __launch_bounds__(kThreads)
    position_losses(const Call<T> call, C* __restrict__ saved, C* __restrict__ losses,
                    C* __restrict__ divisors, T* __restrict__ out) {
  constexpr int kSlices = kThreads / Lanes;
  const int lane = static_cast<int>(threadIdx.x) % Lanes;
  for (int64_t start = int64_t{blockIdx.x} * kSlices; start < call.positions;
       start += int64_t{kSlices} * gridDim.x) {
    const int64_t position = start + threadIdx.x / Lanes;
    const bool inside = position < call.positions;
    const int64_t n = inside ? call.classes : 0, first = call.first(position);
    C most = C(0), log_sum = C(0), dot = C(0);
    if (call.normalize) {
      most = cuda::Largest::identity<C>();
      for (int64_t c = lane; c < n; c += Lanes)
        most = cuda::Largest()(static_cast<C>(call.x[first + c * call.inner]), most);
      most = cuda::reduce_lanes<Lanes>(most, cuda::Largest());
      const C sum = cuda::lane_sum<C, Lanes>(lane, n, [&](int64_t c) {
        return math::exp(static_cast<C>(call.x[first + c * call.inner]) - most);
      });
      log_sum = math::log(cuda::reduce_lanes<Lanes>(sum, cuda::Sum()));
    }
    if (call.dense) {
      dot = cuda::lane_sum<C, Lanes>(lane, n, [&](int64_t c) {
        const int64_t at = first + c * call.inner;
        return call.target_of(at, c) * (static_cast<C>(call.x[at]) - most - log_sum);
      });
      dot = cuda::reduce_lanes<Lanes>(dot, cuda::Sum());
    }
    if (!inside || lane != 0) continue;
    C loss = call.dense ? -dot : C(0), divisor = C(1);
    if (!call.probability) {
      const int64_t c = call.class_at(position);
      if (c == call.ignore) {
        loss = divisor = C(0);
      } else {
        divisor = call.weight_of(c);
        const C logit = static_cast<C>(call.x[first + c * call.inner]);
        loss -= static_cast<C>(call.a) * divisor * (logit - most - log_sum);
      }
    }
    saved[position] = most;
    saved[call.positions + position] = log_sum;
    losses[position] = loss;
    divisors[position] = divisor;
    if (out) out[position] = static_cast<T>(loss);
  }
}

// One block. `out` is null where the losses stay apart.
template <class T, class C = compute_t<T>>
__global__ void __launch_bounds__(kThreads)
    total_loss(const C* __restrict__ losses, const C* __restrict__ divisors, int64_t n, bool mean,
               T* __restrict__ out, C* __restrict__ saved_divisor) {
  double loss = 0, divisor = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) {
    loss += static_cast<double>(losses[i]);
    divisor += static_cast<double>(divisors[i]);
  }
  loss = cuda::block_reduce<kThreads>(loss, cuda::Sum());
  divisor = cuda::block_reduce<kThreads>(divisor, cuda::Sum());
  if (threadIdx.x != 0) return;
  *saved_divisor = static_cast<C>(divisor);
  if (out) *out = static_cast<T>(static_cast<C>(mean ? loss / divisor : loss));
}

// dx = slope p - scale target, for each position; `softmax_only` leaves the target out.
template <class T, int Lanes, class C = compute_t<T>>
__global__ void __launch_bounds__(kThreads)
    position_gradients(const Call<T> call, const C* __restrict__ saved, const T* __restrict__ dout,
                       bool softmax_only, T* __restrict__ dx) {
  constexpr int kSlices = kThreads / Lanes;
  const int lane = static_cast<int>(threadIdx.x) % Lanes;
  const C divisor = call.reduction == kCeMean ? saved[2 * call.positions] : C(1);
  for (int64_t start = int64_t{blockIdx.x} * kSlices; start < call.positions;
       start += int64_t{kSlices} * gridDim.x) {
    const int64_t position = start + threadIdx.x / Lanes;
    const bool inside = position < call.positions;
    const int64_t n = inside ? call.classes : 0, first = call.first(position);
    C total = C(0);  // of the dense target
    if (call.dense) {
      total = cuda::lane_sum<C, Lanes>(
          lane, n, [&](int64_t c) { return call.target_of(first + c * call.inner, c); });
      total = cuda::reduce_lanes<Lanes>(total, cuda::Sum());
    }
    if (!inside) continue;
    C scale = static_cast<C>(dout[call.reduction == kCeNone ? position : 0]) / divisor;
    int64_t chosen = -1;
    if (!call.probability) {
      chosen = call.class_at(position);
      if (chosen == call.ignore)
        scale = C(0), chosen = -1;
      else
        total += static_cast<C>(call.a) * call.weight_of(chosen);
    }
    const C slope = total * scale, most = saved[position],
            log_sum = saved[call.positions + position];
    for (int64_t c = lane; c < n; c += Lanes) {
      const int64_t at = first + c * call.inner;
      C g = C(0);
      if (call.normalize) g = slope * math::exp(static_cast<C>(call.x[at]) - most - log_sum);
      if (!softmax_only) {
        if (call.dense) g -= scale * call.target_of(at, c);
        if (c == chosen) g -= scale * static_cast<C>(call.a) * call.weight_of(c);
      }
      dx[at] = static_cast<T>(g);
    }
  }
}

// launch_with(kernel, positions of a block) for the number of lanes that fits the shape.
template <class T, class Kernel, class Launch>
void choose(const Call<T>& call, Kernel column, Kernel warp, Kernel block, Launch&& launch_with) {
  if (call.inner > 1) return launch_with(column, kThreads);
  if (call.classes <= kManyClasses) return launch_with(warp, kThreads / 32);
  launch_with(block, 1);
}

template <class T>
void forward(KernelArgs& args) {
  using C = compute_t<T>;
  const Call<T> call(args, kCeWeight);
  auto& stream = cuda::stream_of(args.stream);
  C* saved = args.outputs[1].as<C>();
  T* loss = args.outputs[0].as<T>();
  const bool apart = call.reduction == kCeNone;
  const BufferRef space =
      cuda::workspace(stream, static_cast<size_t>(2 * call.positions) * sizeof(C));
  auto* losses = static_cast<C*>(space->data);
  C* divisors = losses + call.positions;
  if (call.positions > 0)
    choose(call, position_losses<T, 1>, position_losses<T, 32>, position_losses<T, kThreads>,
           [&](auto kernel, int positions) {
             cuda::check(launch(kernel, dim3(cuda::grid_size(stream, call.positions, positions)),
                                dim3(kThreads), 0, stream.handle(), call, saved, losses, divisors,
                                apart ? loss : nullptr),
                         "launch");
           });
  cuda::check(launch(total_loss<T>, dim3(1), dim3(kThreads), 0, stream.handle(), losses, divisors,
                     call.positions, call.reduction == kCeMean, apart ? nullptr : loss,
                     saved + 2 * call.positions),
              "launch");
}

template <class T>
void backward(KernelArgs& args) {
  using C = compute_t<T>;
  const Call<T> call(args, kCeGradWeight);
  auto& stream = cuda::stream_of(args.stream);
  const bool softmax_only = args.attrs.choice("part") == 1;
  choose(call, position_gradients<T, 1>, position_gradients<T, 32>, position_gradients<T, kThreads>,
         [&](auto kernel, int positions) {
           cuda::check(
               launch(kernel, dim3(cuda::grid_size(stream, call.positions, positions)),
                      dim3(kThreads), 0, stream.handle(), call, args.inputs[kCeSaved].as<C>(),
                      args.inputs[kCeDout].as<T>(), softmax_only, args.outputs[0].as<T>()),
               "launch");
         });
}

}  // namespace

void cross_entropy_cuda(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kCeInput].dtype, T, forward<T>(args))
}

void cross_entropy_input_grad_cuda(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kCeInput].dtype, T, backward<T>(args))
}

}  // namespace tilegrad
