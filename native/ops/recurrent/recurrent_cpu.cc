// Rows of the batch do not meet: from 32 rows on a task takes 16 rows or a little more through all steps, so that
// threads wait for one another only at the end; fewer rows are one task, whose products and gates are shared out
// in each step. Per step and task a product of the states with the weight, packed or transposed once per call, and
// a pass over the gates. Bytes moved: x and the outputs once, the weight once per step and task, from the cache.
#include <algorithm>
#include <type_traits>

#include "core/cpu/gemm.h"
#include "core/cpu/gemm_simd.h"
#include "core/cpu/scratch.h"
#include "core/packed_forms.h"
#include "core/parallel.h"
#include "ops/recurrent/recurrent.h"
#include "ops/recurrent/recurrent_simd.h"

namespace tilegrad {

namespace {

constexpr int64_t kTaskRows = 16;
constexpr size_t kLine = 64;
constexpr int64_t kGateWork = 32;  // per unit, of a pass over its gates

template <class T>
T* at(const KernelArgs& args, int output, int64_t element) {
  return args.outputs[output].as<T>() + element;
}

template <class T>
const T* given(const KernelArgs& args, int input, int64_t element = 0) {
  return args.has(input) ? args.inputs[input].as<T>() + element : nullptr;
}

// The product of some rows of the state (m, H) with the weight: sums of the gates (m, gates H).
template <class T>
class StateProduct {
 public:
  StateProduct(const Recurrence& r, int64_t rows, const T* weight, const T* bias)
      : width_(r.gates() * r.hidden),
        hidden_(r.hidden),
        weight_(weight),
        bias_(bias),
        rows_(rows) {}

  // Lays the weight out as the products read it, unless they are too few: in a form that is kept, or in `room(bytes)`.
  template <class Room>
  void prepare(PackedForms* forms, int64_t steps, Room&& room) {
    if (steps == 1) return;
    if constexpr (std::is_same_v<T, float>) packed_ = packed_b_elements(gemm_of(rows_));
    const int64_t elements = packed_ > 0 ? packed_ : width_ * hidden_;
    const size_t bytes = sizeof(T) * static_cast<size_t>(elements);
    const PackedKey key = {"recurrent",
                           {static_cast<int64_t>(reinterpret_cast<intptr_t>(weight_)), width_,
                            hidden_, packed_, static_cast<int64_t>(sizeof(T))}};
    kept_ = packed_form(forms, key, bytes, [&](void* out) { lay_out(static_cast<T*>(out)); });
    prepared_ = static_cast<const T*>(kept_.get());
    if (prepared_ != nullptr) return;
    T* own = static_cast<T*>(room(bytes));
    lay_out(own);
    prepared_ = own;
  }
  void run(const T* state, int64_t rows, T* out, const T* residual) const {
    Gemm<T> g = gemm_of(rows);
    g.a = state, g.c = out, g.residual = residual;
    if (packed_ > 0) {
      g.packed_b = prepared_;
    } else if (prepared_ != nullptr) {
      g.b = prepared_, g.b_row = width_, g.b_col = 1;
    }
    gemm(g);
  }

 private:
  Gemm<T> gemm_of(int64_t rows) const {
    Gemm<T> g;
    g.m = rows, g.n = width_, g.k = hidden_;
    g.a_row = hidden_, g.a_col = 1;
    g.b = weight_, g.b_row = 1, g.b_col = hidden_;
    g.c_row = width_;
    if (bias_ != nullptr) g.bias_axis = BiasAxis::col, g.bias = bias_;
    return g;
  }

  // Packed, or transposed: (H, gates H).
  void lay_out(T* out) const {
    const int width = static_cast<int>(width_);
    if constexpr (std::is_same_v<T, float>) {
      if (packed_ > 0) return pack_b(gemm_of(rows_), out);
      TILEGRAD_SIMD(pack_panel_f32)({out, width, width, hidden_, weight_, hidden_, 1});
    } else {
      TILEGRAD_SIMD(pack_panel_f64)({out, width, width, hidden_, weight_, hidden_, 1});
    }
  }

