// cross_entropy and its gradient on the CPU. A chunk holds about 8192 logits; in each, a first pass
// finds the largest logit and the log-sum of every position, later ones find it in the cache. Losses
// are added up in f64, chunk by chunk. A target that is out of range is never used as an index.
// With t_c = w_c ((1 - eps) q_c + eps / C), a position loses -sum t_c log p_c, and its logits have
// the gradient s (p_c sum(t) - t_c); s: the gradient of the loss over the divisor of the mean.
#include <algorithm>
#include <type_traits>

#include "core/ceil_div.h"
#include "core/cpu/scratch.h"
#include "core/math.h"
#include "core/sweep.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "ops/cross_entropy/cross_entropy_simd.h"

namespace tilegrad {

namespace {

constexpr int64_t kChunk = 8192;
constexpr int64_t kColumns = 256;

// Positions [first, first + count) with one layout: rows, or columns of one image.
struct Part {
  int64_t first;
  ClassLayout layout;
};

// parts(part, chunk) in an order that is fixed within a chunk.
template <class Body>
void for_parts(const CrossEntropyShape& s, int64_t grain, Body&& body) {
  if (s.inner == 1)
    return sweep_for(s.batch, grain, s.batch * s.classes * 8, [&](int64_t begin, int64_t end) {
      body(Part{begin, {s.classes, 1, end - begin, true}}, begin / grain);
    });
  const int64_t blocks = ceil_div(s.inner, kColumns);
  parallel_for(s.batch * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t column = task % blocks * kColumns;
      body(Part{task / blocks * s.inner + column,
                {s.classes, s.inner, std::min(kColumns, s.inner - column), false}},
           begin / grain);
    }
  });
}

struct Chunks {
  int64_t grain, count;
  explicit Chunks(const CrossEntropyShape& s) {
    const int64_t blocks = s.inner == 1 ? 1 : ceil_div(s.inner, kColumns);
    grain = grain_for(s.classes * std::min(s.inner, kColumns), kChunk);
    count = ceil_div(s.batch * blocks, grain);
  }
};

// The tensors and attributes of one call; the weight is input `weight_input`, if there.
template <class T>
struct Call {
  using C = compute_t<T>;
  const CrossEntropyShape shape;
  const CrossEntropyKernels kernels;
  const T* x;
  const View target;
  const T* weight;
  const bool probabilities, normalize, smooths;
  const double a, b;  // factors of the target and of the uniform distribution
  const int64_t ignore;
  const int reduction;

  Call(const KernelArgs& args, int weight_input)
      : shape(args.inputs[kCeInput].shape()),
        kernels(TILEGRAD_SIMD(cross_entropy_kernels)(args.inputs[kCeInput].dtype)),
        x(args.inputs[kCeInput].as<T>()),
        target(args.inputs[kCeTarget]),
        weight(args.has(weight_input) ? args.inputs[weight_input].as<T>() : nullptr),
        probabilities(is_float(target.dtype)),
        normalize(args.attrs.boolean("normalize")),
        smooths(args.attrs.number("label_smoothing") > 0),
        a(1 - args.attrs.number("label_smoothing")),
        b(args.attrs.number("label_smoothing") / static_cast<double>(shape.classes)),
        ignore(args.attrs.integer("ignore_index")),
        reduction(args.attrs.choice("reduction")) {}

  // Whether every class takes part in the target, so that the vectorised sums over it are needed.
  bool dense() const { return probabilities || smooths; }
  C weight_of(int64_t c) const { return weight ? static_cast<C>(weight[c]) : C(1); }
  ClassTarget dense_target(const Part& part) const {
    const void* q = probabilities ? target.as<T>() + shape.first(part.first) : nullptr;
    return {q, weight, a, b};
  }
};

struct Sums {
  double loss = 0, divisor = 0;
};

// Losses of one part; C arrays start at its first position. `out` is null where they are reduced.
template <class T>
void forward_part(const Call<T>& call, const Part& part, compute_t<T>* largest,
                  compute_t<T>* log_sum, T* out, Sums* sums) {
  using C = compute_t<T>;
  const int64_t n = part.layout.count;
  const T* x = call.x + call.shape.first(part.first);
  if (call.normalize) {
    call.kernels.log_sums(x, part.layout, largest, log_sum);
  } else {
    std::fill_n(largest, n, C(0));
    std::fill_n(log_sum, n, C(0));
  }
  C *dot = nullptr, *total = nullptr;
  if (call.dense()) {
    dot = static_cast<C*>(scratch(ScratchSlot::chunk, static_cast<size_t>(2 * n) * sizeof(C)));
    total = dot + n;
    call.kernels.target_sums(x, part.layout, call.dense_target(part), largest, log_sum, dot, total);
  }
  for (int64_t i = 0; i < n; ++i) {
    const int64_t position = part.first + i;
    C loss = dot ? -dot[i] : C(0);
    if (call.probabilities) {
      sums->divisor += 1;
    } else {
      const int64_t c = class_at(call.target, position, call.shape.classes, call.ignore);
      if (c == call.ignore) {
        loss = 0;
      } else {
        const C logit = static_cast<C>(call.x[call.shape.first(position) + c * call.shape.inner]);
        const C w = call.weight_of(c);
        loss -= static_cast<C>(call.a) * w * (logit - largest[i] - log_sum[i]);
        sums->divisor += static_cast<double>(w);
      }
    }
    if (out) out[position] = static_cast<T>(loss);
    sums->loss += static_cast<double>(loss);
  }
}

