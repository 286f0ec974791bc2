// The checks and the CPU side of every update op: one parallel loop over the elements of all parameters, cut into
// chunks of a fixed number of elements.
#include "ops/optimizer/optimizer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/cpu/copy.h"
#include "core/parallel.h"
#include "core/view_bytes.h"
#include "ops/optimizer/optimizer_simd.h"

namespace tilegrad::optimizer {

namespace {

constexpr int64_t kGrain = 4096;
constexpr int64_t kMaskedGrain = 2048;

// Contiguous stand-ins for views that are not; written ones are copied back at the end.
struct Staged {
  View original, copy;
  bool written;
  std::vector<char> bytes;
};

struct Parameter {
  DType dtype;
  char* arrays[kMaxArrays];
  const bool* mask = nullptr;
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

void check_shape(const InferContext& ctx, int i, int p, const char* what) {
  if (ctx.shape(i) != ctx.shape(p))
    ctx.fail(ErrorCode::shape, what, p, " has shape ", ctx.shape(i), " but the parameter has ",
             ctx.shape(p));
}

// v = 0 where the mask is false.
template <class Word>
void clear_dropped(Word* v, const bool* mask, int64_t n) {
  for (int64_t i = 0; i < n; ++i) v[i] = mask[i] ? v[i] : Word{0};
}

void clear_dropped(void* v, DType dtype, const bool* mask, int64_t n) {
  switch (dtype_size(dtype)) {
    case 2:
      return clear_dropped(static_cast<uint16_t*>(v), mask, n);
    case 4:
      return clear_dropped(static_cast<uint32_t*>(v), mask, n);
    default:
      return clear_dropped(static_cast<uint64_t*>(v), mask, n);
  }
}

// n elements from the one at `at` on; dropped ones are cleared while they are in the cache.
void update_chunk(const Call& call, const Parameter& parameter, void** arrays, int64_t at,
                  int64_t n) {
  const auto rows = TILEGRAD_SIMD(optimizer_rows);
  const int64_t step = parameter.mask == nullptr ? n : kMaskedGrain;
  const size_t item = dtype_size(parameter.dtype);
  for (int64_t done = 0; done < n; done += step) {
    const int64_t count = std::min(step, n - done);
    rows(static_cast<int>(call.rule), parameter.dtype, call.coefficients, arrays, count);
    for (int k = 0; k < call.arrays; ++k) {
      if (parameter.mask != nullptr && k + 1 < call.arrays)
        clear_dropped(arrays[k], parameter.dtype, parameter.mask + at + done, count);
      arrays[k] = static_cast<char*>(arrays[k]) + static_cast<size_t>(count) * item;
    }
  }
}

}  // namespace

void check_lists(InferContext& ctx, const Call& call) {
  const int lists = call.lists();
  if (ctx.input_count % lists != 0)
    ctx.fail(ErrorCode::argument, "expects ", lists, " lists of equal length but got ",
             ctx.input_count, " tensors");
  const int count = ctx.input_count / lists;
  for (int i = 0; i < count * call.arrays; ++i) {
    const int p = i % count;
    const bool grad = i >= count * (call.arrays - 1);
    if (!ctx.has(i) || !ctx.has(p)) ctx.fail(ErrorCode::argument, "tensor ", i, " is absent");
    const char* what = i < count ? "parameter "
                       : grad    ? "the gradient of parameter "
                                 : "a state of parameter ";
    if (!is_float(ctx.dtype(i)))
      ctx.fail(ErrorCode::dtype, what, p, " must be a floating-point tensor but is ", ctx.dtype(i));
    if (ctx.dtype(i) != ctx.dtype(p))
      ctx.fail(ErrorCode::dtype, what, p, " is ", ctx.dtype(i), " but the parameter is ",
               ctx.dtype(p));
    check_shape(ctx, i, p, what);
    const Layout& layout = ctx.input(i).layout;
    for (int d = 0; !grad && d < layout.rank(); ++d)
      if (layout.shape[d] > 1 && layout.strides[d] == 0)
        ctx.fail(ErrorCode::argument, what, p,
                 " is an expanded view: several of its elements share one place");
  }
  for (int i = count * call.arrays; i < ctx.input_count; ++i) {
    if (!ctx.has(i)) continue;
    const int p = i % count;
    if (ctx.dtype(i) != DType::boolean)
      ctx.fail(ErrorCode::dtype, "the mask of parameter ", p, " must be bool but is ",
               ctx.dtype(i));
    check_shape(ctx, i, p, "the mask of parameter ");
  }
  check_apart(ctx, count * (call.arrays - 1));
}

void update_cpu(KernelArgs& args, const Call& call) {
  const int count = args.input_count / call.lists();
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
    for (int k = 0; k < call.lists(); ++k) {
      View view = args.inputs[k * count + p];
      if (k == call.arrays && view.data == nullptr) break;
      if (!view.layout.is_contiguous()) {
        staged.push_back({view, {}, k + 1 < call.arrays, {}});
        Staged& stage = staged.back();
        stage.bytes.resize(static_cast<size_t>(view.numel()) * dtype_size(view.dtype));
        stage.copy = {stage.bytes.data(), Layout::contiguous(view.shape()), view.dtype};
        copy_strided_cpu(view, stage.copy);
        view = stage.copy;
      }
      if (k == call.arrays) {
        parameter.mask = view.as<bool>();
        continue;
      }
      parameter.arrays[k] = bytes_of(view);
    }
  }
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
      update_chunk(call, parameter, arrays, at - start, stop - at);
      at = stop;
    }
  });
  for (const Staged& stage : staged)
    if (stage.written) copy_strided_cpu(stage.copy, stage.original);
}

}  // namespace tilegrad::optimizer
