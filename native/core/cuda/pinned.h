// Page-locked host memory for uploads and downloads, in power-of-two blocks that are reused when their
// event has passed.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <mutex>
#include <vector>

namespace tilegrad::cuda {

struct PinnedBlock {
  char* data = nullptr;
  size_t bytes = 0;
  cudaEvent_t event = nullptr;  // recorded behind the copy that uses the block
};

class PinnedPool {
 public:
  static constexpr size_t kLargest = size_t{8} << 20;  // longer copies go in pieces

  /// A block of at least `bytes` (up to kLargest), not in use. Throws ERR_OOM when there is no such memory.
  PinnedBlock* take(size_t bytes);
  /// The block may be taken again once its event has passed.
  void give_back(PinnedBlock* block);

 private:
  std::mutex lock_;
  std::vector<PinnedBlock*> free_;
  size_t cached_ = 0;
};

}  // namespace tilegrad::cuda
