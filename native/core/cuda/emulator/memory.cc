// Device and pinned memory: filled with 0xFF (NaN, -1) when allocated and again when freed, between
// redzones that are checked at cudaFree and cudaDeviceSynchronize (and by ASan where it is on).
// Every copy is checked against the allocations.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "core/cuda/emulator/runtime.h"
#include "core/cuda/emulator/sanitizer.h"

namespace tilegrad::emulator {
namespace {

constexpr size_t kGuard = 256;
constexpr unsigned char kGuardByte = 0xa5;

struct Allocation {
  size_t bytes;
  int device;
};
struct Memory {
  std::mutex lock;
  std::map<const char*, Allocation> device, pinned;
  size_t used[8] = {};
};
Memory& memory() {
  static Memory& value = *new Memory();
  return value;
}
using Guard = std::lock_guard<std::mutex>;

bool inside(const std::map<const char*, Allocation>& table, const void* address, size_t bytes) {
  const char* p = static_cast<const char*>(address);
  auto it = table.upper_bound(p);
  if (it == table.begin()) return false;
  --it;
  return p >= it->first && p + bytes <= it->first + it->second.bytes;
}

char* take(size_t bytes) {
  const size_t rounded = (bytes + 255) / 256 * 256;
  auto* base = static_cast<char*>(std::aligned_alloc(256, kGuard + rounded + kGuard));
  if (!base) return nullptr;
  std::memset(base, kGuardByte, kGuard);
  std::memset(base + kGuard, 0xff, bytes);
  std::memset(base + kGuard + bytes, kGuardByte, rounded - bytes + kGuard);
  poison(base, kGuard);
  poison(base + kGuard + bytes, rounded - bytes + kGuard);
  return base + kGuard;
}

void check_guard(const char* p, const Allocation& a) {
  if (kAsan) return;  // the guards are poisoned: ASan has watched every access
  for (size_t i = 1; i <= kGuard; i++) {
    if (static_cast<unsigned char>(p[-static_cast<long>(i)]) == kGuardByte) continue;
    fail("a kernel wrote %zu bytes before an allocation of %zu bytes", i, a.bytes);
  }
  const size_t end = (a.bytes + 255) / 256 * 256 + kGuard;
  for (size_t i = a.bytes; i < end; i++) {
    if (static_cast<unsigned char>(p[i]) == kGuardByte) continue;
    fail("a kernel wrote %zu bytes past the end of an allocation of %zu bytes", i - a.bytes,
         a.bytes);
  }
}

void give_back(char* p, const Allocation& a) {
  check_guard(p, a);
  unpoison(p - kGuard, kGuard + (a.bytes + 255) / 256 * 256 + kGuard);
  std::memset(p, 0xff, a.bytes);
  std::free(p - kGuard);
}

cudaError_t allocate(void** out, size_t bytes) {
  if (cudaError_t error = check_usable()) return report(error);
  if (any_capture()) return report(cudaErrorStreamCaptureUnsupported);
  *out = nullptr;
  if (bytes == 0) return cudaSuccess;
  Guard guard(memory().lock);
  size_t& used = memory().used[current_device()];
  if (bytes > options().memory - used) return report(cudaErrorMemoryAllocation);
  char* p = take(bytes);
  if (!p) return report(cudaErrorMemoryAllocation);
  used += bytes;
  memory().device[p] = {bytes, current_device()};
  *out = p;
  return cudaSuccess;
}

cudaError_t free_device(void* pointer) {
  if (!pointer) return cudaSuccess;
  Guard guard(memory().lock);
  auto it = memory().device.find(static_cast<char*>(pointer));
  if (it == memory().device.end()) return report(cudaErrorInvalidValue);
  memory().used[it->second.device] -= it->second.bytes;
  give_back(static_cast<char*>(pointer), it->second);
  memory().device.erase(it);
  return cudaSuccess;
}

// Which side of a copy must be device memory.
bool sides_fit(const void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const bool to_device = in_device_memory(to, bytes), from_device = in_device_memory(from, bytes);
  switch (kind) {
    case cudaMemcpyHostToDevice:
      return to_device && !from_device;
    case cudaMemcpyDeviceToHost:
      return !to_device && from_device;
    case cudaMemcpyDeviceToDevice:
      return to_device && from_device;
    case cudaMemcpyHostToHost:
      return !to_device && !from_device;
    default:
      return true;
  }
}

cudaError_t copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                 cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (!sides_fit(to, from, bytes, kind)) return report(cudaErrorInvalidValue);
  const bool from_host = !in_device_memory(from, bytes), to_host = !in_device_memory(to, bytes);
  if (from_host && !in_pinned_memory(from, bytes)) {  // pageable memory is staged at the call
    auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(from),
                                                      static_cast<const char*>(from) + bytes);
    return push(stream, [to, staged] { std::memcpy(to, staged->data(), staged->size()); });
  }
  cudaError_t error = push(stream, [=] { std::memcpy(to, from, bytes); });
  if (!error && to_host && !in_pinned_memory(to, bytes)) error = synchronize(stream_of(stream));
  return error;
}

}  // namespace

