#include "core/cpu/cpu_device.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "core/cpu/copy.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace tilegrad {

namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kCacheLine = 64;
constexpr size_t kSmallRead = size_t{64}
                              << 10;  // copied in less time than the stream's thread needs to wake

struct DownloadTask final : Task {
  const void* source;
  std::shared_ptr<void> target;
  size_t bytes;
  void run() override { std::memcpy(target.get(), source, bytes); }
};

class CpuDevice final : public Device {
 public:
  CpuDevice() : Device(0, "cpu") {
    stream_ = make_cpu_stream();
    allocator_ = std::make_unique<Allocator>(this, physical_memory());
  }

  void* raw_allocate(size_t bytes) override {
    // Large blocks start on a huge page: a tenth of the page faults and TLB misses.
    size_t alignment = bytes >= kHugePage ? kHugePage : kCacheLine;
    void* data = ::operator new (bytes, std::align_val_t{alignment}, std::nothrow);
#if defined(__linux__)
    if (data && alignment == kHugePage) madvise(data, bytes, MADV_HUGEPAGE);
#endif
    return data;
  }

  void raw_free(void* data, size_t bytes) override {
    ::operator delete (data, std::align_val_t{bytes >= kHugePage ? kHugePage : kCacheLine});
  }

  BufferRef upload(const void* source, size_t bytes) override {
    BufferRef buffer = allocator().allocate(bytes, /*host_idle=*/true);
    if (bytes) std::memcpy(buffer->data, source, bytes);
    return buffer;
  }

  void download(const void* source, std::shared_ptr<void> target, size_t bytes) override {
    if (bytes <= kSmallRead && stream().idle()) {
      std::memcpy(target.get(), source, bytes);
      return;
    }
    auto* task = new DownloadTask;
    task->op = "read";
    task->source = source;
    task->target = std::move(target);
    task->bytes = bytes;
    stream().enqueue(task);
  }

  void copy_strided(const View& source, const View& target) override {
    copy_strided_cpu(source, target);
  }
};

}  // namespace

std::unique_ptr<Device> make_cpu_device() { return std::make_unique<CpuDevice>(); }

}  // namespace tilegrad
