// Rows of the batch do not meet: from 32 rows on a task takes 16 rows or a little more through all steps, so that
// threads wait for one another only at the end; of fewer rows, which are one task, the units of a step are shared out where
// they are many. Forwards the weight is packed in slices of units, once per call or kept, and a slice's products end in its
// gates (recurrent_product.h); backwards a pass over the gates and a product per step. Bytes moved: x and the outputs
// once, the weight once per step and task, from the cache.
#include <algorithm>
#include <type_traits>

#include "core/cpu/gemm.h"
#include "core/cpu/scratch.h"
#include "core/packed_forms.h"
#include "core/parallel.h"
#include "core/sweep.h"
#include "ops/recurrent/recurrent.h"
#include "ops/recurrent/recurrent_simd.h"

namespace tilegrad {

namespace {

constexpr int64_t kTaskRows = 16;
constexpr int64_t kStepWork = 1 << 18;  // multiply-adds of a chunk of a step
constexpr int64_t kGateWork = 32;       // per unit, of a pass over its gates

template <class T>
T* at(const KernelArgs& args, int output, int64_t element) {
  return args.outputs[output].as<T>() + element;
}

template <class T>
const T* given(const KernelArgs& args, int input, int64_t element = 0) {
  return args.has(input) ? args.inputs[input].as<T>() + element : nullptr;
}

template <class T>
RecurrentKernels<T> kernels_of(const Recurrence& r) {
  if constexpr (std::is_same_v<T, float>)
    return TILEGRAD_SIMD(recurrent_kernels_f32)(r.cell);
  else
    return TILEGRAD_SIMD(recurrent_kernels_f64)(r.cell);
}

int64_t task_rows(int64_t batch) {
  const int64_t tasks = std::max<int64_t>(batch / kTaskRows, 1);
  return (batch + tasks - 1) / tasks;
}

// Calls body(begin, count) for rows of a task: a pass over their gates.
template <class Body>
void over_rows(int64_t rows, int64_t hidden, Body&& body) {
  parallel_for(rows, grain_for(hidden * kGateWork),
               [&](int64_t begin, int64_t end) { body(begin, end - begin); });
}

template <class T>
class Forward {
 public:
  explicit Forward(KernelArgs& args)
      : args_(args),
        r_(recurrence(args.attrs, args.inputs[kRnnX].shape(), args.inputs[kRnnH0].shape())),
        kernels_(kernels_of<T>(r_)),
        width_(r_.gates() * r_.hidden),
        slices_((r_.hidden + kernels_.slice_units - 1) / kernels_.slice_units) {}

  void run() {
    if (r_.steps == 1) return run_one_step();
    pack_weight();
    parallel_for(r_.batch, task_rows(r_.batch), [&](int64_t first, int64_t last) {
      for (int64_t i = 0; i < r_.steps; ++i) {
        const RecurrentStep<T> all = step_of(i, first, last);
        const int64_t work = all.rows * r_.hidden * kernels_.slice_width;
        const auto share = [&](int64_t begin, int64_t end) {
          RecurrentStep<T> some = all;
          some.first = begin, some.last = end;
          kernels_.step(some);
        };
        sweep_for(slices_, grain_for(work, kStepWork), weight_bytes(), share);
      }
    });
  }

 private:
  int64_t weight_bytes() const {
    return slices_ * r_.hidden * kernels_.slice_width * static_cast<int64_t>(sizeof(T));
  }

  // Kept, or packed for this call.
  void pack_weight() {
    const T* weight = given<T>(args_, kRnnWeight);
    const int64_t slice = r_.hidden * kernels_.slice_width;
    const auto bytes = static_cast<size_t>(weight_bytes());
    const auto pack = [&](void* out) {
      parallel_for(slices_, grain_for(slice), [&](int64_t begin, int64_t end) {
        kernels_.pack(weight, r_.hidden, begin, end, static_cast<T*>(out));
      });
    };
    const PackedKey key = {"recurrent",
                           {static_cast<int64_t>(reinterpret_cast<intptr_t>(weight)), width_,
                            r_.hidden, kernels_.slice_width, static_cast<int64_t>(sizeof(T))}};
    kept_ = packed_form(args_.packed, key, bytes, pack);
    packed_ = static_cast<const T*>(kept_.get());
    if (packed_ != nullptr) return;
    void* own = scratch(ScratchSlot::whole, bytes);
    pack(own);
    packed_ = static_cast<const T*>(own);
  }

