// The gates of recurrent cells: each value is read and written once, all of a unit's gates side by side.
#include "ops/recurrent/recurrent_simd.h"

#include "core/cpu/simd_rows.h"
#include "ops/recurrent/gate_curves.h"
#include "ops/recurrent/recurrent_product.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

// `from` where there is one.
template <class T>
TG_SIMD Vec<T> plus(Vec<T> v, const T* from, int64_t i, int count) {
  return from ? v + load_wide(from + i, count) : v;
}

template <class T>
const T* row_of(const T* all, int64_t row, int64_t n) {
  return all ? all + row * n : nullptr;
}

// What the state and the input give to the gates of a row from unit `unit` on.
template <class T>
struct GateSums {
  const T *sums, *bias, *x;
  int64_t hidden, pitch;

  GateSums(const RecurrentStep<T>& s, int64_t gates, int64_t row, int64_t unit, const T* sums_,
           int64_t pitch_)
      : sums(sums_),
        bias(s.bias ? s.bias + unit : nullptr),
        x(s.x + row * gates * s.hidden + unit),
        hidden(s.hidden),
        pitch(pitch_) {}

  Vec<T> state(int gate, int64_t i, int count) const {
    return plus<T>(load_wide(sums + gate * pitch + i, count), bias, gate * hidden + i, count);
  }
  Vec<T> input(int gate, int64_t i, int count) const {
    return load_wide(x + gate * hidden + i, count);
  }
  Vec<T> whole(int gate, int64_t i, int count) const {
    return input(gate, i, count) + state(gate, i, count);
  }
};

template <class T, RecurrentCell C>
struct Cell;

template <class T>
struct Cell<T, RecurrentCell::lstm> {
  static void close(const RecurrentStep<T>& s, int64_t row, int64_t unit, int64_t units,
                    const T* sums, int64_t pitch) {
    const int64_t n = s.hidden, at = row * n + unit;
    const GateSums<T> sum(s, 4, row, unit, sums, pitch);
    T* gates = s.gates ? s.gates + row * 4 * n + unit : nullptr;
    for_each_vector<T>(
        units, [&](int64_t i, int, int count) __attribute__((always_inline)) {
          const Vec<T> input = sigmoid_of(sum.whole(0, i, count)),
                       forget = sigmoid_of(sum.whole(1, i, count)),
                       cell = tanh_of(sum.whole(2, i, count)),
                       output = sigmoid_of(sum.whole(3, i, count));
          const Vec<T> next = forget * load_wide(s.c + at + i, count) + input * cell;
          if (gates) {
            store_narrow<T>(gates + i, input, count);
            store_narrow<T>(gates + n + i, forget, count);
            store_narrow<T>(gates + 2 * n + i, cell, count);
            store_narrow<T>(gates + 3 * n + i, output, count);
          }
          store_narrow<T>(s.next_c + at + i, next, count);
          store_narrow<T>(s.next_h + at + i, output * tanh_of(next), count);
        });
  }

