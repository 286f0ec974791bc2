// recurrent on CUDA: a launch for each step. Forward a warp takes one unit of 4 rows: its lanes walk the weight's rows of the
// unit's gates 32 apart, and lane 0 closes the gates. Backward a thread takes one unit of one row: it gathers what
// the later step's gates give to its state, down a column of the weight. Bytes moved per step: the weight once per 4 rows
// forward and once per row backward, from L2; simple kernels, for states whose weight stays there.
#include "core/cuda/cuda_device.h"
#include "core/cuda/reduce.cuh"
#include "core/math.h"
#include "core/math_activations.h"
#include "ops/recurrent/recurrent.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 128;
constexpr int kRows = 4;
constexpr int kWarps = kThreads / kWarpSize;

template <class T>
struct Step {
  int64_t batch, hidden;
  const T *x, *h, *weight, *bias, *c;                        // of this step and the state before it
  T *next_h = nullptr, *gates = nullptr, *next_c = nullptr;  // gates: or null
};

// sums: what the state gives to the gates of a unit.
template <class T, RecurrentCell C>
__device__ void close_gates(const Step<T>& s, int64_t row, int64_t unit, const T* sums) {
  const int64_t n = s.hidden, at = row * n + unit;
  constexpr int kGates = gates_of(C);
  const T* x = s.x + row * kGates * n + unit;
  [[maybe_unused]] T* gates = s.gates ? s.gates + row * 4 * n + unit : nullptr;
  if constexpr (C == RecurrentCell::lstm) {
    const T input = math::sigmoid(x[0] + sums[0]), forget = math::sigmoid(x[n] + sums[1]),
            cell = math::tanh(x[2 * n] + sums[2]), output = math::sigmoid(x[3 * n] + sums[3]);
    const T next = forget * s.c[at] + input * cell;
    if (s.gates) gates[0] = input, gates[n] = forget, gates[2 * n] = cell, gates[3 * n] = output;
    s.next_c[at] = next;
    s.next_h[at] = output * math::tanh(next);
  } else if constexpr (C == RecurrentCell::gru) {
    const T reset = math::sigmoid(x[0] + sums[0]), update = math::sigmoid(x[n] + sums[1]),
            fresh = math::tanh(x[2 * n] + reset * sums[2]);
    if (s.gates) gates[0] = reset, gates[n] = update, gates[2 * n] = fresh, gates[3 * n] = sums[2];
    s.next_h[at] = fresh + update * (s.h[at] - fresh);
  } else {
    const T sum = x[0] + sums[0];
    s.next_h[at] = C == RecurrentCell::tanh ? math::tanh(sum) : sum < T(0) ? T(0) : sum;
  }
}

template <class T, RecurrentCell C>
__global__ void __launch_bounds__(kThreads) recurrent_step(const Step<T> s) {
  constexpr int kGates = gates_of(C);
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  const int64_t groups = ceil_div<int64_t>(s.batch, kRows), tasks = groups * s.hidden;
  for (int64_t task = int64_t(blockIdx.x) * kWarps + warp; task < tasks;
       task += int64_t(gridDim.x) * kWarps) {
    const int64_t unit = task % s.hidden, first = task / s.hidden * kRows;
    const int rows = static_cast<int>(s.batch - first < kRows ? s.batch - first : kRows);
    T sums[kRows][kGates] = {};
    for (int64_t k = lane; k < s.hidden; k += kWarpSize) {
      for (int g = 0; g < kGates; ++g) {
        const T w = s.weight[(g * s.hidden + unit) * s.hidden + k];
        for (int r = 0; r < rows; ++r) sums[r][g] += w * s.h[(first + r) * s.hidden + k];
      }
    }
    for (int r = 0; r < rows; ++r) {
      for (int g = 0; g < kGates; ++g) {
        sums[r][g] = cuda::warp_reduce(sums[r][g], cuda::Sum{});
        if (s.bias) sums[r][g] += s.bias[g * s.hidden + unit];
      }
      if (lane == 0) close_gates<T, C>(s, first + r, unit, sums[r]);
    }
  }
}

