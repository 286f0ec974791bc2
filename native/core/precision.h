// How precisely an op may compute products of f32, as its attribute says.
#pragma once

#include "core/op.h"

namespace tilegrad {

/// highest: in f32 throughout. high: operands may be taken as sums of two tf32. medium: they may be rounded to tf32.
enum class Float32Precision : uint8_t { highest, high, medium };

/// For ops with TG_PRECISION_ATTR.
inline Float32Precision float32_precision(const Attrs& attrs) {
  return static_cast<Float32Precision>(attrs.choice("precision"));
}

}  // namespace tilegrad

#define TG_PRECISION_ATTR \
  { "precision", AttrType::choice, "highest|high|medium" }
