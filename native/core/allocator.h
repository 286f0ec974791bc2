// Pooled device memory. Blocks come in size classes (four per doubling, so at most 25 % is lost) and freed blocks are
// kept for reuse in stream order. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "core/buffer.h"

namespace tilegrad {

class Device;

struct MemoryStats {
  size_t live_bytes = 0;    // in blocks that tensors hold
  size_t cached_bytes = 0;  // in free blocks kept for reuse
  size_t peak_bytes = 0;    // most live bytes since start or reset_peak()
  size_t packed_bytes = 0;  // in packed forms of what kernels found unchanged
  size_t limit_bytes = 0;   // live + cached + packed may not exceed this
  int64_t live_buffers = 0;
};

class Allocator {
 public:
  Allocator(Device* device, size_t limit_bytes);

  /// A block of at least `bytes`. With `host_idle` no queued work may still touch the block, so that the host can write
  /// it at once. At the limit: waits for the stream, trims the pool, tries again, then throws ERR_OOM.
  BufferRef allocate(size_t bytes, bool host_idle = false);
  void release(Buffer* buffer);

  /// CUDA: counts a block as a packed form until it is released. False where those would be more than a quarter of the limit.
  bool keep_packed(Buffer* buffer);

  /// Gives every cached block and all packed forms back to the system after waiting for the stream.
  void trim();
  void set_limit(size_t bytes);
  void reset_peak();
  MemoryStats stats() const;

 private:
  Buffer* take_cached(int bucket, bool host_idle);
  Buffer* create(int bucket, size_t capacity);
  bool keeps_packed_forms() const;  // outside of the pool: on the CPU
  size_t packed() const { return keeps_packed_forms() ? packed_bytes() : stats_.packed_bytes; }
  void trim_locked(size_t keep_bytes, uint64_t completed);

  Device* device_;
  mutable std::mutex mutex_;
  std::vector<std::vector<Buffer*>> free_;  // by bucket, oldest first
  MemoryStats stats_;
};

}  // namespace tilegrad
