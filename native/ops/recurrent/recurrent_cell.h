// The cells of recurrent layers. Without anything of the standard library: SIMD files include it.
#pragma once

#include <cstdint>

namespace tilegrad {

// As the attribute `cell` numbers them.
enum class RecurrentCell : uint8_t { lstm, gru, tanh, relu };

constexpr int gates_of(RecurrentCell cell) {
  return cell == RecurrentCell::lstm ? 4 : cell == RecurrentCell::gru ? 3 : 1;
}
// Of each unit, what the gradient reads: gates, or the state itself.
constexpr int kept_of(RecurrentCell cell) { return gates_of(cell) > 1 ? 4 : 1; }

}  // namespace tilegrad
