#include "ops/reduce/reduce_plan.h"

namespace tilegrad {

namespace {

ReduceAxes axes_of(const Layout& x, unsigned mask, bool reduced) {
  ReduceAxes out;
  int64_t step = 1;
  for (int d = x.rank() - 1; d >= 0; --d) {
    if (((mask >> d & 1) != 0) != reduced) continue;
    const int64_t size = x.shape[d];
    const ReduceAxis axis{size, x.strides[d], step};
    step *= size;
    if (size == 1) continue;
    ReduceAxis* inside = out.count > 0 ? &out.axes[out.count - 1] : nullptr;
    if (inside && axis.stride == inside->size * inside->stride)
      inside->size *= size;
    else
      out.axes[out.count++] = axis;
  }
  for (int i = 0, j = out.count - 1; i < j; ++i, --j) {
    const ReduceAxis swapped = out.axes[i];
    out.axes[i] = out.axes[j];
    out.axes[j] = swapped;
  }
  return out;
}

// The axis with the smallest stride that is not 0, else the last; -1 if there is none.
int innermost(const ReduceAxes& axes) {
  int best = axes.count - 1;
  for (int i = best; i >= 0; --i) {
    const int64_t stride = axes.axes[i].stride;
    if (stride != 0 && (axes.axes[best].stride == 0 || stride < axes.axes[best].stride)) best = i;
  }
  return best;
}

}  // namespace

ReducePlan::ReducePlan(const Layout& x, unsigned mask)
    : kept(axes_of(x, mask, false)), reduced(axes_of(x, mask, true)) {
  per_result = reduced.numel();
  results = kept.numel();
  const int r = innermost(reduced), k = innermost(kept);
  const int64_t reduced_stride = r >= 0 ? reduced.axes[r].stride : 0,
                kept_stride = k >= 0 ? kept.axes[k].stride : 0;
  rows = k < 0 || kept_stride == 0 || (reduced_stride != 0 && reduced_stride < kept_stride);
  if (rows) {
    if (r >= 0) inner = reduced.take(r);
  } else {
    inner = kept.take(k);
    if (r >= 0) along = reduced.take(r);
  }
}

}  // namespace tilegrad
