// avg_pool2d, adaptive_avg_pool2d and their gradients on the CPU: the windows are worked out once per call, then chunks of
// output rows (gradients: of planes, since windows overlap) are computed. 16-bit floats are summed in f32.
#include <algorithm>
#include <vector>

#include "core/ceil_div.h"
#include "ops/pool2d/avg_pool2d_kernels.h"
#include "ops/pool2d/pool2d.h"
#include "ops/pool2d/pool2d_planes.h"

namespace tilegrad {

namespace {

struct Windows {
  std::vector<PoolSpan> rows, cols;
  AvgPool pool;
  int64_t planes;
  int64_t in_size() const { return pool.h * pool.w; }
  int64_t out_size() const { return pool.rows.count * pool.cols.count; }
};

// Regular cells are those that padding does not cut.
PoolAxis axis_of(std::vector<PoolSpan>& cells, int64_t count, int64_t size, int64_t kernel,
                 int64_t stride, int64_t near, int64_t far, bool count_padding) {
  PoolAxis axis{nullptr, count, 0, 0, stride, kernel, -near};
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = i * stride - near, end = std::min(begin + kernel, size + far);
    const int64_t inside = std::max<int64_t>(begin, 0), last = std::min(end, size);
    cells.push_back({inside, std::max(inside, last), count_padding ? end - begin : last - inside});
    if (begin < 0 || begin + kernel > size) continue;
    if (axis.last == 0) axis.first = i;
    axis.last = i + 1;
  }
  axis.cells = cells.data();
  return axis;
}

PoolAxis adaptive_axis(std::vector<PoolSpan>& cells, int64_t count, int64_t size) {
  const int64_t width = size / count;
  PoolAxis axis{nullptr, count, 0, size % count == 0 ? count : 0, width, width, 0};
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = i * size / count, end = ceil_div((i + 1) * size, count);
    cells.push_back({begin, end, end - begin});
  }
  axis.cells = cells.data();
  return axis;
}

void windows_of(const Attrs& attrs, const Shape& x, Windows* out) {
  const PoolShape s = pool_shape(attrs, x, false);
  const bool count_padding = attrs.boolean("count_include_pad");
  out->pool.rows =
      axis_of(out->rows, s.p, s.h, s.r, s.stride_h, s.pad_top, s.pad_bottom, count_padding);
  out->pool.cols =
      axis_of(out->cols, s.q, s.w, s.s, s.stride_w, s.pad_left, s.pad_right, count_padding);
  out->pool.h = s.h, out->pool.w = s.w;
  out->pool.divisor = static_cast<double>(attrs.integer("divisor"));
  out->planes = s.planes;
}

void adaptive_windows(const Shape& x, const Shape& y, Windows* out) {
  out->pool.rows = adaptive_axis(out->rows, y[2], x[2]);
  out->pool.cols = adaptive_axis(out->cols, y[3], x[3]);
  out->pool.h = x[2], out->pool.w = x[3];
  out->pool.divisor = 0;
  out->planes = x[0] * x[1];
}

void mean_rows(const AvgPool& pool, int64_t p0, int64_t p1, const float* x, float* y, float* work) {
  TILEGRAD_SIMD(avg_pool_rows_f32)(pool, p0, p1, x, y, work);
}
void mean_rows(const AvgPool& pool, int64_t p0, int64_t p1, const double* x, double* y,
               double* work) {
  TILEGRAD_SIMD(avg_pool_rows_f64)(pool, p0, p1, x, y, work);
}
void plane_means(const float* x, int64_t n, int64_t planes, float* y) {
  TILEGRAD_SIMD(plane_means_f32)(x, n, planes, y);
}
void plane_means(const double* x, int64_t n, int64_t planes, double* y) {
  TILEGRAD_SIMD(plane_means_f64)(x, n, planes, y);
}
void unpool(const AvgPool& pool, const float* dy, float* dx, float* work) {
  TILEGRAD_SIMD(avg_unpool_f32)(pool, dy, dx, work);
}
void unpool(const AvgPool& pool, const double* dy, double* dx, double* work) {
  TILEGRAD_SIMD(avg_unpool_f64)(pool, dy, dx, work);
}

