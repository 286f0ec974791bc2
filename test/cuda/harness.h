// What the kernel tests share: device buffers, seeded values, references in f64, counting.
#pragma once

#include <cuda.h>
#include <cudaTypedefs.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "core/activation.h"
#include "core/cuda/launch.cuh"

namespace tilegrad::kernel_tests {

template <class T>
using Vector = std::vector<T>;

inline void check(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::printf("CUDA error %d: %s\n", int(error), cudaGetErrorString(error));
  std::exit(4);
}

inline cudaStream_t stream() {
  static cudaStream_t value = [] {
    cudaStream_t s;
    check(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    return s;
  }();
  return value;
}

template <class T>
struct Device {
  T* p;
  size_t count;
  explicit Device(size_t n) : count(n) { check(cudaMalloc((void**)&p, n * sizeof(T))); }
  explicit Device(const Vector<T>& v) : Device(v.size()) {
    check(cudaMemcpyAsync(p, v.data(), count * sizeof(T), cudaMemcpyHostToDevice, stream()));
  }
  ~Device() { check(cudaFree(p)); }
  Device(const Device&) = delete;

  // Through pinned memory, as the library reads back: forgetting the synchronisation shows.
  void read(Vector<T>& v, bool forget_sync = false) {
    T* pinned;
    check(cudaMallocHost((void**)&pinned, count * sizeof(T)));
    check(cudaMemcpyAsync(pinned, p, count * sizeof(T), cudaMemcpyDeviceToHost, stream()));
    if (!forget_sync) check(cudaStreamSynchronize(stream()));
    v.assign(pinned, pinned + count);
    check(cudaStreamSynchronize(stream()));
    check(cudaFreeHost(pinned));
  }
};

inline float next_value() {  // uniform in [-1, 1)
  static uint32_t state = 12345;
  state = state * 1664525u + 1013904223u;
  return float(int(state >> 8)) / 8388608.0f - 1.0f;
}

inline Vector<float> random_values(size_t n) {
  Vector<float> v(n);
  for (float& x : v) x = next_value();
  return v;
}

inline float bf16_value(uint16_t bits) {
  const uint32_t word = uint32_t(bits) << 16;
  float x;
  std::memcpy(&x, &word, 4);
  return x;
}

inline Vector<uint16_t> random_bf16(size_t n) {
  Vector<uint16_t> v(n);
  for (uint16_t& x : v) {
    const float value = next_value();
    uint32_t word;
    std::memcpy(&word, &value, 4);
    x = uint16_t((word + 0x7fff + (word >> 16 & 1)) >> 16);
  }
  return v;
}

inline Vector<int8_t> random_s8(size_t n) {
  Vector<int8_t> v(n);
  for (int8_t& x : v) x = int8_t(next_value() * 128);
  return v;
}

struct Counts {
  int passed = 0, failed = 0;
  bool current_ok = true;
};
inline Counts& counts() {
  static Counts value;
  return value;
}
inline std::string& filter() {
  static std::string value;
  return value;
}

inline void expect_close(double value, double reference, double tolerance) {
  if (std::abs(value - reference) <= tolerance) return;  // a NaN fails
  if (counts().current_ok) std::printf("  got %.9g, expected %.9g\n", value, reference);
  counts().current_ok = false;
}

inline double activated(Activation activation, double x) {
  switch (activation) {
    case Activation::relu:
      return std::max(0.0, x);
    case Activation::gelu:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::silu:
      return x / (1 + std::exp(-x));
    default:
      return x;
  }
}

template <class T, class F>
void expect_product(int m, int n, int k, const Vector<T>& c, double tolerance, F&& term) {
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      double sum = 0;
      for (int s = 0; s < k; s++) sum += term(i, j, s);
      expect_close(double(c[size_t(i) * n + j]), sum, tolerance);
    }
  }
}

