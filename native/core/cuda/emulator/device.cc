// Devices as the options describe them: properties, limits, occupancy, errors, launches.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>

#include "core/cuda/emulator/runtime.h"
#include "core/cuda/emulator/scheduler.h"

namespace tilegrad::emulator {
namespace {

constexpr size_t kStaticLimit = 48 * 1024;  // beyond it a kernel must opt in
constexpr int kMultiprocessors = 4;  // few, so that grid-stride loops and persistent kernels loop
thread_local int device_of_thread = 0;
thread_local cudaError_t last_error = cudaSuccess;

std::mutex& attribute_lock() {
  static std::mutex& value = *new std::mutex();
  return value;
}
std::map<const void*, size_t>& dynamic_limits() {
  static auto& value = *new std::map<const void*, size_t>();
  return value;
}
// Guarded by the execution lock.
const void* running_kernel = nullptr;
uint64_t kernels_run = 0;
// After a kernel has failed every call gives its error, as on a device whose context is lost.
std::atomic<cudaError_t> sticky_error{cudaSuccess};

void run_kernel(const LaunchShape& shape, const std::function<void()>& body) {
  if (sticky_error.load() != cudaSuccess) return;
  if (++kernels_run == options().failing_kernel) {
    sticky_error.store(cudaErrorIllegalAddress);
    return;
  }
  running_kernel = shape.kernel;
  run_grid(shape, body);
}

size_t shared_per_block() {
  switch (options().capability) {
    case 75:
      return 64 * 1024;
    case 80:
      return 163 * 1024;
    case 86:
    case 89:
    case 120:
    case 121:
      return 99 * 1024;
    default:
      return 227 * 1024;
  }
}

size_t dynamic_limit(const void* kernel) {
  std::lock_guard<std::mutex> guard(attribute_lock());
  auto it = dynamic_limits().find(kernel);
  return it == dynamic_limits().end() ? kStaticLimit : it->second;
}

uint64_t count(const dim3& d) { return uint64_t{d.x} * d.y * d.z; }

// As many as there are slots for on all multiprocessors, so that a cooperative grid finds its places.
int blocks_per_multiprocessor(int threads, size_t dynamic) {
  const auto by_memory = static_cast<int>((shared_per_block() + 1024) / (dynamic + 1024));
  return std::min(
      {options().resident_blocks, kMaxSlots / kMultiprocessors, 2048 / threads, by_memory});
}

bool launchable(const LaunchShape& s) {
  const uint64_t blocks = count(s.cluster);
  if (blocks < 1 || blocks > kMaxSlots || s.grid.x % s.cluster.x || s.grid.y % s.cluster.y ||
      s.grid.z % s.cluster.z)
    return false;
  return count(s.block) >= 1 && count(s.block) <= 1024 && s.block.z <= 64 && count(s.grid) >= 1 &&
         s.grid.x <= 0x7fffffffu && s.grid.y <= 65535 && s.grid.z <= 65535;
}

}  // namespace

int current_device() { return device_of_thread; }

cudaError_t report(cudaError_t error) {
  last_error = error;
  return error;
}

cudaError_t check_usable() {
  switch (options().fault) {
    case Fault::none:
      return sticky_error.load();
    case Fault::no_device:
      return cudaErrorNoDevice;
    default:
      return cudaErrorInsufficientDriver;
  }
}

void check_shared_limit(size_t static_bytes, size_t dynamic_bytes) {
  if (static_bytes > kStaticLimit)
    fail("%zu bytes of static shared memory, the limit is 48 KiB", static_bytes);
  if (static_bytes + dynamic_bytes > std::max(kStaticLimit, dynamic_limit(running_kernel))) {
    fail(
        "%zu static and %zu dynamic bytes of shared memory are more than the kernel has opted in "
        "to",
        static_bytes, dynamic_bytes);
  }
}

cudaError_t enqueue_kernel(const LaunchShape& shape, cudaStream_t stream,
                           std::function<void()> body) {
  if (!launchable(shape)) return report(cudaErrorInvalidConfiguration);
  if (shape.shared_bytes > dynamic_limit(shape.kernel)) return report(cudaErrorInvalidValue);
  const auto most = static_cast<uint64_t>(
      kMultiprocessors *
      blocks_per_multiprocessor(static_cast<int>(count(shape.block)), shape.shared_bytes));
  if (shape.cooperative && count(shape.grid) > most)
    return report(cudaErrorCooperativeLaunchTooLarge);
  auto target = stream_of(stream);
  if (target && target->device != current_device()) return report(cudaErrorInvalidResourceHandle);
  return push(stream, [shape, body = std::move(body)] { run_kernel(shape, body); });
}

}  // namespace tilegrad::emulator