  static void grad(const RecurrentGradRows<T>& r) {
    const int64_t n = r.hidden;
    const Vec<T> one = broadcast<T>(T(1));
    for (int64_t row = 0; row < r.rows; ++row) {
      const T *gates = row_of(r.gates, row, 4 * n), *before = row_of(r.before, row, n),
              *c = row_of(r.c, row, n), *dh = row_of(r.dh, row, n), *dc = row_of(r.dc, row, n);
      T *later_h = r.later_h + row * n, *later_c = r.later_c + row * n, *dx = r.dx + row * 4 * n;
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
};

template <class T>
struct Cell<T, RecurrentCell::gru> {
  static void close(const RecurrentStep<T>& s, int64_t row, int64_t unit, int64_t units,
                    const T* sums, int64_t pitch) {
    const int64_t n = s.hidden, at = row * n + unit;
    const GateSums<T> sum(s, 3, row, unit, sums, pitch);
    T* gates = s.gates ? s.gates + row * 4 * n + unit : nullptr;
    for_each_vector<T>(
        units, [&](int64_t i, int, int count) __attribute__((always_inline)) {
          const Vec<T> reset = sigmoid_of(sum.whole(0, i, count)),
                       update = sigmoid_of(sum.whole(1, i, count)), own = sum.state(2, i, count);
          const Vec<T> fresh = tanh_of(sum.input(2, i, count) + reset * own);
          if (gates) {
            store_narrow<T>(gates + i, reset, count);
            store_narrow<T>(gates + n + i, update, count);
            store_narrow<T>(gates + 2 * n + i, fresh, count);
            store_narrow<T>(gates + 3 * n + i, own, count);
          }
          const Vec<T> next = fresh + update * (load_wide(s.h + at + i, count) - fresh);
          store_narrow<T>(s.next_h + at + i, next, count);
        });
  }

  static void grad(const RecurrentGradRows<T>& r) {
    const int64_t n = r.hidden;
    const Vec<T> one = broadcast<T>(T(1));
    for (int64_t row = 0; row < r.rows; ++row) {
      const T *gates = row_of(r.gates, row, 4 * n), *before = row_of(r.before, row, n),
              *dh = row_of(r.dh, row, n);
      T *later_h = r.later_h + row * n, *dx = r.dx + row * 3 * n, *part = r.part + row * 3 * n;
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
};

// One gate, which is the next state.
template <class T, bool Relu>
struct PlainCell {
  static void close(const RecurrentStep<T>& s, int64_t row, int64_t unit, int64_t units,
                    const T* sums, int64_t pitch) {
    const GateSums<T> sum(s, 1, row, unit, sums, pitch);
    T* h = s.next_h + row * s.hidden + unit;
    for_each_vector<T>(
        units, [&](int64_t i, int, int count) __attribute__((always_inline)) {
          const Vec<T> v = sum.whole(0, i, count);
          store_narrow<T>(h + i, Relu ? relu<T>(v) : tanh_of(v), count);
        });
  }

  static void grad(const RecurrentGradRows<T>& r) {
    const Vec<T> one = broadcast<T>(T(1));
    for_each_vector<T>(
        r.rows * r.hidden, [&](int64_t i, int, int count) __attribute__((always_inline)) {
          const Vec<T> h = load_wide(r.gates + i, count),
                       along = plus<T>(load_wide(r.later_h + i, count), r.dh, i, count);
          const Vec<T> dx = Relu ? (h <= Vec<T>{} ? Vec<T>{} : along) : along * (one - h * h);
          store_narrow<T>(r.dx + i, dx, count);
        });
  }
};
template <class T>
struct Cell<T, RecurrentCell::tanh> : PlainCell<T, false> {};
template <class T>
struct Cell<T, RecurrentCell::relu> : PlainCell<T, true> {};

template <class T, RecurrentCell C>
void step(const RecurrentStep<T>& s) {
  take_step<T, C>(s, Cell<T, C>::close);
}

template <class T, RecurrentCell C>
void close(const RecurrentStep<T>& s) {
  for (int64_t row = 0; row < s.rows; ++row) {
    Cell<T, C>::close(s, row, 0, s.hidden, s.sums + row * gates_of(C) * s.hidden, s.hidden);
  }
}

template <class T, RecurrentCell C>
RecurrentKernels<T> kernels() {
  return {kSliceUnits<C, T>, kSliceVectors<C> * kLanes<T>,
          pack_slices<T, C>, step<T, C>,
          close<T, C>,       Cell<T, C>::grad};
}

template <class T>
RecurrentKernels<T> kernels_of(RecurrentCell cell) {
  switch (cell) {
    case RecurrentCell::lstm:
      return kernels<T, RecurrentCell::lstm>();
    case RecurrentCell::gru:
      return kernels<T, RecurrentCell::gru>();
    case RecurrentCell::tanh:
      return kernels<T, RecurrentCell::tanh>();
    default:
      return kernels<T, RecurrentCell::relu>();
  }
}

}  // namespace

RecurrentKernels<float> recurrent_kernels_f32(RecurrentCell cell) {
  return kernels_of<float>(cell);
}
RecurrentKernels<double> recurrent_kernels_f64(RecurrentCell cell) {
  return kernels_of<double>(cell);
}

}  // namespace tilegrad::TILEGRAD_ISA
