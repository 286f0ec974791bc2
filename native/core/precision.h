// How precisely an op may compute products of f32, as its attribute says.
#pragma once

#include "core/op.h"

namespace tilegrad {

/// For ops with TG_PRECISION_ATTR: whether f32 operands may be rounded to tf32.
inline bool allows_tf32(const Attrs& attrs) { return attrs.choice("precision") > 0; }

}  // namespace tilegrad

#define TG_PRECISION_ATTR \
  { "precision", AttrType::choice, "highest|high|medium" }
