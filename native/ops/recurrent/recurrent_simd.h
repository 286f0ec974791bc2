// What follows the products of one step of a recurrent layer, for some rows.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

// Rows lie one after the other. Of an LSTM the gates hold sums when they come and gates when they go; of a GRU they
// are made from x and the hidden state's part.
struct RecurrentRows {
  int64_t rows, hidden;
  const void* x;       // GRU: (rows, 3 H)
  const void* part;    // GRU: (rows, 3 H)
  const void* before;  // (rows, H): c of an LSTM, h of a GRU
  void* gates;         // (rows, 4 H)
  void* c;             // LSTM: (rows, H)
  void* h;             // (rows, H)
};

struct RecurrentGradRows {
  int64_t rows, hidden;
  const void* gates;   // (rows, 4 H)
  const void* before;  // (rows, H): c of an LSTM, h of a GRU
  const void* c;       // LSTM: (rows, H)
  const void* dh;      // (rows, H) from outside, or null
  const void* dc;      // LSTM: the same of c, or null
  void*
      later_h;  // (rows, H): from the later step; of a GRU then what goes to the earlier one past the gates
  void* later_c;  // LSTM: (rows, H), from the later step and then to the earlier one
  void* dx;       // (rows, 4 H or 3 H)
  void* part;     // GRU: (rows, 3 H)
};

struct RecurrentKernels {
  void (*lstm)(const RecurrentRows& r);
  void (*gru)(const RecurrentRows& r);
  void (*lstm_grad)(const RecurrentGradRows& r);
  void (*gru_grad)(const RecurrentGradRows& r);
};

TILEGRAD_SIMD_DECLARE(RecurrentKernels, recurrent_kernels, (DType dtype))

}  // namespace tilegrad
