#include "core/allocator.h"

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include "core/device.h"
#include "core/error.h"
#include "core/stream.h"

namespace tilegrad {

namespace {

constexpr size_t kSmallest = 64;
constexpr int kBuckets = 4 * 48;

// Class b holds blocks of (4 + b % 4) * 2^(b / 4) * 16 bytes: 64, 80, 96, 112, 128, 160, ...
size_t bucket_bytes(int bucket) {
  return (static_cast<size_t>(4 + bucket % 4) << (bucket / 4)) * 16;
}

int bucket_of(size_t bytes) {
  if (bytes <= kSmallest) return 0;
  size_t units = (bytes + 15) / 16;
  int log = 63 - __builtin_clzll(units);  // units >= 5 here, so log >= 2
  int bucket = (log - 2) * 4 + static_cast<int>((units >> (log - 2)) & 3);
  while (bucket_bytes(bucket) < bytes) ++bucket;
  return bucket;
}

}  // namespace

bool BufferRef::reset() {
  Buffer* buffer = std::exchange(buffer_, nullptr);
  if (!buffer || buffer->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return false;
  buffer->allocator->release(buffer);
  return true;
}

Allocator::Allocator(Device* device, size_t limit_bytes) : device_(device), free_(kBuckets) {
  stats_.limit_bytes = limit_bytes;
  if (keeps_packed_forms()) limit_packed_bytes(limit_bytes);
}

bool Allocator::keeps_packed_forms() const { return !device_->is_cuda(); }

Buffer* Allocator::take_cached(int bucket, bool host_idle) {
  auto& list = free_[bucket];
  if (list.empty()) return nullptr;
  size_t at = list.size() - 1;  // the most recently freed block is the warmest in cache
  if (host_idle) {
    at = 0;  // the block that was freed first is the first that the stream is done with
    if (list[0]->freed_at > device_->stream().completed()) return nullptr;
  }
  Buffer* buffer = list[at];
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(at));
  stats_.cached_bytes -= buffer->capacity;
  return buffer;
}

Buffer* Allocator::create(int bucket, size_t capacity) {
  if (stats_.live_bytes + stats_.cached_bytes + packed() + capacity > stats_.limit_bytes)
    return nullptr;
  auto buffer = std::make_unique<Buffer>();
  void* data = device_->raw_allocate(capacity);
  if (!data) return nullptr;
  buffer->bucket = bucket;
  buffer->capacity = capacity;
  buffer->data = data;
  buffer->allocator = this;
  return buffer.release();
}

BufferRef Allocator::allocate(size_t bytes, bool host_idle) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (bytes > stats_.limit_bytes)
    fail(ErrorCode::oom, "out of memory on ", device_->name(), ": ", bytes,
         " bytes asked for, the limit is ", stats_.limit_bytes);
  int bucket = bucket_of(bytes);
  Buffer* buffer = take_cached(bucket, host_idle);
  if (!buffer) buffer = create(bucket, bucket_bytes(bucket));
  if (!buffer && stats_.packed_bytes > 0) {
    lock.unlock();
    drop_cuda_forms(device_);
    lock.lock();
    buffer = take_cached(bucket, host_idle);
  }
  if (!buffer) {
    // Waiting with the lock held is safe: kernels do not allocate from the pool.
    device_->stream().wait(device_->stream().enqueued());
    buffer = take_cached(bucket, host_idle);
    if (!buffer) {
      trim_locked(0, UINT64_MAX);
      if (keeps_packed_forms()) drop_packed_forms(/*pressure=*/true);
      buffer = create(bucket, bucket_bytes(bucket));
    }
  }
  if (!buffer)
    fail(ErrorCode::oom, "out of memory on ", device_->name(), ": ", bytes, " bytes asked for, ",
         stats_.live_bytes, " bytes are held by ", stats_.live_buffers,
         " live tensors, the limit is ", stats_.limit_bytes);
  buffer->bytes = bytes;
  stats_.live_bytes += buffer->capacity;
  stats_.live_buffers += 1;
  stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
  return BufferRef(buffer);
}

void Allocator::release(Buffer* buffer) {
  buffer->packed = PackedSlot();
  std::lock_guard<std::mutex> lock(mutex_);
  buffer->freed_at = device_->stream().enqueued();
  if (std::exchange(buffer->is_form, false)) {
    stats_.packed_bytes -= buffer->capacity;
  } else {
    stats_.live_bytes -= buffer->capacity;
    stats_.live_buffers -= 1;
  }
  try {
    free_[buffer->bucket].push_back(buffer);
  } catch (const std::bad_alloc&) {  // no memory for its place in the pool
    device_->stream().wait(buffer->freed_at);
    device_->raw_free(buffer->data, buffer->capacity);
    delete buffer;
    return;
  }
  stats_.cached_bytes += buffer->capacity;
  // Cached memory is bounded by what was once live, with room for small programs to change their sizes freely.
  size_t most = std::max(stats_.peak_bytes, size_t{256} << 20);
  if (stats_.cached_bytes > most) trim_locked(most / 2, device_->stream().completed());
}

bool Allocator::keep_packed(Buffer* buffer) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (stats_.packed_bytes + buffer->capacity > stats_.limit_bytes / 4) return false;
  stats_.live_bytes -= buffer->capacity;
  stats_.live_buffers -= 1;
  stats_.packed_bytes += buffer->capacity;
  return buffer->is_form = true;
}

void Allocator::trim_locked(size_t keep_bytes, uint64_t completed) {
  for (int b = kBuckets - 1; b >= 0 && stats_.cached_bytes > keep_bytes; --b) {
    auto& list = free_[b];
    size_t kept = 0;
    for (Buffer* buffer : list) {
      if (stats_.cached_bytes <= keep_bytes || buffer->freed_at > completed) {
        list[kept++] = buffer;
        continue;
      }
      stats_.cached_bytes -= buffer->capacity;
      device_->raw_free(buffer->data, buffer->capacity);
      delete buffer;
    }
    list.resize(kept);
  }
}

void Allocator::trim() {
  if (!keeps_packed_forms()) drop_cuda_forms(device_);
  std::lock_guard<std::mutex> lock(mutex_);
  device_->stream().wait(device_->stream().enqueued());
  trim_locked(0, UINT64_MAX);
  if (keeps_packed_forms()) drop_packed_forms(/*pressure=*/false);
}

void Allocator::set_limit(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  stats_.limit_bytes = bytes;
  if (keeps_packed_forms()) limit_packed_bytes(bytes);
}

void Allocator::reset_peak() {
  std::lock_guard<std::mutex> lock(mutex_);
  stats_.peak_bytes = stats_.live_bytes;
}

MemoryStats Allocator::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  MemoryStats stats = stats_;
  stats.packed_bytes = packed();
  return stats;
}

}  // namespace tilegrad