template <class T>
struct GradStep {
  int64_t batch, hidden;
  const T *weight, *later;  // later: the gradient of the state's part in the step behind, or null
  const T *gates, *before, *c, *dh, *dc;
  T *carry_h, *carry_c;  // what passes from step to step beside the weight
  T *dx, *part;          // null for what is left behind the first step
};

template <class T, RecurrentCell C>
__device__ void open_gates(const GradStep<T>& s, int64_t row, int64_t unit, T along) {
  const int64_t n = s.hidden, at = row * n + unit;
  constexpr int kGates = gates_of(C);
  const T* gates = s.gates + row * kept_of(C) * n + unit;
  T* dx = s.dx + row * kGates * n + unit;
  if (s.dh) along += s.dh[at];
  if constexpr (C == RecurrentCell::lstm) {
    const T input = gates[0], forget = gates[n], cell = gates[2 * n], output = gates[3 * n];
    const T bent = math::tanh(s.c[at]);
    const T down = s.carry_c[at] + (s.dc ? s.dc[at] : T(0)) + along * output * (T(1) - bent * bent);
    dx[0] = down * cell * (input * (T(1) - input));
    dx[n] = down * s.before[at] * (forget * (T(1) - forget));
    dx[2 * n] = down * input * (T(1) - cell * cell);
    dx[3 * n] = along * bent * (output * (T(1) - output));
    s.carry_c[at] = down * forget;
  } else if constexpr (C == RecurrentCell::gru) {
    const T reset = gates[0], update = gates[n], fresh = gates[2 * n], own = gates[3 * n];
    const T dfresh = along * (T(1) - update) * (T(1) - fresh * fresh);
    const T dupdate = along * (s.before[at] - fresh) * (update * (T(1) - update));
    const T dreset = dfresh * own * (reset * (T(1) - reset));
    T* part = s.part + row * kGates * n + unit;
    dx[0] = dreset, dx[n] = dupdate, dx[2 * n] = dfresh;
    part[0] = dreset, part[n] = dupdate, part[2 * n] = dfresh * reset;
    s.carry_h[at] = along * update;
  } else {
    const T h = gates[0];
    dx[0] = C == RecurrentCell::tanh ? along * (T(1) - h * h) : h <= T(0) ? T(0) : along;
  }
}

template <class T, RecurrentCell C>
__global__ void __launch_bounds__(kThreads) recurrent_grad_step(const GradStep<T> s) {
  const int64_t n = s.hidden, width = gates_of(C) * n;
  for (int64_t at = int64_t(blockIdx.x) * kThreads + threadIdx.x; at < s.batch * n;
       at += int64_t(gridDim.x) * kThreads) {
    const int64_t row = at / n, unit = at % n;
    T along = C == RecurrentCell::gru && s.later ? s.carry_h[at] : T(0);
    if (s.later)
      for (int64_t k = 0; k < width; ++k)
        along += s.later[row * width + k] * s.weight[k * n + unit];
    if (s.dx == nullptr) {
      s.carry_h[at] = along;
      continue;
    }
    if (C == RecurrentCell::lstm && !s.later) s.carry_c[at] = T(0);
    open_gates<T, C>(s, row, unit, along);
  }
}

template <class T>
const T* given(const KernelArgs& args, int i, int64_t element = 0) {
  return args.has(i) ? args.inputs[i].as<T>() + element : nullptr;
}

template <class T>
T* at(const KernelArgs& args, int i, int64_t element) {
  return args.outputs[i].as<T>() + element;
}

