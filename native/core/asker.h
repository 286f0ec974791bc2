// Who asked for the work: threads share a device's stream, and an error goes to the thread whose work failed.
#pragma once

#include <cstdint>

namespace tilegrad {

/// A number of the thread that asked for the task which this thread runs, else of the calling thread; never 0.
uint32_t asking_thread();

/// What this thread does in the scope of this object is asked for by another one.
class AskedBy {
 public:
  explicit AskedBy(uint32_t asker);
  ~AskedBy();
  AskedBy(const AskedBy&) = delete;
  AskedBy& operator=(const AskedBy&) = delete;

 private:
  uint32_t before_;
};

}  // namespace tilegrad
