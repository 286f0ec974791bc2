#include "core/device.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <thread>

#include "core/cpu/cpu_device.h"
#include "core/cpu/isa.h"
#include "core/cuda/cuda_backend.h"
#include "core/error.h"
#include "core/parallel.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <unistd.h>
#endif

namespace tilegrad {

namespace {

constexpr int kMostDevices = 17;  // the CPU and 16 GPUs

// Leaked on purpose: the stream's thread may still run when static destructors do.
std::atomic<Device*> devices[kMostDevices];
std::mutex* creation_mutex() {
  static auto* mutex = new std::mutex;
  return mutex;
}

}  // namespace

namespace {

/// A container's limit, in the files of version 2 and 1 of Linux' control groups; without one the largest number.
size_t container_memory() {
  size_t least = SIZE_MAX;
#if defined(__linux__)
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::FILE* file = std::fopen(path, "r");
    if (!file) continue;
    unsigned long long bytes = 0;
    if (std::fscanf(file, "%llu", &bytes) == 1 && bytes > 0)
      least = std::min<size_t>(least, static_cast<size_t>(bytes));
    std::fclose(file);
  }
#endif
  return least;
}

}  // namespace

size_t physical_memory() {
#if defined(_WIN32)
  MEMORYSTATUSEX status{sizeof status};
  GlobalMemoryStatusEx(&status);
  return status.ullTotalPhys;
#else
  size_t installed =
      static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return std::min(installed, container_memory());
#endif
}

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> list;
  const int threads = num_threads();
  list.push_back({"cpu", true,
                  str(isa_name(), ", ", threads, threads == 1 ? " thread" : " threads"), "",
                  physical_memory()});
  const auto& found = cuda::discover();
  if (found.devices.empty()) list.push_back({"cuda", false, "", found.reason, 0});
  for (const auto& device : found.devices) list.push_back(device);
  return list;
}

int device_count() { return 1 + static_cast<int>(cuda::discover().devices.size()); }

Device& device_at(int index) {
  if (index >= 0 && index < kMostDevices)
    if (Device* device = devices[index].load(std::memory_order_acquire)) return *device;
  if (index < 0 || index >= kMostDevices)
    fail(ErrorCode::device, "there is no device with index ", index);
  std::lock_guard<std::mutex> lock(*creation_mutex());
  if (Device* device = devices[index].load(std::memory_order_acquire)) return *device;
  std::unique_ptr<Device> made;
  if (index == 0) {
    made = make_cpu_device();
  } else {
    const auto& found = cuda::discover();
    int count = static_cast<int>(found.devices.size());
    if (count == 0) fail(ErrorCode::device, "cuda is not available: ", found.reason);
    if (index > count)
      fail(ErrorCode::device, "there is no cuda:", index - 1, ": this machine has ", count,
           " GPUs");
    const auto& info = found.devices[static_cast<size_t>(index - 1)];
    if (!info.available) fail(ErrorCode::device, info.name, " is not available: ", info.reason);
    made = cuda::make_device(index - 1);
  }
  devices[index].store(made.get(), std::memory_order_release);
  return *made.release();
}

}  // namespace tilegrad
