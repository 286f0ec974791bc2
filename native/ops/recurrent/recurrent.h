// What the kernels of recurrent and recurrent_grad share: the places of inputs and outputs, and the sizes.
#pragma once

#include "core/op.h"
#include "ops/recurrent/recurrent_cell.h"

namespace tilegrad {

struct Recurrence {
  RecurrentCell cell;
  bool reverse;  // from the last step to the first
  int64_t steps, batch, hidden;

  bool lstm() const { return cell == RecurrentCell::lstm; }
  bool gru() const { return cell == RecurrentCell::gru; }
  int64_t gates() const { return gates_of(cell); }
  int64_t kept() const { return kept_of(cell); }
  // The step that is computed `i`-th.
  int64_t step(int64_t i) const { return reverse ? steps - 1 - i : i; }
};

enum RecurrentInput { kRnnX, kRnnH0, kRnnWeight, kRnnBias, kRnnC0 };
// Then the gates of LSTM and GRU, where they are asked for, and last c of an LSTM.
enum RecurrentOutput { kRnnH, kRnnGates };
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

// From what is kept or given of the gates (T, N, ...) and the state h0 (N, H).
Recurrence recurrence(const Attrs& attrs, const Shape& gates, const Shape& h0);
inline bool keeps_gates(const Recurrence& r, const Attrs& attrs) {
  return r.kept() > 1 && attrs.boolean("gates");
}

void recurrent_cpu(KernelArgs& args);
void recurrent_grad_cpu(KernelArgs& args);
void recurrent_cuda(KernelArgs& args);
void recurrent_grad_cuda(KernelArgs& args);

}  // namespace tilegrad
