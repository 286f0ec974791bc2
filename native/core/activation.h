// The activations that a product can apply to its results before they are written.
#pragma once

#include <cstdint>

namespace tilegrad {

enum class Activation : uint8_t { none, relu, gelu, gelu_tanh, silu };

// The same as a choice of an op's schema.
#define TG_ACTIVATION_ATTR \
  { "activation", AttrType::choice, "none|relu|gelu|gelu_tanh|silu" }

// Whether it takes more than a comparison: such a one is applied to what a kernel has put down first.
constexpr bool is_curved(Activation activation) { return activation > Activation::relu; }

}  // namespace tilegrad
