// OpDefs of all elementwise functions, made from functors.h. A binary function takes two tensors that broadcast, or one
// tensor and the attribute `scalar` on the `side` that it stands for.
#include <algorithm>
#include <cstring>

#include "core/op.h"
#include "core/parallel.h"
#include "ops/elementwise/elementwise_cuda.h"
#include "ops/elementwise/elementwise_simd.h"

namespace tilegrad {

namespace {

constexpr int64_t kGrain = 32768;  // elements per parallel chunk

[[maybe_unused]] bool accepts_FLOAT(DType d) { return is_float(d); }
bool accepts_NUMBER(DType d) { return d != DType::boolean; }

template <bool (*accepts)(DType)>
void unary_infer(InferContext& ctx) {
  if (!accepts(ctx.dtype(0))) ctx.fail(ErrorCode::dtype, "is not defined for ", ctx.dtype(0));
  ctx.output(ctx.shape(0), ctx.dtype(0));
}

template <bool (*accepts)(DType)>
void binary_infer(InferContext& ctx) {
  if (!accepts(ctx.dtype(0))) ctx.fail(ErrorCode::dtype, "is not defined for ", ctx.dtype(0));
  bool scalar = ctx.attrs.choice("side") != 0;
  if (ctx.input_count != (scalar ? 1 : 2))
    ctx.fail(ErrorCode::argument, "expects two tensors, or one and a scalar");
  if (scalar) return ctx.output(ctx.shape(0), ctx.dtype(0));
  ctx.expect_same_dtype(0, 1, "the first input", "the second");
  ctx.output(broadcast_shapes(ctx.op.name, ctx.shape(0), ctx.shape(1)), ctx.dtype(0));
}

// Walks the rows of the collapsed output; `row(offsets, n)` gets the element offset of each operand.
template <int N, class Row>
void for_rows(Layout (&layouts)[N], Row&& row) {
  collapse_dims(layouts, N);
  const Shape& shape = layouts[0].shape;
  int last = shape.rank - 1;
  int64_t n = shape[last], rows = shape.numel() / n;
  auto walk = [&](int64_t r, int64_t from, int64_t count) {
    int64_t offsets[N];
    for (int k = 0; k < N; ++k) offsets[k] = layouts[k].offset + from * layouts[k].strides[last];
    for (int d = last - 1; d >= 0; --d) {
      int64_t i = r % shape[d];
      r /= shape[d];
      for (int k = 0; k < N; ++k) offsets[k] += i * layouts[k].strides[d];
    }
    row(offsets, count);
  };
  if (rows == 1) {
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) { walk(0, begin, end - begin); });
  } else {
    parallel_for(rows, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) walk(r, 0, n);
    });
  }
}

inline const char* at(const View& v, int64_t offset) {
  return static_cast<const char*>(v.data) + offset * static_cast<int64_t>(dtype_size(v.dtype));
}
inline char* at_output(const View& v, int64_t offset) { return const_cast<char*>(at(v, offset)); }

void unary_cpu(KernelArgs& args, UnaryRow row) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  Layout layouts[2] = {out.layout, x.layout};
  for_rows(layouts, [&](const int64_t* o, int64_t n) {
    row(at(x, o[1]), layouts[1].strides[layouts[1].rank() - 1], at_output(out, o[0]), n);
  });
}

void binary_cpu(KernelArgs& args, BinaryRow row) {
  const View& out = args.outputs[0];
  View a = args.inputs[0], b = args.input_count > 1 ? args.inputs[1] : View{};
  alignas(8) char scalar[8];
  int side = args.attrs.choice("side");
  if (side != 0) {
    double value = args.attrs.number("scalar");
    TG_DISPATCH_NUMBER(a.dtype, T, {
      T typed = static_cast<T>(static_cast<compute_t<T>>(value));
      std::memcpy(scalar, &typed, sizeof typed);
    });
    View constant{scalar, Layout{}, a.dtype};
    if (side == 1) std::swap(a, constant);  // the scalar stands on the left
    b = constant;
  }
  Layout layouts[3] = {out.layout, broadcast_to(a.layout, out.shape()),
                       broadcast_to(b.layout, out.shape())};
  for_rows(layouts, [&](const int64_t* o, int64_t n) {
    int last = layouts[0].rank() - 1;
    row(at(a, o[1]), layouts[1].strides[last], at(b, o[2]), layouts[2].strides[last],
        at_output(out, o[0]), n);
  });
}

}  // namespace

#define TG_UNARY(fn, dtypes, expression)                            \
  static void fn##_cpu(KernelArgs& args) {                          \
    unary_cpu(args, TILEGRAD_SIMD(fn##_row)(args.inputs[0].dtype)); \
  }                                                                 \
  extern const OpDef fn##_op;                                       \
  const OpDef fn##_op = {.name = #fn,                               \
                         .inputs = {1, 1},                          \
                         .infer = unary_infer<accepts_##dtypes>,    \
                         .cpu = fn##_cpu,                           \
                         .cuda = TILEGRAD_CUDA_KERNEL(fn##_cuda),   \
                         .strided = true};
#define TG_BINARY(fn, dtypes, expression)                                                     \
  static void fn##_cpu(KernelArgs& args) {                                                    \
    binary_cpu(args, TILEGRAD_SIMD(fn##_row)(args.inputs[0].dtype));                          \
  }                                                                                           \
  extern const OpDef fn##_op;                                                                 \
  const OpDef fn##_op = {                                                                     \
      .name = #fn,                                                                            \
      .inputs = {1, 2},                                                                       \
      .attrs = {{"scalar", AttrType::number}, {"side", AttrType::choice, "none|left|right"}}, \
      .infer = binary_infer<accepts_##dtypes>,                                                \
      .cpu = fn##_cpu,                                                                        \
      .cuda = TILEGRAD_CUDA_KERNEL(fn##_cuda),                                                \
      .strided = true};
#include "ops/elementwise/functors.h"

}  // namespace tilegrad