template <class T, RecurrentCell C>
void forward(KernelArgs& args) {
  const Recurrence r =
      recurrence(args.attrs, args.inputs[kRnnX].shape(), args.inputs[kRnnH0].shape());
  auto& stream = cuda::stream_of(args.stream);
  const int64_t tasks = ceil_div<int64_t>(r.batch, kRows) * r.hidden;
  const bool keeps = keeps_gates(r, args.attrs);
  const T *h = given<T>(args, kRnnH0), *c = given<T>(args, kRnnC0);
  for (int64_t i = 0; i < r.steps; ++i) {
    const int64_t row = r.step(i) * r.batch;
    Step<T> s{r.batch,
              r.hidden,
              given<T>(args, kRnnX, row * r.gates() * r.hidden),
              h,
              given<T>(args, kRnnWeight),
              given<T>(args, kRnnBias),
              c};
    s.next_h = at<T>(args, kRnnH, row * r.hidden);
    if (keeps) s.gates = at<T>(args, kRnnGates, row * 4 * r.hidden);
    if (r.lstm()) s.next_c = at<T>(args, keeps ? 2 : 1, row * r.hidden);
    cuda::check(launch(recurrent_step<T, C>, dim3(cuda::grid_size(stream, tasks, kWarps)),
                       dim3(kThreads), 0, stream.handle(), s),
                "launch");
    h = s.next_h, c = s.next_c;
  }
}

template <class T, RecurrentCell C>
void backward(KernelArgs& args) {
  const Recurrence r =
      recurrence(args.attrs, args.inputs[kRnnGradGates].shape(), args.inputs[kRnnGradH0].shape());
  auto& stream = cuda::stream_of(args.stream);
  const int64_t states = r.batch * r.hidden, width = r.gates() * r.hidden;
  const int state = r.lstm() ? kRnnGradC : kRnnGradH, first = r.lstm() ? kRnnGradC0 : kRnnGradH0;
  GradStep<T> s{r.batch, r.hidden, given<T>(args, kRnnGradWeight)};
  s.carry_h = at<T>(args, kRnnDh0, 0);
  s.carry_c = r.lstm() ? at<T>(args, kRnnRest, 0) : nullptr;
  for (int64_t i = r.steps - 1; i >= -1; --i) {
    s.dx = nullptr;
    if (i >= 0) {
      const int64_t row = r.step(i) * r.batch;
      s.gates = given<T>(args, kRnnGradGates, row * r.kept() * r.hidden);
      s.before = i > 0 ? given<T>(args, state, r.step(i - 1) * states) : given<T>(args, first);
      s.c = given<T>(args, kRnnGradC, row * r.hidden);
      s.dh = given<T>(args, kRnnDh, row * r.hidden);
      s.dc = given<T>(args, kRnnDc, row * r.hidden);
      s.dx = at<T>(args, kRnnDx, row * width);
      s.part = r.gru() ? at<T>(args, kRnnRest, row * width) : s.dx;
    }
    cuda::check(launch(recurrent_grad_step<T, C>, dim3(cuda::grid_size(stream, states, kThreads)),
                       dim3(kThreads), 0, stream.handle(), s),
                "launch");
    s.later = s.part;
  }
}

template <class T>
void forward_of(KernelArgs& args) {
  switch (static_cast<RecurrentCell>(args.attrs.choice("cell"))) {
    case RecurrentCell::lstm:
      return forward<T, RecurrentCell::lstm>(args);
    case RecurrentCell::gru:
      return forward<T, RecurrentCell::gru>(args);
    case RecurrentCell::tanh:
      return forward<T, RecurrentCell::tanh>(args);
    case RecurrentCell::relu:
      return forward<T, RecurrentCell::relu>(args);
  }
}
template <class T>
void backward_of(KernelArgs& args) {
  switch (static_cast<RecurrentCell>(args.attrs.choice("cell"))) {
    case RecurrentCell::lstm:
      return backward<T, RecurrentCell::lstm>(args);
    case RecurrentCell::gru:
      return backward<T, RecurrentCell::gru>(args);
    case RecurrentCell::tanh:
      return backward<T, RecurrentCell::tanh>(args);
    case RecurrentCell::relu:
      return backward<T, RecurrentCell::relu>(args);
  }
}

}  // namespace

void recurrent_cuda(KernelArgs& args) {
  args.inputs[0].dtype == DType::f64 ? forward_of<double>(args) : forward_of<float>(args);
}
void recurrent_grad_cuda(KernelArgs& args) {
  args.inputs[0].dtype == DType::f64 ? backward_of<double>(args) : backward_of<float>(args);
}

}  // namespace tilegrad
