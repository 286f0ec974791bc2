// adaptive_max_pool2d: the largest value of windows of nearly equal size that cover the plane, and where it stands in the
// plane. NaN wins over numbers, of equals the first wins. Planes are spread over the threads.
// Bytes moved: each input about once, a value and a place per output.
#include <limits>
#include <vector>

#include "core/ceil_div.h"
#include "core/parallel.h"
#include "ops/pool2d/pool2d.h"

namespace tilegrad {

namespace {

void adaptive_max_pool2d_infer(InferContext& ctx) {
  ctx.expect_float(0, "input");
  const Shape out = adaptive_pool_shape(ctx, ctx.shape(0));
  ctx.output(out, ctx.dtype(0));
  ctx.output(out, DType::i64);
}

struct Span {
  int64_t begin, end;
};

// The windows along one axis.
std::vector<Span> spans_of(int64_t size, int64_t count) {
  std::vector<Span> spans(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    spans[static_cast<size_t>(i)] = {i * size / count, ceil_div((i + 1) * size, count)};
  return spans;
}

template <class T>
void max_cells(const T* x, int64_t w, const std::vector<Span>& rows, const std::vector<Span>& cols,
               T* y, int64_t* places) {
  using C = compute_t<T>;
  for (const Span& row : rows) {
    for (const Span& col : cols) {
      C best = -std::numeric_limits<C>::infinity();
      int64_t place = row.begin * w + col.begin;
      for (int64_t a = row.begin; a < row.end; ++a) {
        for (int64_t b = col.begin; b < col.end; ++b) {
          const C value = static_cast<C>(x[a * w + b]);
          if (!(value > best) && value == value) continue;
          best = value;
          place = a * w + b;
        }
      }
      *y++ = x[place];
      *places++ = place;
    }
  }
}

void adaptive_max_pool2d_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &y = args.outputs[0];
  const Shape &from = x.shape(), &to = y.shape();
  const int64_t h = from[2], w = from[3], p = to[2], q = to[3];
  auto* places = args.outputs[1].as<int64_t>();
  const std::vector<Span> rows = spans_of(h, p), cols = spans_of(w, q);
  TG_DISPATCH_FLOAT(x.dtype, T, {
    parallel_for(from[0] * from[1], grain_for(h * w + p * q), [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane)
        max_cells(x.as<T>() + plane * h * w, w, rows, cols, y.as<T>() + plane * p * q,
                  places + plane * p * q);
    });
  });
}

}  // namespace

extern const OpDef adaptive_max_pool2d_op;
const OpDef adaptive_max_pool2d_op = {.name = "adaptive_max_pool2d",
                                      .inputs = {1, 1},
                                      .attrs = {{"size", AttrType::integers}},
                                      .infer = adaptive_max_pool2d_infer,
                                      .cpu = adaptive_max_pool2d_cpu,
                                      .cuda = TILEGRAD_CUDA_KERNEL(adaptive_max_pool2d_cuda)};

}  // namespace tilegrad