using namespace tilegrad::emulator;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  if (cudaError_t error = check_usable())
    return report(error);  // the count stays untouched, as there
  *count = options().devices;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = options().fault == Fault::no_driver    ? 0
             : options().fault == Fault::old_driver ? 12040
                                                    : CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (cudaError_t error = check_usable()) return report(error);
  if (device < 0 || device >= options().devices) return report(cudaErrorInvalidDevice);
  device_of_thread = device;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  if (cudaError_t error = check_usable()) return report(error);
  *device = device_of_thread;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (cudaError_t error = check_usable()) return report(error);
  if (device < 0 || device >= options().devices) return report(cudaErrorInvalidDevice);
  *p = {};
  std::strcpy(p->name, "emulated CUDA device");
  p->totalGlobalMem = options().memory;
  p->sharedMemPerBlock = kStaticLimit;
  p->sharedMemPerBlockOptin = shared_per_block();
  p->sharedMemPerMultiprocessor = shared_per_block() + 1024;
  p->reservedSharedMemPerBlock = 1024;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->warpSize = 32;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsPerMultiProcessor = options().capability == 75 ? 1024 : 2048;
  p->maxBlocksPerMultiProcessor = 32;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 0x7fffffff;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->major = options().capability / 10;
  p->minor = options().capability % 10;
  p->multiProcessorCount = kMultiprocessors;
  p->cooperativeLaunch = 1;
  p->concurrentKernels = 1;
  p->asyncEngineCount = 1;
  p->unifiedAddressing = 1;
  p->l2CacheSize = 50 << 20;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (cudaError_t error = cudaGetDeviceProperties(&p, device)) return error;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(p.sharedMemPerBlockOptin);
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(p.sharedMemPerBlock);
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = p.minor;
      return cudaSuccess;
    case cudaDevAttrMaxThreadsPerBlock:
      *value = p.maxThreadsPerBlock;
      return cudaSuccess;
    case cudaDevAttrWarpSize:
      *value = 32;
      return cudaSuccess;
    case cudaDevAttrCooperativeLaunch:
      *value = p.cooperativeLaunch;
      return cudaSuccess;
    default:
      return report(cudaErrorNotSupported);
  }
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int bytes, int device) {
  if (bytes < 13) return report(cudaErrorInvalidValue);
  std::strcpy(text, "0000:00:00.0");
  text[6] = static_cast<char>('0' + device);
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  if (cudaError_t error = check_usable()) return report(error);
  synchronize_device(current_device());
  check_redzones();
  return check_usable();
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = *greatest = 0;
  return check_usable();
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  *can = 1;
  return check_usable();
}

cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) { return check_usable(); }

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<size_t>(value) > shared_per_block())
    return report(cudaErrorInvalidValue);
  std::lock_guard<std::mutex> guard(attribute_lock());
  dynamic_limits()[kernel] = static_cast<size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  *attributes = {};
  attributes->binaryVersion = attributes->ptxVersion = options().capability;
  attributes->maxThreadsPerBlock = 1024;
  attributes->maxDynamicSharedSizeBytes = static_cast<int>(dynamic_limit(kernel));
  return check_usable();
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int threads,
                                                          size_t dynamic) {
  if (threads < 1 || threads > 1024) return report(cudaErrorInvalidValue);
  *blocks = blocks_per_multiprocessor(threads, dynamic);
  return check_usable();
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() { return last_error; }

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorCooperativeLaunchTooLarge:
      return "cudaErrorCooperativeLaunchTooLarge";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    default:
      return "unrecognized error code";
  }
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    default:
      return cudaGetErrorName(error);
  }
}

}  // extern "C"
