// The gates of LSTM and GRU row by row: each value is read and written once, all of a unit's gates side by side.
#include "ops/recurrent/recurrent_simd.h"

#include "core/cpu/simd_rows.h"
#include "core/math_activations.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

TG_SIMD VecF32 sigmoid_of(VecF32 x) { return math::f32::sigmoid(x); }
TG_SIMD VecF32 tanh_of(VecF32 x) { return math::f32::tanh(x); }
TG_SIMD VecF64 sigmoid_of(VecF64 x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = math::sigmoid(x[i]);
  return x;
}
TG_SIMD VecF64 tanh_of(VecF64 x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = math::tanh(x[i]);
  return x;
}

template <class T>
void lstm(const RecurrentRows& r) {
  const int64_t n = r.hidden;
  for (int64_t row = 0; row < r.rows; ++row) {
    T* gates = static_cast<T*>(r.gates) + row * 4 * n;
    const T* before = static_cast<const T*>(r.before) + row * n;
    T *c = static_cast<T*>(r.c) + row * n, *h = static_cast<T*>(r.h) + row * n;
    for_each_vector<T>(
        n, [&](int64_t i, int, int count) __attribute__((always_inline)) {
          const Vec<T> input = sigmoid_of(load_wide(gates + i, count)),
                       forget = sigmoid_of(load_wide(gates + n + i, count)),
                       cell = tanh_of(load_wide(gates + 2 * n + i, count)),
                       output = sigmoid_of(load_wide(gates + 3 * n + i, count));
          const Vec<T> next = forget * load_wide(before + i, count) + input * cell;
          store_narrow<T>(gates + i, input, count);
          store_narrow<T>(gates + n + i, forget, count);
          store_narrow<T>(gates + 2 * n + i, cell, count);
          store_narrow<T>(gates + 3 * n + i, output, count);
          store_narrow<T>(c + i, next, count);
          store_narrow<T>(h + i, output * tanh_of(next), count);
        });
  }
}

template <class T>
void gru(const RecurrentRows& r) {
  const int64_t n = r.hidden;
  for (int64_t row = 0; row < r.rows; ++row) {
    const T *x = static_cast<const T*>(r.x) + row * 3 * n,
            *part = static_cast<const T*>(r.part) + row * 3 * n,
            *before = static_cast<const T*>(r.before) + row * n;
    T *gates = static_cast<T*>(r.gates) + row * 4 * n, *h = static_cast<T*>(r.h) + row * n;
    for_each_vector<T>(
        n, [&](int64_t i, int, int count) __attribute__((always_inline)) {
          const Vec<T> reset = sigmoid_of(load_wide(x + i, count) + load_wide(part + i, count)),
                       update =
                           sigmoid_of(load_wide(x + n + i, count) + load_wide(part + n + i, count)),
                       own = load_wide(part + 2 * n + i, count);
          const Vec<T> fresh = tanh_of(load_wide(x + 2 * n + i, count) + reset * own);
          store_narrow<T>(gates + i, reset, count);
          store_narrow<T>(gates + n + i, update, count);
          store_narrow<T>(gates + 2 * n + i, fresh, count);
          store_narrow<T>(gates + 3 * n + i, own, count);
          store_narrow<T>(h + i, fresh + update * (load_wide(before + i, count) - fresh), count);
        });
  }
}

// `from` where there is one.
template <class T>
TG_SIMD Vec<T> plus(Vec<T> v, const T* from, int64_t i, int count) {
  return from ? v + load_wide(from + i, count) : v;
}

template <class T>
const T* row_of(const void* all, int64_t row, int64_t n) {
  return all ? static_cast<const T*>(all) + row * n : nullptr;
}

template <class T>
void lstm_grad(const RecurrentGradRows& r) {
  const int64_t n = r.hidden;
  const Vec<T> one = broadcast<T>(T(1));
  for (int64_t row = 0; row < r.rows; ++row) {
    const T *gates = row_of<T>(r.gates, row, 4 * n), *before = row_of<T>(r.before, row, n),
            *c = row_of<T>(r.c, row, n), *dh = row_of<T>(r.dh, row, n),
            *dc = row_of<T>(r.dc, row, n);
    T *later_h = static_cast<T*>(r.later_h) + row * n,
      *later_c = static_cast<T*>(r.later_c) + row * n, *dx = static_cast<T*>(r.dx) + row * 4 * n;
    for_each_vector<T>(
        n, [&](int64_t i, int, int count) __attribute__((always_inline)) {
          const Vec<T> input = load_wide(gates + i, count),
                       forget = load_wide(gates + n + i, count),
                       cell = load_wide(gates + 2 * n + i, count),
                       output = load_wide(gates + 3 * n + i, count),
                       bent = tanh_of(load_wide(c + i, count));
          const Vec<T> along = plus<T>(load_wide(later_h + i, count), dh, i, count);
          const Vec<T> down = plus<T>(load_wide(later_c + i, count), dc, i, count) +
                              along * output * (one - bent * bent);
          store_narrow<T>(dx + i, down * cell * (input * (one - input)), count);
          store_narrow<T>(dx + n + i,
                          down * load_wide(before + i, count) * (forget * (one - forget)), count);
          store_narrow<T>(dx + 2 * n + i, down * input * (one - cell * cell), count);
          store_narrow<T>(dx + 3 * n + i, along * bent * (output * (one - output)), count);
          store_narrow<T>(later_c + i, down * forget, count);
        });
  }
}

template <class T>
void gru_grad(const RecurrentGradRows& r) {
  const int64_t n = r.hidden;
  const Vec<T> one = broadcast<T>(T(1));
  for (int64_t row = 0; row < r.rows; ++row) {
    const T *gates = row_of<T>(r.gates, row, 4 * n), *before = row_of<T>(r.before, row, n),
            *dh = row_of<T>(r.dh, row, n);
    T *later_h = static_cast<T*>(r.later_h) + row * n, *dx = static_cast<T*>(r.dx) + row * 3 * n,
      *part = static_cast<T*>(r.part) + row * 3 * n;
    for_each_vector<T>(
        n, [&](int64_t i, int, int count) __attribute__((always_inline)) {
          const Vec<T> reset = load_wide(gates + i, count),
                       update = load_wide(gates + n + i, count),
                       fresh = load_wide(gates + 2 * n + i, count),
                       own = load_wide(gates + 3 * n + i, count);
          const Vec<T> along = plus<T>(load_wide(later_h + i, count), dh, i, count);
          const Vec<T> dfresh = along * (one - update) * (one - fresh * fresh);
          const Vec<T> dupdate =
              along * (load_wide(before + i, count) - fresh) * (update * (one - update));
          const Vec<T> dreset = dfresh * own * (reset * (one - reset));
          store_narrow<T>(dx + i, dreset, count);
          store_narrow<T>(dx + n + i, dupdate, count);
          store_narrow<T>(dx + 2 * n + i, dfresh, count);
          store_narrow<T>(part + i, dreset, count);
          store_narrow<T>(part + n + i, dupdate, count);
          store_narrow<T>(part + 2 * n + i, dfresh * reset, count);
          store_narrow<T>(later_h + i, along * update, count);
        });
  }
}

}  // namespace

RecurrentKernels recurrent_kernels(DType dtype) {
  if (dtype == DType::f64) return {lstm<double>, gru<double>, lstm_grad<double>, gru_grad<double>};
  return {lstm<float>, gru<float>, lstm_grad<float>, gru_grad<float>};
}

}  // namespace tilegrad::TILEGRAD_ISA
