// What the kernels of recurrent and recurrent_grad share: the places of inputs and outputs, and the sizes.
#pragma once

#include "core/op.h"

namespace tilegrad {

struct Recurrence {
  bool lstm;     // else GRU
  bool reverse;  // from the last step to the first
  int64_t steps, batch, hidden;

  int64_t gates() const { return lstm ? 4 : 3; }
  // The step that is computed `i`-th.
  int64_t step(int64_t i) const { return reverse ? steps - 1 - i : i; }
};

enum RecurrentInput { kRnnX, kRnnH0, kRnnWeight, kRnnBias, kRnnC0 };
enum RecurrentOutput { kRnnH, kRnnGates, kRnnC };
enum RecurrentGradInput {
  kRnnGradGates,
  kRnnGradWeight,
  kRnnGradH0,
  kRnnGradH,
  kRnnDh,
  kRnnGradC0,
  kRnnGradC,
  kRnnDc
};
// The third output: dc0 of an LSTM, of a GRU the gradient of what the hidden state gives to the gates.
enum RecurrentGradOutput { kRnnDx, kRnnDh0, kRnnRest };

// From the gates (T, N, ...) of the call and the state h0 (N, H).
Recurrence recurrence(const Attrs& attrs, const Shape& gates, const Shape& h0);

void recurrent_cpu(KernelArgs& args);
void recurrent_grad_cpu(KernelArgs& args);
void recurrent_cuda(KernelArgs& args);
void recurrent_grad_cuda(KernelArgs& args);

}  // namespace tilegrad
