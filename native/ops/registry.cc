#include "core/op.h"

namespace tilegrad {

// A line without its room does not link: the symbol that is missing names it.
#define OP(name) extern const OpDef name##_op;
#include "ops/ops.def"
#undef OP

const std::vector<const OpDef*>& all_ops() {
  static const auto* table = new std::vector<const OpDef*>{
#define OP(name) &name##_op,
#include "ops/ops.def"
#undef OP
  };
  return *table;
}

}  // namespace tilegrad
