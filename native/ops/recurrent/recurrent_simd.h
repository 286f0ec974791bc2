// One step of a recurrent layer for some rows, forwards and backwards. Rows lie one after the other.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "ops/recurrent/recurrent_cell.h"

namespace tilegrad {

template <class T>
struct RecurrentStep {
  int64_t rows, hidden;
  int64_t first, last;  // slices of units
  const T* weight;      // packed, all slices
  const T* sums;        // of `close`: (rows, gates H)
  const T* bias;        // (gates H) or null
  const T* x;           // (rows, gates H)
  const T* h;           // (rows, H) before
  const T* c;           // LSTM: (rows, H) before
  T* gates;             // (rows, 4 H) or null
  T* next_h;            // (rows, H)
  T* next_c;            // LSTM: (rows, H)
};

template <class T>
struct RecurrentGradRows {
  int64_t rows, hidden;
  const T* gates;   // (rows, 4 H); of the plain cells h, (rows, H)
  const T* before;  // (rows, H): c of an LSTM, h of a GRU
  const T* c;       // LSTM: (rows, H)
  const T* dh;      // (rows, H) from outside, or null
  const T* dc;      // LSTM: the same of c, or null
  // (rows, H): from the later step; of a GRU then what goes to the earlier one past the gates
  T* later_h;
  T* later_c;  // LSTM: (rows, H), from the later step and then to the earlier one
  T* dx;       // (rows, gates H)
  T* part;     // GRU: (rows, 3 H)
};

// The weight is packed in slices of units: per slice (H, slice_width), the gates of its units side by side.
template <class T>
struct RecurrentKernels {
  int slice_units, slice_width;
  void (*pack)(const T* weight, int64_t hidden, int64_t first, int64_t last, T* packed);
  // Products with the weight and the gates behind them.
  void (*step)(const RecurrentStep<T>& s);
  // The gates behind `sums`.
  void (*close)(const RecurrentStep<T>& s);
  void (*grad)(const RecurrentGradRows<T>& r);
};

TILEGRAD_SIMD_DECLARE(RecurrentKernels<float>, recurrent_kernels_f32, (RecurrentCell cell))
TILEGRAD_SIMD_DECLARE(RecurrentKernels<double>, recurrent_kernels_f64, (RecurrentCell cell))

}  // namespace tilegrad