  const int64_t width_, hidden_;
  const T *weight_, *bias_;
  const int64_t rows_;
  int64_t packed_ = 0;
  PackedForm kept_;
  const T* prepared_ = nullptr;
};

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
void forward(KernelArgs& args) {
  const Recurrence r =
      recurrence(args.attrs, args.inputs[kRnnX].shape(), args.inputs[kRnnH0].shape());
  const RecurrentKernels kernels = TILEGRAD_SIMD(recurrent_kernels)(args.inputs[0].dtype);
  const int64_t hidden = r.hidden, width = r.gates() * hidden, rows = task_rows(r.batch);
  StateProduct<T> product(r, rows, given<T>(args, kRnnWeight), given<T>(args, kRnnBias));
  const size_t parts_bytes = sizeof(T) * static_cast<size_t>(r.lstm ? 0 : r.batch * width);
  T* parts = nullptr;  // of a GRU: (N, 3 H)
  const auto room = [&](size_t bytes) {
    char* start = static_cast<char*>(scratch(ScratchSlot::whole, parts_bytes + kLine + bytes));
    parts = reinterpret_cast<T*>(start);
    return static_cast<void*>(start + (parts_bytes + kLine - 1) / kLine * kLine);
  };
  product.prepare(args.packed, r.steps, room);
  if (parts == nullptr) room(0);
  parallel_for(r.batch, rows, [&](int64_t first, int64_t last) {
    const T *h = given<T>(args, kRnnH0, first * hidden),
            *c = given<T>(args, kRnnC0, first * hidden);
    for (int64_t i = 0; i < r.steps; ++i) {
      const int64_t row = r.step(i) * r.batch + first;
      const T* x = given<T>(args, kRnnX, row * width);
      T *gates = at<T>(args, kRnnGates, row * 4 * hidden), *part = parts + first * width;
      product.run(h, last - first, r.lstm ? gates : part, r.lstm ? x : nullptr);
      T *next_h = at<T>(args, kRnnH, row * hidden),
        *next_c = r.lstm ? at<T>(args, kRnnC, row * hidden) : nullptr;
      over_rows(last - first, hidden, [&](int64_t k, int64_t count) {
        RecurrentRows some = {};
        some.rows = count, some.hidden = hidden;
        some.x = x + k * width, some.part = part + k * width;
        some.before = (r.lstm ? c : h) + k * hidden;
        some.gates = gates + k * 4 * hidden;
        some.c = r.lstm ? next_c + k * hidden : nullptr, some.h = next_h + k * hidden;
        (r.lstm ? kernels.lstm : kernels.gru)(some);
      });
      h = next_h, c = next_c;
    }
  });
}

// Adds to, or of an LSTM sets, the gradient of the earlier state: (m, gates H) times the weight.
template <class T>
void earlier(const Recurrence& r, const T* part, int64_t rows, const T* weight, T* dh) {
  Gemm<T> g;
  g.m = rows, g.n = r.hidden, g.k = r.gates() * r.hidden;
  g.a = part, g.a_row = g.k, g.a_col = 1;
  g.b = weight, g.b_row = r.hidden, g.b_col = 1;
  g.c = dh, g.c_row = r.hidden;
  g.accumulate = !r.lstm;
  gemm(g);
}

template <class T>
void backward(KernelArgs& args) {
  const Recurrence r =
      recurrence(args.attrs, args.inputs[kRnnGradGates].shape(), args.inputs[kRnnGradH0].shape());
  const RecurrentKernels kernels = TILEGRAD_SIMD(recurrent_kernels)(args.inputs[0].dtype);
  const int64_t hidden = r.hidden, width = r.gates() * hidden;
  const T* weight = given<T>(args, kRnnGradWeight);
  const int states = r.lstm ? kRnnGradC : kRnnGradH, first_state = r.lstm ? kRnnGradC0 : kRnnGradH0;
  parallel_for(r.batch, task_rows(r.batch), [&](int64_t first, int64_t last) {
    const int64_t rows = last - first;
    T *dh = at<T>(args, kRnnDh0, first * hidden),
      *dc = r.lstm ? at<T>(args, kRnnRest, first * hidden) : nullptr;
    std::fill_n(dh, rows * hidden, T(0));
    if (r.lstm) std::fill_n(dc, rows * hidden, T(0));
    for (int64_t i = r.steps - 1; i >= 0; --i) {
      const int64_t row = r.step(i) * r.batch + first;
      const T* before = i > 0 ? given<T>(args, states, (r.step(i - 1) * r.batch + first) * hidden)
                              : given<T>(args, first_state, first * hidden);
      T *dx = at<T>(args, kRnnDx, row * width),
        *part = r.lstm ? dx : at<T>(args, kRnnRest, row * width);
      over_rows(rows, hidden, [&](int64_t k, int64_t count) {
        const int64_t state = (row + k) * hidden;
        RecurrentGradRows some = {};
        some.rows = count, some.hidden = hidden;
        some.gates = given<T>(args, kRnnGradGates, 4 * state);
        some.before = before + k * hidden;
        some.c = given<T>(args, kRnnGradC, state);
        some.dh = given<T>(args, kRnnDh, state), some.dc = given<T>(args, kRnnDc, state);
        some.later_h = dh + k * hidden, some.later_c = r.lstm ? dc + k * hidden : nullptr;
        some.dx = dx + k * width, some.part = part + k * width;
        (r.lstm ? kernels.lstm_grad : kernels.gru_grad)(some);
      });
      earlier(r, part, rows, weight, dh);
    }
  });
}

}  // namespace

void recurrent_cpu(KernelArgs& args) {
  args.inputs[0].dtype == DType::f64 ? forward<double>(args) : forward<float>(args);
}
void recurrent_grad_cpu(KernelArgs& args) {
  args.inputs[0].dtype == DType::f64 ? backward<double>(args) : backward<float>(args);
}

}  // namespace tilegrad