template <class T>
void forward(KernelArgs& args) {
  using C = compute_t<T>;
  const Call<T> call(args, kCeWeight);
  const Chunks chunks(call.shape);
  C* saved = args.outputs[1].as<C>();
  const int64_t positions = call.shape.positions();
  T* out = call.reduction == kCeNone ? args.outputs[0].as<T>() : nullptr;
  auto* partial = static_cast<Sums*>(
      scratch(ScratchSlot::region, static_cast<size_t>(chunks.count) * sizeof(Sums)));
  std::fill_n(partial, chunks.count, Sums{});
  for_parts(call.shape, chunks.grain, [&](const Part& part, int64_t chunk) {
    forward_part(call, part, saved + part.first, saved + positions + part.first, out,
                 partial + chunk);
  });
  Sums total;
  for (int64_t i = 0; i < chunks.count; ++i) {
    total.loss += partial[i].loss;
    total.divisor += partial[i].divisor;
  }
  saved[2 * positions] = static_cast<C>(total.divisor);
  if (call.reduction == kCeMean) total.loss /= total.divisor;
  if (!out) args.outputs[0].as<T>()[0] = static_cast<T>(static_cast<C>(total.loss));
}

// Gradients of one part. dout: of the loss, one value or one for each position.
template <class T>
void backward_part(const Call<T>& call, const Part& part, const compute_t<T>* saved, const T* dout,
                   bool softmax_only, double weight_sum, T* dx) {
  using C = compute_t<T>;
  const int64_t n = part.layout.count, positions = call.shape.positions();
  const int64_t first = call.shape.first(part.first);
  const C *largest = saved + part.first, *log_sum = largest + positions;
  auto* slope =
      static_cast<C*>(scratch(ScratchSlot::chunk, static_cast<size_t>(3 * n) * sizeof(C)));
  C *scale = slope + n, *dot = scale + n;
  ClassTarget target = call.dense_target(part);
  if (call.probabilities)
    call.kernels.target_sums(call.x + first, part.layout, target, largest, log_sum, dot, slope);
  const C divisor = call.reduction == kCeMean ? saved[2 * positions] : C(1);
  for (int64_t i = 0; i < n; ++i) {
    C s = static_cast<C>(dout[call.reduction == kCeNone ? part.first + i : 0]) / divisor;
    if (!call.probabilities) {
      const int64_t c = class_at(call.target, part.first + i, call.shape.classes, call.ignore);
      if (c == call.ignore)
        s = slope[i] = 0;
      else
        slope[i] = static_cast<C>(call.a) * call.weight_of(c) + static_cast<C>(call.b * weight_sum);
    }
    slope[i] *= s;
    scale[i] = s;
  }
  if (softmax_only) target.a = target.b = 0;
  call.kernels.gradients(call.x + first, dx + first, part.layout, target, largest, log_sum,
                         call.normalize ? slope : nullptr, scale);
  if (call.probabilities || softmax_only) return;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t c = class_at(call.target, part.first + i, call.shape.classes, call.ignore);
    if (c == call.ignore) continue;
    const int64_t at = call.shape.first(part.first + i) + c * call.shape.inner;
    C g = static_cast<C>(dx[at]);
    if constexpr (!std::is_same_v<T, C>) {  // dx was rounded: again, to round once
      const C p =
          call.normalize ? math::exp(static_cast<C>(call.x[at]) - largest[i] - log_sum[i]) : C(0);
      g = slope[i] * p - scale[i] * static_cast<C>(call.b) * call.weight_of(c);
    }
    dx[at] = static_cast<T>(g - scale[i] * static_cast<C>(call.a) * call.weight_of(c));
  }
}

template <class T>
void backward(KernelArgs& args) {
  using C = compute_t<T>;
  const Call<T> call(args, kCeGradWeight);
  const C* saved = args.inputs[kCeSaved].as<C>();
  const T* dout = args.inputs[kCeDout].as<T>();
  T* dx = args.outputs[0].as<T>();
  double weight_sum = static_cast<double>(call.shape.classes);
  if (call.weight) {
    weight_sum = 0;
    for (int64_t c = 0; c < call.shape.classes; ++c)
      weight_sum += static_cast<double>(static_cast<C>(call.weight[c]));
  }
  const bool softmax_only = args.attrs.choice("part") == 1;
  for_parts(call.shape, Chunks(call.shape).grain, [&](const Part& part, int64_t) {
    backward_part(call, part, saved, dout, softmax_only, weight_sum, dx);
  });
}

}  // namespace

void cross_entropy_cpu(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kCeInput].dtype, T, forward<T>(args))
}

void cross_entropy_input_grad_cpu(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kCeInput].dtype, T, backward<T>(args))
}

}  // namespace tilegrad
