// What a kernel found wrong in the values that it was given: the first thread that finds a fault writes it into
// page-locked host memory, and the stream rejects the next wait with it. Costs nothing where nothing is wrong.
#pragma once

#include <cstdint>

namespace tilegrad::cuda {

enum class FaultKind : int32_t { target, chance };

struct Fault {
  int32_t claimed, ready;
  FaultKind kind;
  int64_t position, value, limit;
};

}  // namespace tilegrad::cuda
