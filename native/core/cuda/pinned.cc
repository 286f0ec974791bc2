#ifdef TILEGRAD_HAVE_CUDA

#include "core/cuda/pinned.h"

#include "core/cuda/cuda_device.h"
#include "core/error.h"

namespace tilegrad::cuda {

namespace {

constexpr size_t kSmallest = 4096;
constexpr size_t kMostCached = size_t{128} << 20;

size_t size_class(size_t bytes) {
  size_t size = kSmallest;
  while (size < bytes) size *= 2;
  return size;
}

}  // namespace

PinnedBlock* PinnedPool::take(size_t bytes) {
  const size_t size = size_class(bytes);
  {
    std::lock_guard<std::mutex> guard(lock_);
    for (size_t i = 0; i < free_.size(); i++) {
      PinnedBlock* block = free_[i];
      if (block->bytes != size || cudaEventQuery(block->event) != cudaSuccess) continue;
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
      cached_ -= size;
      return block;
    }
  }
  cudaGetLastError();  // cudaErrorNotReady of the queries above is no error
  auto* block = new PinnedBlock;
  block->bytes = size;
  void* data = nullptr;
  if (const cudaError_t error = cudaMallocHost(&data, size)) {
    cudaGetLastError();
    delete block;
    if (error != cudaErrorMemoryAllocation) check(error, "cudaMallocHost");
    fail(ErrorCode::oom, "out of page-locked host memory: ", size, " bytes asked for");
  }
  block->data = static_cast<char*>(data);
  check(cudaEventCreateWithFlags(&block->event, cudaEventDisableTiming | cudaEventBlockingSync),
        "cudaEventCreate");
  return block;
}

void PinnedPool::give_back(PinnedBlock* block) {
  {
    std::lock_guard<std::mutex> guard(lock_);
    if (cached_ + block->bytes <= kMostCached) {
      free_.push_back(block);
      cached_ += block->bytes;
      return;
    }
  }
  cudaEventSynchronize(block->event);
  cudaEventDestroy(block->event);
  cudaFreeHost(block->data);
  delete block;
}

}  // namespace tilegrad::cuda

#endif
