// Devices: memory, stream and copies. Index 0 is the CPU, 1 and up are cuda:0 and up.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/allocator.h"
#include "core/stream.h"
#include "core/tensor.h"

namespace tilegrad {

class Device {
 public:
  virtual ~Device() = default;

  int index() const { return index_; }
  const std::string& name() const { return name_; }
  bool is_cuda() const { return index_ > 0; }
  Allocator& allocator() { return *allocator_; }
  Stream& stream() { return *stream_; }

  /// Memory from the system, 64-byte aligned at least; null when there is none.
  virtual void* raw_allocate(size_t bytes) = 0;
  virtual void raw_free(void* data, size_t bytes) = 0;

  /// Copies host bytes into a new block; `source` may be reused when this returns.
  virtual BufferRef upload(const void* source, size_t bytes) = 0;
  /// Enqueues the copy of `bytes` at `source` (memory of this device) to host memory, which it holds until it is done: a
  /// terminated worker no longer waits for it.
  virtual void download(const void* source, std::shared_ptr<void> target, size_t bytes) = 0;
  /// Enqueues the copy of a strided view into a contiguous one of the same dtype and shape, both on this device.
  virtual void copy_strided(const View& source, const View& target) = 0;

 protected:
  Device(int index, std::string name) : index_(index), name_(std::move(name)) {}
  int index_;
  std::string name_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Allocator> allocator_;
};

/// A line of `devices()`: also those that are absent, with the reason.
struct DeviceInfo {
  std::string name;  // "cpu", "cuda", "cuda:0"
  bool available = false;
  std::string description;  // processor and instruction set, or the GPU's name
  std::string reason;       // why it is absent; empty if available
  size_t memory_bytes = 0;
};

std::vector<DeviceInfo> list_devices();
int device_count();
/// Throws ERR_DEVICE with the reason when there is no such device.
Device& device_at(int index);
inline Device& cpu_device() { return device_at(0); }

/// Bytes of physical memory of this machine, or of the container that the process runs in.
size_t physical_memory();

}  // namespace tilegrad