inline void run_case(const std::string& name, const std::function<void()>& body) {
  if (name.find(filter()) == std::string::npos) return;
  counts().current_ok = true;
  body();
  std::printf("%s %s\n", counts().current_ok ? "ok  " : "FAIL", name.c_str());
  std::fflush(stdout);
  (counts().current_ok ? counts().passed : counts().failed)++;
}

// Clusters need compute capability 9.0, and wgmma nothing else.
inline bool on_hopper() {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0));
  return properties.major == 9;
}

template <class Encode>
Encode driver(const char* name) {
  void* entry = nullptr;
  cudaDriverEntryPointQueryResult found;
  check(cudaGetDriverEntryPointByVersion(name, &entry, 12000, cudaEnableDefault, &found));
  return reinterpret_cast<Encode>(entry);
}

inline void expect_encoded(CUresult result) {
  if (result == CUDA_SUCCESS) return;
  std::printf("encoding a tensor map gave %d\n", int(result));
  std::exit(4);
}

// Strides in bytes of a contiguous tensor, without the innermost.
inline Vector<cuuint64_t> strides_of(const Vector<cuuint64_t>& size, cuuint64_t bytes = 2) {
  Vector<cuuint64_t> strides;
  for (size_t d = 0; d + 1 < size.size(); d++) strides.push_back(bytes *= size[d]);
  return strides;
}

// A contiguous tensor, innermost dimension first.
inline CUtensorMap tiled_map(CUtensorMapDataType type, int element_bytes, const void* base,
                             const Vector<cuuint64_t>& size, const Vector<cuuint32_t>& box,
                             const Vector<cuuint32_t>& steps,
                             CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_128B) {
  CUtensorMap map;
  expect_encoded(driver<PFN_cuTensorMapEncodeTiled_v12000>("cuTensorMapEncodeTiled")(
      &map, type, cuuint32_t(size.size()), const_cast<void*>(base), size.data(),
      strides_of(size, cuuint64_t(element_bytes)).data(), box.data(), steps.data(),
      CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return map;
}

inline CUtensorMap tiled_map_bf16(const void* base, const Vector<cuuint64_t>& size,
                                  const Vector<cuuint32_t>& box, const Vector<cuuint32_t>& steps,
                                  bool swizzle = true) {
  return tiled_map(CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, base, size, box, steps,
                   swizzle ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_NONE);
}

inline CUtensorMap tensor_map(CUtensorMapDataType type, int element_bytes, const void* base,
                              int inner, int outer, int box_inner, int box_outer,
                              CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_128B) {
  return tiled_map(type, element_bytes, base, {cuuint64_t(inner), cuuint64_t(outer)},
                   {cuuint32_t(box_inner), cuuint32_t(box_outer)}, {1, 1}, swizzle);
}
inline CUtensorMap tensor_map_bf16(const void* base, int inner, int outer, int box_inner,
                                   int box_outer) {
  return tensor_map(CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, base, inner, outer, box_inner, box_outer);
}

// Columns of `pixels` pixels by 64 channels of images (channels, width, height, images), corners width first.
inline CUresult encode_im2col(CUtensorMap* map, const void* base, const Vector<cuuint64_t>& size,
                              const Vector<int>& lower, const Vector<int>& upper, int pixels,
                              int stride) {
  const cuuint32_t steps[4] = {1, cuuint32_t(stride), cuuint32_t(stride), 1};
  return driver<PFN_cuTensorMapEncodeIm2col_v12000>("cuTensorMapEncodeIm2col")(
      map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4, const_cast<void*>(base), size.data(),
      strides_of(size).data(), lower.data(), upper.data(), 64, cuuint32_t(pixels), steps,
      CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

inline CUtensorMap im2col_map_bf16(const void* base, const Vector<cuuint64_t>& size,
                                   const Vector<int>& lower, const Vector<int>& upper, int pixels,
                                   int stride) {
  CUtensorMap map;
  expect_encoded(encode_im2col(&map, base, size, lower, upper, pixels, stride));
  return map;
}

}  // namespace tilegrad::kernel_tests
