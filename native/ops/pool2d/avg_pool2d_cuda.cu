// Means over windows on CUDA: a thread per output, for gradients a thread per pixel, which adds up the windows that hold
// it, so no sum needs an atomic and the bits are the same on every run. 16-bit floats are computed in f32.
// Bytes moved: inputs and outputs once each from memory; what windows share comes from the caches.
#include "core/cuda/cuda_device.h"
#include "core/cuda/pixel.cuh"
#include "ops/pool2d/pool2d.h"

namespace tilegrad {

namespace {

using cuda::Pixel;

constexpr int kThreads = 256;

template <class... P, class... A>
void run(const KernelArgs& args, int64_t n, void (*kernel)(P...), A&&... values) {
  auto& stream = cuda::stream_of(args.stream);
  cuda::check(launch(kernel, dim3(cuda::grid_size(stream, n, kThreads)), dim3(kThreads), 0,
                     stream.handle(), std::forward<A>(values)...),
              "launch");
}

#define TG_GRID_LOOP(i, n)                                                \
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < (n); \
       i += int64_t{kThreads} * gridDim.x)

// Cells [first, last) whose windows of `span` places hold `place`.
__device__ CellRange cells_at(int64_t place, int64_t pad, int64_t span, int64_t stride,
                              int64_t cells) {
  const int64_t reach = place + pad - span + 1;
  const int64_t first = reach <= 0 ? 0 : ceil_div(reach, stride);
  const int64_t last = (place + pad) / stride + 1;
  return {first, last < cells ? last : cells};
}

// The windows of means along one side.
struct MeanAxis {
  int64_t size, cells, kernel, stride, near, far;  // kernel 0: adaptive
  bool count_padding;

  struct Span {
    int64_t begin, end, size;
  };
  __device__ Span span(int64_t cell) const {
    if (kernel == 0) {
      const int64_t begin = cell * size / cells, end = ceil_div((cell + 1) * size, cells);
      return {begin, end, end - begin};
    }
    const int64_t begin = cell * stride - near;
    const int64_t end = begin + kernel < size + far ? begin + kernel : size + far;
    const int64_t first = begin > 0 ? begin : 0, last = end < size ? end : size;
    return {first, last, count_padding ? end - begin : last - first};
  }
  // Cells that hold the place.
  __device__ CellRange holding(int64_t place) const {
    if (kernel == 0) return {place * cells / size, ceil_div((place + 1) * cells, size)};
    return cells_at(place, near, kernel, stride, cells);
  }
};

struct MeanPlan {
  MeanAxis rows, cols;
  int64_t planes;
  double divisor;  // 0: the product of the two sizes
};

template <class C>
__device__ C divisor_of(const MeanPlan& plan, const MeanAxis::Span& r, const MeanAxis::Span& c) {
  return static_cast<C>(plan.divisor != 0 ? plan.divisor : static_cast<double>(r.size * c.size));
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    mean_outputs(const MeanPlan plan, const T* __restrict__ x, T* __restrict__ y) {
  using C = compute_t<T>;
  TG_GRID_LOOP(i, plan.planes * plan.rows.cells * plan.cols.cells) {
    const Pixel cell(i, static_cast<int>(plan.rows.cells), static_cast<int>(plan.cols.cells));
    const T* from = x + cell.image * plan.rows.size * plan.cols.size;
    const MeanAxis::Span rows = plan.rows.span(cell.row), cols = plan.cols.span(cell.column);
    C total = C(0);
    for (int64_t h = rows.begin; h < rows.end; h++) {
      C row = C(0);  // by rows: an f32 that counts ones stays at 2^24
      for (int64_t w = cols.begin; w < cols.end; w++)
        row += static_cast<C>(from[h * plan.cols.size + w]);
      total += row;
    }
    const bool any = rows.begin < rows.end && cols.begin < cols.end;
    y[i] = static_cast<T>(any ? total / divisor_of<C>(plan, rows, cols) : C(0));
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    mean_pixels(const MeanPlan plan, const T* __restrict__ dy, T* __restrict__ dx) {
  using C = compute_t<T>;
  TG_GRID_LOOP(i, plan.planes * plan.rows.size * plan.cols.size) {
    const Pixel cell(i, static_cast<int>(plan.rows.size), static_cast<int>(plan.cols.size));
    const T* from = dy + cell.image * plan.rows.cells * plan.cols.cells;
    const CellRange rows = plan.rows.holding(cell.row), cols = plan.cols.holding(cell.column);
    C total = C(0);
    for (int64_t p = rows.first; p < rows.last; p++) {
      const MeanAxis::Span r = plan.rows.span(p);
      for (int64_t q = cols.first; q < cols.last; q++)
        total += static_cast<C>(from[p * plan.cols.cells + q]) /
                 divisor_of<C>(plan, r, plan.cols.span(q));
    }
    dx[i] = static_cast<T>(total);
  }
}

MeanPlan plan_of(const Attrs& attrs, const Shape& x) {
  const PoolShape s = pool_shape(attrs, x, false);
  const bool padding = attrs.boolean("count_include_pad");
  return {{s.h, s.p, s.r, s.stride_h, s.pad_top, s.pad_bottom, padding},
          {s.w, s.q, s.s, s.stride_w, s.pad_left, s.pad_right, padding},
          s.planes,
          static_cast<double>(attrs.integer("divisor"))};
}

MeanPlan adaptive_plan(const Shape& x, const Shape& y) {
  return {{x[2], y[2], 0, 0, 0, 0, false}, {x[3], y[3], 0, 0, 0, 0, false}, x[0] * x[1], 0};
}

void mean_forward(const KernelArgs& args, const MeanPlan& plan) {
  const View &x = args.inputs[0], &y = args.outputs[0];
  TG_DISPATCH_FLOAT(x.dtype, T,
                    { run(args, y.numel(), mean_outputs<T>, plan, x.as<T>(), y.as<T>()); });
}

void mean_backward(const KernelArgs& args, const MeanPlan& plan) {
  const View &dy = args.inputs[0], &dx = args.outputs[0];
  TG_DISPATCH_FLOAT(dy.dtype, T,
                    { run(args, dx.numel(), mean_pixels<T>, plan, dy.as<T>(), dx.as<T>()); });
}

}  // namespace

void avg_pool2d_cuda(KernelArgs& args) {
  mean_forward(args, plan_of(args.attrs, args.inputs[0].shape()));
}
void avg_pool2d_input_grad_cuda(KernelArgs& args) {
  mean_backward(args, plan_of(args.attrs, args.outputs[0].shape()));
}
void adaptive_avg_pool2d_cuda(KernelArgs& args) {
  mean_forward(args, adaptive_plan(args.inputs[0].shape(), args.outputs[0].shape()));
}
void adaptive_avg_pool2d_input_grad_cuda(KernelArgs& args) {
  mean_backward(args, adaptive_plan(args.outputs[0].shape(), args.inputs[0].shape()));
}

}  // namespace tilegrad