  RecurrentStep<T> step_of(int64_t i, int64_t first, int64_t last) const {
    const int64_t hidden = r_.hidden, row = r_.step(i) * r_.batch + first;
    const bool keeps = keeps_gates(r_, args_.attrs);
    const int c = keeps ? 2 : 1;
    const int64_t before = i > 0 ? (r_.step(i - 1) * r_.batch + first) * hidden : 0;
    RecurrentStep<T> s = {};
    s.rows = last - first, s.hidden = hidden;
    s.weight = packed_, s.bias = given<T>(args_, kRnnBias);
    s.x = given<T>(args_, kRnnX, row * width_);
    s.h = i > 0 ? at<T>(args_, kRnnH, before) : given<T>(args_, kRnnH0, first * hidden);
    s.next_h = at<T>(args_, kRnnH, row * hidden);
    if (keeps) s.gates = at<T>(args_, kRnnGates, row * 4 * hidden);
    if (!r_.lstm()) return s;
    s.c = i > 0 ? at<T>(args_, c, before) : given<T>(args_, kRnnC0, first * hidden);
    s.next_c = at<T>(args_, c, row * hidden);
    return s;
  }

  // A weight that is read once is not packed.
  void run_one_step() {
    T* sums = static_cast<T*>(
        scratch(ScratchSlot::whole, sizeof(T) * static_cast<size_t>(r_.batch * width_)));
    Gemm<T> g;
    g.m = r_.batch, g.n = width_, g.k = r_.hidden;
    g.a = given<T>(args_, kRnnH0), g.a_row = r_.hidden, g.a_col = 1;
    g.b = given<T>(args_, kRnnWeight), g.b_row = 1, g.b_col = r_.hidden;
    g.c = sums, g.c_row = width_;
    gemm(g);
    over_rows(r_.batch, r_.hidden, [&](int64_t first, int64_t count) {
      RecurrentStep<T> s = step_of(0, first, first + count);
      s.sums = sums + first * width_;
      kernels_.close(s);
    });
  }

  const KernelArgs& args_;
  const Recurrence r_;
  const RecurrentKernels<T> kernels_;
  const int64_t width_, slices_;
  PackedForm kept_;
  const T* packed_ = nullptr;
};

// Sets, or of a GRU adds to, the gradient of the earlier state: (m, gates H) times the weight.
template <class T>
void earlier(const Recurrence& r, const T* part, int64_t rows, const T* weight, T* dh) {
  Gemm<T> g;
  g.m = rows, g.n = r.hidden, g.k = r.gates() * r.hidden;
  g.a = part, g.a_row = g.k, g.a_col = 1;
  g.b = weight, g.b_row = r.hidden, g.b_col = 1;
  g.c = dh, g.c_row = r.hidden;
  g.accumulate = r.gru();
  gemm(g);
}

template <class T>
void backward(KernelArgs& args) {
  const Recurrence r =
      recurrence(args.attrs, args.inputs[kRnnGradGates].shape(), args.inputs[kRnnGradH0].shape());
  const RecurrentKernels<T> kernels = kernels_of<T>(r);
  const int64_t hidden = r.hidden, width = r.gates() * hidden;
  const T* weight = given<T>(args, kRnnGradWeight);
  const int states = r.lstm() ? kRnnGradC : kRnnGradH,
            first_state = r.lstm() ? kRnnGradC0 : kRnnGradH0;
  parallel_for(r.batch, task_rows(r.batch), [&](int64_t first, int64_t last) {
    const int64_t rows = last - first;
    T *dh = at<T>(args, kRnnDh0, first * hidden),
      *dc = r.lstm() ? at<T>(args, kRnnRest, first * hidden) : nullptr;
    std::fill_n(dh, rows * hidden, T(0));
    if (r.lstm()) std::fill_n(dc, rows * hidden, T(0));
    for (int64_t i = r.steps - 1; i >= 0; --i) {
      const int64_t row = r.step(i) * r.batch + first;
      const T* before = i > 0 ? given<T>(args, states, (r.step(i - 1) * r.batch + first) * hidden)
                              : given<T>(args, first_state, first * hidden);
      T *dx = at<T>(args, kRnnDx, row * width),
        *part = r.gru() ? at<T>(args, kRnnRest, row * width) : dx;
      over_rows(rows, hidden, [&](int64_t k, int64_t count) {
        const int64_t state = (row + k) * hidden;
        RecurrentGradRows<T> some = {};
        some.rows = count, some.hidden = hidden;
        some.gates = given<T>(args, kRnnGradGates, r.kept() * state);
        some.before = before + k * hidden;
        some.c = given<T>(args, kRnnGradC, state);
        some.dh = given<T>(args, kRnnDh, state), some.dc = given<T>(args, kRnnDc, state);
        some.later_h = dh + k * hidden, some.later_c = r.lstm() ? dc + k * hidden : nullptr;
        some.dx = dx + k * width, some.part = part + k * width;
        kernels.grad(some);
      });
      earlier(r, part, rows, weight, dh);
    }
  });
}

}  // namespace

void recurrent_cpu(KernelArgs& args) {
  args.inputs[0].dtype == DType::f64 ? Forward<double>(args).run() : Forward<float>(args).run();
}
void recurrent_grad_cpu(KernelArgs& args) {
  args.inputs[0].dtype == DType::f64 ? backward<double>(args) : backward<float>(args);
}

}  // namespace tilegrad
