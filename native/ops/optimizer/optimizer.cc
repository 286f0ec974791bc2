// The checks and the CPU side of every update op: one parallel loop over the elements of all parameters, cut into
// chunks of a fixed number of elements.
#include "ops/optimizer/optimizer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/cpu/copy.h"
#include "core/parallel.h"
#include "ops/optimizer/optimizer_simd.h"

namespace tilegrad::optimizer {

namespace {

constexpr int64_t kGrain = 16384;

// Contiguous stand-ins for views that are not; written ones are copied back at the end.
struct Staged {
  View original, copy;
  bool written;
  std::vector<char> bytes;
};

struct Parameter {
  DType dtype;
  char* arrays[kMaxArrays];
};

void check_apart(const InferContext& ctx, int written) {
  std::vector<std::pair<const Buffer*, int64_t>> places;
  places.reserve(static_cast<size_t>(written));
  for (int i = 0; i < written; ++i)
    if (ctx.shape(i).numel() > 0)
      places.emplace_back(ctx.input(i).buffer.get(), ctx.input(i).layout.offset);
  std::sort(places.begin(), places.end());
  if (std::adjacent_find(places.begin(), places.end()) != places.end())
    ctx.fail(ErrorCode::argument, "a parameter or a state is given twice");
}

}  // namespace

void check_lists(InferContext& ctx, int arrays) {
  if (ctx.input_count % arrays != 0)
    ctx.fail(ErrorCode::argument, "expects ", arrays, " lists of equal length but got ",
             ctx.input_count, " tensors");
  const int count = ctx.input_count / arrays;
  for (int i = 0; i < ctx.input_count; ++i) {
    const int p = i % count;
    const bool grad = i >= count * (arrays - 1);
    if (!ctx.has(i) || !ctx.has(p)) ctx.fail(ErrorCode::argument, "tensor ", i, " is absent");
    const char* what = i < count ? "parameter "
                       : grad    ? "the gradient of parameter "
                                 : "a state of parameter ";
    if (!is_float(ctx.dtype(i)))
      ctx.fail(ErrorCode::dtype, what, p, " must be a floating-point tensor but is ", ctx.dtype(i));
    if (ctx.dtype(i) != ctx.dtype(p))
      ctx.fail(ErrorCode::dtype, what, p, " is ", ctx.dtype(i), " but the parameter is ",
               ctx.dtype(p));
    if (ctx.shape(i) != ctx.shape(p))
      ctx.fail(ErrorCode::shape, what, p, " has shape ", ctx.shape(i), " but the parameter has ",
               ctx.shape(p));
    const Layout& layout = ctx.input(i).layout;
    for (int d = 0; !grad && d < layout.rank(); ++d)
      if (layout.shape[d] > 1 && layout.strides[d] == 0)
        ctx.fail(ErrorCode::argument, what, p,
                 " is an expanded view: several of its elements share one place");
  }
  check_apart(ctx, ctx.input_count - count);
}

void update_cpu(KernelArgs& args, const Call& call) {
  const int count = args.input_count / call.arrays;
  std::vector<Staged> staged;
  staged.reserve(static_cast<size_t>(args.input_count));
  std::vector<Parameter> parameters(static_cast<size_t>(count));
  std::vector<int64_t> ends;  // elements of all parameters up to each
  int64_t total = 0;
  for (int p = 0; p < count; ++p) {
    Parameter& parameter = parameters[static_cast<size_t>(p)];
    parameter.dtype = args.inputs[p].dtype;
    total += args.inputs[p].numel();
    ends.push_back(total);
    for (int k = 0; k < call.arrays; ++k) {
      View view = args.inputs[k * count + p];
      if (!view.layout.is_contiguous()) {
        staged.push_back({view, {}, k + 1 < call.arrays, {}});
        Staged& stage = staged.back();
        stage.bytes.resize(static_cast<size_t>(view.numel()) * dtype_size(view.dtype));
        stage.copy = {stage.bytes.data(), Layout::contiguous(view.shape()), view.dtype};
        copy_strided_cpu(view, stage.copy);
        view = stage.copy;
      }
      parameter.arrays[k] = static_cast<char*>(view.data) +
                            static_cast<size_t>(view.layout.offset) * dtype_size(view.dtype);
    }
  }
  const auto rows = TILEGRAD_SIMD(optimizer_rows);
  parallel_for(total, kGrain, [&](int64_t begin, int64_t end) {
    size_t p =
        static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), begin) - ends.begin());
    for (int64_t at = begin; at < end; ++p) {
      const Parameter& parameter = parameters[p];
      const int64_t start = p == 0 ? 0 : ends[p - 1], stop = std::min(end, ends[p]);
      void* arrays[kMaxArrays];
      for (int k = 0; k < call.arrays; ++k)
        arrays[k] =
            parameter.arrays[k] + static_cast<size_t>(at - start) * dtype_size(parameter.dtype);
      rows(static_cast<int>(call.rule), parameter.dtype, call.coefficients, arrays, stop - at);
      at = stop;
    }
  });
  for (const Staged& stage : staged)
    if (stage.written) copy_strided_cpu(stage.copy, stage.original);
}

}  // namespace tilegrad::optimizer