bool in_device_memory(const void* address, size_t bytes) {
  Guard guard(memory().lock);
  return inside(memory().device, address, bytes);
}

bool in_pinned_memory(const void* address, size_t bytes) {
  Guard guard(memory().lock);
  return inside(memory().pinned, address, bytes);
}

void check_redzones() {
  Guard guard(memory().lock);
  for (const auto& [p, allocation] : memory().device) check_guard(p, allocation);
}

}  // namespace tilegrad::emulator

using namespace tilegrad::emulator;

extern "C" {

cudaError_t cudaMalloc(void** out, size_t bytes) { return allocate(out, bytes); }

cudaError_t cudaFree(void* pointer) {
  if (cudaError_t error = check_usable()) return report(error);
  synchronize_device(current_device());  // as the runtime does
  return free_device(pointer);
}

cudaError_t cudaMallocAsync(void** out, size_t bytes, cudaStream_t) { return allocate(out, bytes); }

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  return push(stream, [pointer] { free_device(pointer); });
}

cudaError_t cudaHostAlloc(void** out, size_t bytes, unsigned) {
  if (cudaError_t error = check_usable()) return report(error);
  char* p = take(bytes);
  if (!p) return report(cudaErrorMemoryAllocation);
  Guard guard(memory().lock);
  memory().pinned[p] = {bytes, current_device()};
  *out = p;
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** out, size_t bytes) { return cudaHostAlloc(out, bytes, 0); }

cudaError_t cudaFreeHost(void* pointer) {
  if (!pointer) return cudaSuccess;
  synchronize_device(current_device());
  Guard guard(memory().lock);
  auto it = memory().pinned.find(static_cast<char*>(pointer));
  if (it == memory().pinned.end()) return report(cudaErrorInvalidValue);
  give_back(static_cast<char*>(pointer), it->second);
  memory().pinned.erase(it);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  if (cudaError_t error = check_usable()) return report(error);
  Guard guard(memory().lock);
  *total = options().memory;
  *free_bytes = options().memory - memory().used[current_device()];
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return copy(to, from, bytes, kind, stream);
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  cudaError_t error = copy(to, from, bytes, kind, nullptr);
  return error ? error : synchronize(stream_of(nullptr));
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes,
                                cudaStream_t stream) {
  return copy(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (!in_device_memory(to, bytes)) return report(cudaErrorInvalidValue);
  return push(stream, [=] { std::memset(to, value, bytes); });
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  cudaError_t error = cudaMemsetAsync(to, value, bytes, nullptr);
  return error ? error : synchronize(stream_of(nullptr));
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  *attributes = {};
  attributes->type = in_device_memory(pointer, 1)   ? cudaMemoryTypeDevice
                     : in_pinned_memory(pointer, 1) ? cudaMemoryTypeHost
                                                    : cudaMemoryTypeUnregistered;
  attributes->devicePointer = const_cast<void*>(pointer);
  return cudaSuccess;
}

}  // extern "C"
