// Positions out of range as faults (fault.h): the kind, from kFirstIndexKind on, says which op met one in which dimension.
#pragma once

#include <string>

#include "core/cpu/indexed.h"
#include "core/cuda/fault.h"

namespace tilegrad::cuda {

enum class IndexedOp : int32_t {
  index_select,
  index_add,
  gather,
  scatter,
  scatter_add,
  one_hot,
  gather_rows
};

inline constexpr int32_t kFirstIndexKind = 256;
inline constexpr int32_t kKindsPerOp = kMaxRank + 1;  // a dimension, or -1 for rows

inline FaultKind index_kind(IndexedOp op, int dim) {
  return static_cast<FaultKind>(kFirstIndexKind + static_cast<int32_t>(op) * kKindsPerOp + dim + 1);
}

inline std::string index_fault_message(const Fault& fault) {
  constexpr const char* names[] = {"index_select", "index_add", "gather",     "scatter",
                                   "scatter_add",  "one_hot",   "gather_rows"};
  const int32_t kind = static_cast<int32_t>(fault.kind) - kFirstIndexKind;
  return str(names[kind / kKindsPerOp], ": ",
             index_message(fault.value, fault.position, fault.limit, kind % kKindsPerOp - 1));
}

}  // namespace tilegrad::cuda
