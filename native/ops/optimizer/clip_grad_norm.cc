// clip_grad_norm: all gradients, in place, times min(max_norm / (norm + 1e-6), 1), norm being the 2-norm of them as one
// vector. Outputs: the norm before, and what the kernels keep: the sum of squares of each chunk, then the factor (f64).
// CPU: chunks of kClipChunk elements of a gradient, whose sums are added up in order. Bytes moved: each gradient read once,
// and where the factor is not 1 once more and written.
#include "ops/optimizer/clip_grad_norm.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/ceil_div.h"
#include "core/cpu/copy.h"
#include "core/sweep.h"
#include "ops/optimizer/clip_grad_norm_simd.h"

namespace tilegrad {

namespace {

int64_t chunks_of(int64_t numel) { return ceil_div(numel, kClipChunk); }

void clip_grad_norm_infer(InferContext& ctx) {
  ctx.expect_float(0, "gradient 0");
  int64_t chunks = 0;
  std::vector<std::pair<const Buffer*, int64_t>> places;
  for (int i = 0; i < ctx.input_count; ++i) {
    if (!ctx.has(i) || ctx.dtype(i) != ctx.dtype(0))
      ctx.fail(ErrorCode::dtype, "gradient ", i, " must be a tensor of ", ctx.dtype(0));
    const Layout& layout = ctx.input(i).layout;
    for (int d = 0; d < layout.rank(); ++d)
      if (layout.shape[d] > 1 && layout.strides[d] == 0)
        ctx.fail(ErrorCode::argument, "gradient ", i,
                 " is an expanded view: several of its elements share one place");
    chunks += chunks_of(layout.numel());
    if (layout.numel() > 0) places.emplace_back(ctx.input(i).buffer.get(), layout.offset);
  }
  std::sort(places.begin(), places.end());
  if (std::adjacent_find(places.begin(), places.end()) != places.end())
    ctx.fail(ErrorCode::argument, "a gradient is given twice");
  ctx.output(Shape{}, ctx.dtype(0));
  ctx.output(Shape{chunks + 1}, DType::f64);
}

// A gradient, or a contiguous copy of it that is copied back, and its chunks [first, last).
struct Gradient {
  View view, original;
  std::vector<char> copy;
  int64_t first, last;
};

std::vector<Gradient> gradients_of(const KernelArgs& args) {
  std::vector<Gradient> all(static_cast<size_t>(args.input_count));
  int64_t first = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    Gradient& g = all[i];
    g.view = g.original = args.inputs[i];
    g.first = first;
    g.last = first += chunks_of(g.view.numel());
    if (g.view.layout.is_contiguous()) continue;
    g.copy.resize(static_cast<size_t>(g.view.numel()) * dtype_size(g.view.dtype));
    g.view = {g.copy.data(), Layout::contiguous(g.original.shape()), g.original.dtype};
    copy_strided_cpu(g.original, g.view);
  }
  return all;
}

// body(chunk, start, n) for every chunk of all gradients. Small ones share a task.
template <class Body>
void for_chunks(const std::vector<Gradient>& all, Body&& body) {
  int64_t elements = 0;
  for (const Gradient& g : all) elements += g.view.numel();
  const int64_t chunks = all.back().last, tasks = std::max<int64_t>(chunks_of(elements), 1);
  const auto size = static_cast<int64_t>(dtype_size(all.front().view.dtype));
  sweep_for(chunks, ceil_div(chunks, tasks), elements * size, [&](int64_t begin, int64_t end) {
    auto g = std::upper_bound(all.begin(), all.end(), begin,
                              [](int64_t chunk, const Gradient& of) { return chunk < of.last; });
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      while (chunk >= g->last) ++g;
      const int64_t at = (chunk - g->first) * kClipChunk;
      body(chunk, static_cast<char*>(g->view.data) + (g->view.layout.offset + at) * size,
           std::min(kClipChunk, g->view.numel() - at));
    }
  });
}

void clip_grad_norm_cpu(KernelArgs& args) {
  const auto kernels = TILEGRAD_SIMD(clip_kernels)(args.inputs[0].dtype);
  std::vector<Gradient> all = gradients_of(args);
  auto* sums = args.outputs[1].as<double>();
  for_chunks(all,
             [&](int64_t chunk, const char* x, int64_t n) { sums[chunk] = kernels.squares(x, n); });
  double total = 0;
  for (int64_t i = 0; i < all.back().last; ++i) total += sums[i];
  const double norm = std::sqrt(total), limit = args.attrs.number("max_norm") / (norm + 1e-6);
  const double factor = limit > 1 ? 1 : limit;  // NaN stays
  sums[all.back().last] = factor;
  TG_DISPATCH_FLOAT(args.inputs[0].dtype, T,
                    *args.outputs[0].as<T>() = static_cast<T>(static_cast<compute_t<T>>(norm)))
  if (factor == 1) return;
  for_chunks(all, [&](int64_t, char* x, int64_t n) { kernels.scale(x, n, factor); });
  for (const Gradient& g : all)
    if (!g.copy.empty()) copy_strided_cpu(g.view, g.original);
}

}  // namespace

extern const OpDef clip_grad_norm_op;
const OpDef clip_grad_norm_op = {.name = "clip_grad_norm",
                                 .inputs = {1, -1},
                                 .attrs = {{"max_norm", AttrType::number}},
                                 .infer = clip_grad_norm_infer,
                                 .cpu = clip_grad_norm_cpu,
                                 .cuda = TILEGRAD_CUDA_KERNEL(clip_grad_norm_cuda),
                                 .in_place = true};

}  // namespace tilegrad
