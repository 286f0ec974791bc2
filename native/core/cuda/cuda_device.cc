// CUDA devices: what is there and why something is not, raw memory, copies between host and device.
#ifdef TILEGRAD_HAVE_CUDA

#include "core/cuda/cuda_device.h"

#include <cstdio>
#include <string>

#include "core/cuda/copy.h"
#include "core/cuda/cuda_backend.h"

namespace tilegrad::cuda {

namespace {

constexpr int kLowestCapability = 75;

// "550.54.15" from the kernel module's own page; empty where it does not say.
std::string driver_release() {
  std::FILE* file = std::fopen("/proc/driver/nvidia/version", "r");
  if (!file) return {};
  char text[512] = {};
  const size_t n = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  const std::string page(text, n);
  const size_t at = page.find("Kernel Module");
  if (at == std::string::npos) return {};
  const size_t first = page.find_first_of("0123456789", at);
  if (first == std::string::npos) return {};
  // "for x86_64  550.54.15": the release is the first word that starts with a digit.
  size_t begin = at;
  while ((begin = page.find(' ', begin)) != std::string::npos) {
    begin++;
    if (begin < page.size() && page[begin] >= '0' && page[begin] <= '9') {
      return page.substr(begin, page.find_first_of(" \n", begin) - begin);
    }
  }
  return {};
}

std::string old_driver(int supported) {
  const std::string release = driver_release();
  const int needed = CUDART_VERSION / 1000;
  if (!release.empty()) return str("driver ", release, " is older than CUDA ", needed, " needs");
  return str("the NVIDIA driver supports CUDA ", supported / 1000, ".", supported % 1000 / 10,
             " but CUDA ", needed, " is needed; install a newer driver");
}

DeviceInfo describe(int ordinal) {
  DeviceInfo info;
  info.name = str("cuda:", ordinal);
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, ordinal)) {
    info.reason = cudaGetErrorString(error);
    return info;
  }
  const int capability = properties.major * 10 + properties.minor;
  info.description =
      str(properties.name, ", compute capability ", properties.major, ".", properties.minor);
  info.memory_bytes = properties.totalGlobalMem;
  if (capability < kLowestCapability) {
    info.reason = str(properties.name, " has compute capability ", properties.major, ".",
                      properties.minor, ", 7.5 is needed");
    return info;
  }
  info.available = true;
  return info;
}

Discovery look() {
  Discovery found;
  int supported = 0, count = 0;
  if (cudaDriverGetVersion(&supported) != cudaSuccess || supported == 0) {
    found.reason = "no NVIDIA driver";
  } else if (supported / 1000 < CUDART_VERSION / 1000) {
    found.reason = old_driver(supported);
  } else if (const cudaError_t error =
                 cudaGetDeviceCount(&count)) {  // leaves count alone when it fails
    found.reason =
        error == cudaErrorNoDevice ? "no NVIDIA GPU is visible" : cudaGetErrorString(error);
  } else if (count == 0) {
    found.reason = "no NVIDIA GPU is visible";
  } else {
    for (int i = 0; i < count; i++) found.devices.push_back(describe(i));
  }
  cudaGetLastError();
  return found;
}

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(const Traits& traits, size_t memory)
      : Device(1 + traits.ordinal, str("cuda:", traits.ordinal)), traits_(traits) {
    auto stream = std::make_unique<CudaStream>(traits);
    cuda_stream_ = stream.get();
    stream_ = std::move(stream);
    allocator_ = std::make_unique<Allocator>(this, memory);
  }

  void* raw_allocate(size_t bytes) override {
    void* data = nullptr;
    check(cudaSetDevice(traits_.ordinal), "cudaSetDevice");
    const cudaError_t error = cudaMalloc(&data, bytes);
    if (error == cudaSuccess) return data;
    if (error != cudaErrorMemoryAllocation) check(error, "cudaMalloc");
    cudaGetLastError();
    return nullptr;
  }

  void raw_free(void* data, size_t) override {
    cudaSetDevice(traits_.ordinal);
    cudaFree(data);
  }

  BufferRef upload(const void* source, size_t bytes) override {
    BufferRef buffer = allocator().allocate(bytes);
    if (bytes) cuda_stream_->upload(source, buffer->data, bytes);
    return buffer;
  }

  void download(const void* source, std::shared_ptr<void> target, size_t bytes) override {
    if (bytes) cuda_stream_->enqueue_download(source, std::move(target), bytes);
  }

  void copy_strided(const View& source, const View& target) override {
    copy_strided_cuda(*cuda_stream_, source, target);
  }

 private:
  Traits traits_;
  CudaStream* cuda_stream_ = nullptr;
};

}  // namespace

const Discovery& discover() {
  static const auto* found = new Discovery(look());
  return *found;
}

std::unique_ptr<Device> make_device(int ordinal) {
  check(cudaSetDevice(ordinal), "cudaSetDevice");
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, ordinal), "cudaGetDeviceProperties");
  const Traits traits{ordinal, properties.major * 10 + properties.minor,
                      properties.multiProcessorCount, properties.sharedMemPerBlockOptin};
  check_kernels(ordinal);
  return std::make_unique<CudaDevice>(traits, properties.totalGlobalMem);
}

}  // namespace tilegrad::cuda

#endif