template <class T>
T* workspace(int64_t count) {
  return static_cast<T*>(scratch(ScratchSlot::chunk, static_cast<size_t>(count) * sizeof(T)));
}

template <class T>
void forward(const Windows& windows, const T* x, T* y) {
  const AvgPool& pool = windows.pool;
  if (const int64_t n = windows.in_size(); pool.is_global())
    return parallel_for(windows.planes, grain_for(n, kPoolGrain), [&](int64_t begin, int64_t end) {
      plane_means(x + begin * n, n, end - begin, y + begin);
    });
  const int64_t rows = pool.rows.count;
  const int64_t work_per_row = std::max(pool.cols.count, windows.in_size() / rows);
  parallel_for(windows.planes * rows, grain_for(work_per_row, kPoolGrain),
               [&](int64_t begin, int64_t end) {
                 T* work = workspace<T>(pool.w);
                 for (int64_t row = begin; row < end;) {
                   const int64_t plane = row / rows, p0 = row % rows;
                   const int64_t p1 = std::min(rows, p0 + end - row);
                   mean_rows(pool, p0, p1, x + plane * windows.in_size(),
                             y + plane * windows.out_size(), work);
                   row += p1 - p0;
                 }
               });
}

template <class T>
void backward(const Windows& windows, const T* dy, T* dx) {
  const AvgPool& pool = windows.pool;
  parallel_for(windows.planes, grain_for(windows.in_size() + windows.out_size(), kPoolGrain),
               [&](int64_t begin, int64_t end) {
                 T* work = workspace<T>(pool.w + pool.cols.count);
                 for (int64_t plane = begin; plane < end; ++plane)
                   unpool(pool, dy + plane * windows.out_size(), dx + plane * windows.in_size(),
                          work);
               });
}

void forward(const KernelArgs& args, const Windows& windows) {
  const View &x = args.inputs[0], &y = args.outputs[0];
  if (x.dtype == DType::f32) return forward(windows, x.as<float>(), y.as<float>());
  if (x.dtype == DType::f64) return forward(windows, x.as<double>(), y.as<double>());
  const AvgPool& pool = windows.pool;
  by_wide_planes(windows.planes, x, windows.in_size(), y, windows.out_size(), pool.w,
                 [&](int64_t, const float* in, float* out, float* work) {
                   if (pool.is_global())
                     plane_means(in, windows.in_size(), 1, out);
                   else
                     mean_rows(pool, 0, pool.rows.count, in, out, work);
                 });
}

void backward(const KernelArgs& args, const Windows& windows) {
  const View &dy = args.inputs[0], &dx = args.outputs[0];
  if (dy.dtype == DType::f32) return backward(windows, dy.as<float>(), dx.as<float>());
  if (dy.dtype == DType::f64) return backward(windows, dy.as<double>(), dx.as<double>());
  const AvgPool& pool = windows.pool;
  by_wide_planes(
      windows.planes, dy, windows.out_size(), dx, windows.in_size(), pool.w + pool.cols.count,
      [&](int64_t, const float* in, float* out, float* work) { unpool(pool, in, out, work); });
}

}  // namespace

void avg_pool2d_cpu(KernelArgs& args) {
  Windows windows;
  windows_of(args.attrs, args.inputs[0].shape(), &windows);
  forward(args, windows);
}

void avg_pool2d_input_grad_cpu(KernelArgs& args) {
  Windows windows;
  windows_of(args.attrs, args.outputs[0].shape(), &windows);
  backward(args, windows);
}

void adaptive_avg_pool2d_cpu(KernelArgs& args) {
  Windows windows;
  adaptive_windows(args.inputs[0].shape(), args.outputs[0].shape(), &windows);
  forward(args, windows);
}

void adaptive_avg_pool2d_input_grad_cpu(KernelArgs& args) {
  Windows windows;
  adaptive_windows(args.outputs[0].shape(), args.inputs[0].shape(), &windows);
  backward(args, windows);
}

}  // namespace tilegrad
