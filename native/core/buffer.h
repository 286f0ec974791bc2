// A block of device memory with a reference count. References are held by tensor handles only: work that is queued on
// a stream needs none, because a freed block is reused in stream order and given back to the system only when idle.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/packed_forms.h"

namespace tilegrad {

class Allocator;

struct Buffer {
  std::atomic<int32_t> refs{0};
  int32_t bucket = 0;   // size class in the allocator
  size_t capacity = 0;  // bytes of the block
  size_t bytes = 0;     // bytes asked for
  void* data = nullptr;
  Allocator* allocator = nullptr;
  uint64_t freed_at = 0;  // the stream's last enqueued ticket when the block was freed
  PackedSlot packed;      // what kernels keep of the contents
  bool is_form = false;   // holds such a form itself: counted as packed, not as live
};

/// Intrusive pointer to a Buffer; the last one gives the block back to its allocator.
class BufferRef {
 public:
  BufferRef() = default;
  explicit BufferRef(Buffer* buffer) : buffer_(buffer) { retain(); }
  BufferRef(const BufferRef& other) : buffer_(other.buffer_) { retain(); }
  BufferRef(BufferRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
  BufferRef& operator=(BufferRef other) noexcept {
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  ~BufferRef() { reset(); }

  /// True when this was the last reference.
  bool reset();
  Buffer* get() const { return buffer_; }
  Buffer* operator->() const { return buffer_; }
  explicit operator bool() const { return buffer_ != nullptr; }

 private:
  void retain() {
    if (buffer_) buffer_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  Buffer* buffer_ = nullptr;
};

}  // namespace tilegrad
