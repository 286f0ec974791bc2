// max_input_grad: zeros of the shape of max's input with the gradient where the indices along `dim` point.
// max_pick, its transpose: the elements of a tensor that the indices point at. Both serve min, too.
#include <algorithm>

#include "core/op.h"
#include "core/parallel.h"

namespace tilegrad {

namespace {

struct Around {
  int64_t outer = 1, n = 1, inner = 1;
  Around(const Shape& shape, int64_t dim) {
    for (int d = 0; d < shape.rank; ++d) (d < dim ? outer : d == dim ? n : inner) *= shape[d];
  }
};

int64_t dim_of(const Attrs& attrs, int rank) {
  const int64_t dim = attrs.integer("dim");
  return dim < 0 ? dim + rank : dim;
}

// The shape without the dimension, or with size 1 there: both have one element for each index.
void check_indices(InferContext& ctx, const Shape& full) {
  ctx.expect_dtype(1, "indices", DType::i64);
  const Around around(full, ctx.dim(ctx.attrs.integer("dim"), full.rank));
  if (ctx.shape(1).numel() != around.outer * around.inner)
    ctx.fail(ErrorCode::shape, "indices ", ctx.shape(1), " do not fit into ", full);
}

void max_input_grad_infer(InferContext& ctx) {
  const Shape full = ctx.attrs.integers("shape");
  check_shape("max_input_grad", full);
  check_indices(ctx, full);
  if (ctx.shape(0).numel() != ctx.shape(1).numel())
    ctx.fail(ErrorCode::shape, "the gradient has shape ", ctx.shape(0), " but the indices ",
             ctx.shape(1));
  ctx.output(full, ctx.dtype(0));
}

void max_pick_infer(InferContext& ctx) {
  check_indices(ctx, ctx.shape(0));
  ctx.output(ctx.shape(1), ctx.dtype(0));
}

// at(row, column, offset of the element that is pointed at)
template <class Body>
void for_indices(const View& indices, const Around& a, Body&& body) {
  const int64_t* index = indices.as<int64_t>();
  parallel_for(a.outer, grain_for(a.inner * a.n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * a.inner; i < end * a.inner; ++i) {
      if (index[i] < 0 || index[i] >= a.n)
        fail(ErrorCode::argument, "index ", index[i], " is out of range for size ", a.n);
      body(i, (i / a.inner * a.n + index[i]) * a.inner + i % a.inner);
    }
  });
}

void max_input_grad_cpu(KernelArgs& args) {
  const View &dout = args.inputs[0], &dx = args.outputs[0];
  const Around around(dx.shape(), dim_of(args.attrs, dx.layout.rank()));
  TG_DISPATCH_SIZE(dx.dtype, T, {
    const T* from = dout.as<T>();
    T* to = dx.as<T>();
    parallel_for(dx.numel(), 65536,
                 [&](int64_t begin, int64_t end) { std::fill(to + begin, to + end, T(0)); });
    for_indices(args.inputs[1], around, [&](int64_t i, int64_t at) { to[at] = from[i]; });
  });
}

void max_pick_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  const Around around(x.shape(), dim_of(args.attrs, x.layout.rank()));
  TG_DISPATCH_SIZE(x.dtype, T, {
    const T* from = x.as<T>();
    T* to = out.as<T>();
    for_indices(args.inputs[1], around, [&](int64_t i, int64_t at) { to[i] = from[at]; });
  });
}

}  // namespace

extern const OpDef max_input_grad_op;
const OpDef max_input_grad_op = {
    .name = "max_input_grad",
    .inputs = {2, 2},
    .attrs = {{"shape", AttrType::integers}, {"dim", AttrType::integer}},
    .infer = max_input_grad_infer,
    .cpu = max_input_grad_cpu};

extern const OpDef max_pick_op;
const OpDef max_pick_op = {.name = "max_pick",
                           .inputs = {2, 2},
                           .attrs = {{"dim", AttrType::integer}},
                           .infer = max_pick_infer,
                           .cpu = max_pick_cpu};

}  // namespace tilegrad
