// Random numbers on CUDA, from the same functions as on the CPU: the same bits. One thread makes one
// Philox block and writes its 4 (64-bit values: 2) numbers, 16 elements apart, so a half warp stores
// whole 64-byte lines. Bytes moved: one write per element, dropout one read more.
#include "core/cuda/cuda_device.h"
#include "core/cuda/fault.cuh"
#include "core/cuda/launch.cuh"
#include "ops/random/random.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;

// One value for each word: out[i] = convert(word, i).
template <class T, class Convert>
__global__ void __launch_bounds__(kThreads)
    fill_words(T* __restrict__ out, int64_t n, random::Sequence sequence, Convert convert) {
  const int64_t blocks = ceil_div(n, random::kWords) * random::kLanes;
  for (int64_t b = int64_t{blockIdx.x} * kThreads + threadIdx.x; b < blocks;
       b += int64_t{kThreads} * gridDim.x) {
    const random::Block block = random::philox(sequence, static_cast<uint64_t>(b));
    const int64_t first = b / random::kLanes * random::kWords + b % random::kLanes;
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      const int64_t i = first + w * random::kLanes;
      if (i < n) out[i] = convert(block.words[w], i);
    }
  }
}

// Two values for each block: pair(words, first, second).
template <class T, class Pair>
__global__ void __launch_bounds__(kThreads)
    fill_pairs(T* __restrict__ out, int64_t n, random::Sequence sequence, Pair pair) {
  const int64_t blocks = ceil_div(n, random::kDoubles) * random::kLanes;
  for (int64_t b = int64_t{blockIdx.x} * kThreads + threadIdx.x; b < blocks;
       b += int64_t{kThreads} * gridDim.x) {
    const random::Block block = random::philox(sequence, static_cast<uint64_t>(b));
    const int64_t i = b / random::kLanes * random::kDoubles + b % random::kLanes;
    T first, second;
    pair(block.words, &first, &second);
    if (i < n) out[i] = first;
    if (i + random::kLanes < n) out[i + random::kLanes] = second;
  }
}

// Two normal numbers from each pair of words.
template <class T>
__global__ void __launch_bounds__(kThreads)
    fill_normal(T* __restrict__ out, int64_t n, random::Sequence sequence, float mean, float std) {
  const int64_t blocks = ceil_div(n, random::kWords) * random::kLanes;
  for (int64_t b = int64_t{blockIdx.x} * kThreads + threadIdx.x; b < blocks;
       b += int64_t{kThreads} * gridDim.x) {
    const random::Block block = random::philox(sequence, static_cast<uint64_t>(b));
    const int64_t start = b / random::kLanes * random::kWords + b % random::kLanes;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int64_t i = start + half * 2 * random::kLanes;
      float first, second;
      random::normal_pair(block.words[2 * half], block.words[2 * half + 1], &first, &second);
      if (i < n) out[i] = static_cast<T>(first * std + mean);
      if (i + random::kLanes < n) out[i + random::kLanes] = static_cast<T>(second * std + mean);
    }
  }
}

template <class T>
struct UniformWord {
  float low, span, most;
  int bits;
  __device__ T operator()(uint32_t word, int64_t) const {
    const float value = random::unit_f32(word, bits) * span + low;
    return static_cast<T>(value > most ? most : value);
  }
};

struct UniformPair {
  double low, span, most;
  __device__ double at(uint32_t a, uint32_t b) const {
    const double value = random::unit_f64(a, b) * span + low;
    return value > most ? most : value;
  }
  __device__ void operator()(const uint32_t (&words)[4], double* first, double* second) const {
    *first = at(words[0], words[1]);
    *second = at(words[2], words[3]);
  }
};

struct NormalPair {
  double mean, std;
  __device__ void operator()(const uint32_t (&words)[4], double* first, double* second) const {
    random::normal_pair(words, first, second);
    *first = *first * std + mean;
    *second = *second * std + mean;
  }
};

template <class T>
struct ChanceWord {
  uint64_t threshold;
  __device__ T operator()(uint32_t word, int64_t) const {
    return static_cast<T>(static_cast<compute_t<T>>(word < threshold));
  }
};

template <class T>
struct EachChanceWord {
  const T* p;
  cuda::Fault* fault;
  __device__ T operator()(uint32_t word, int64_t i) const {
    using C = compute_t<T>;
    const C chance = static_cast<C>(p[i]);
    if (!(chance >= C(0) && chance <= C(1)))
      cuda::report_fault(fault, cuda::FaultKind::chance, i,
                         __double_as_longlong(static_cast<double>(chance)), 0);
    return static_cast<T>(static_cast<C>(static_cast<C>(random::unit_f32(word, 24)) < chance));
  }
};

template <class T>
struct IntegerWord {
  int64_t low;
  uint64_t span;
  __device__ T operator()(uint32_t word, int64_t) const {
    return static_cast<T>(
        static_cast<compute_t<T>>(low + static_cast<int64_t>(random::below_32(word, span))));
  }
};

template <class T>
struct IntegerPair {
  int64_t low;
  uint64_t span;
  __device__ T at(uint32_t a, uint32_t b) const {
    return static_cast<T>(static_cast<compute_t<T>>(
        low + static_cast<int64_t>(random::below_64(random::join(a, b), span))));
  }
  __device__ void operator()(const uint32_t (&words)[4], T* first, T* second) const {
    *first = at(words[0], words[1]);
    *second = at(words[2], words[3]);
  }
};

template <class T>
struct DropoutWord {
  const T* x;
  uint32_t threshold;
  compute_t<T> scale;
  __device__ T operator()(uint32_t word, int64_t i) const {
    using C = compute_t<T>;
    return static_cast<T>(static_cast<C>(x[i]) * (word < threshold ? C(0) : scale));
  }
};

template <class T, class Convert>
void run_words(KernelArgs& args, Convert convert) {
  auto& stream = cuda::stream_of(args.stream);
  const int64_t n = args.outputs[0].numel();
  cuda::check(
      launch(fill_words<T, Convert>, dim3(cuda::grid_size(stream, n, 4 * kThreads)), dim3(kThreads),
             0, stream.handle(), args.outputs[0].as<T>(), n, sequence_of(args.attrs), convert),
      "launch");
}

template <class T, class Pair>
void run_pairs(KernelArgs& args, Pair pair) {
  auto& stream = cuda::stream_of(args.stream);
  const int64_t n = args.outputs[0].numel();
  cuda::check(
      launch(fill_pairs<T, Pair>, dim3(cuda::grid_size(stream, n, 2 * kThreads)), dim3(kThreads), 0,
             stream.handle(), args.outputs[0].as<T>(), n, sequence_of(args.attrs), pair),
      "launch");
}

}  // namespace

void uniform_cuda(KernelArgs& args) {
  const DType dtype = args.outputs[0].dtype;
  const double low = rounded_to(dtype, args.attrs.number("low"));
  const double high = rounded_to(dtype, args.attrs.number("high"));
  const double most = below_high(dtype, low, high);
  if (dtype == DType::f64) return run_pairs<double>(args, UniformPair{low, high - low, most});
  const float from = static_cast<float>(low), span = static_cast<float>(high) - from;
  const float end = static_cast<float>(most);
  if (dtype == DType::f32) return run_words<float>(args, UniformWord<float>{from, span, end, 24});
  if (dtype == DType::f16) return run_words<f16>(args, UniformWord<f16>{from, span, end, 11});
  run_words<bf16>(args, UniformWord<bf16>{from, span, end, 8});
}

void normal_cuda(KernelArgs& args) {
  const View& out = args.outputs[0];
  const double mean = args.attrs.number("mean"), std = args.attrs.number("std");
  if (out.dtype == DType::f64) return run_pairs<double>(args, NormalPair{mean, std});
  auto& stream = cuda::stream_of(args.stream);
  const int64_t n = out.numel();
  const auto run = [&](auto kernel, auto* data) {
    cuda::check(launch(kernel, dim3(cuda::grid_size(stream, n, 4 * kThreads)), dim3(kThreads), 0,
                       stream.handle(), data, n, sequence_of(args.attrs), static_cast<float>(mean),
                       static_cast<float>(std)),
                "launch");
  };
  if (out.dtype == DType::f32) return run(fill_normal<float>, out.as<float>());
  if (out.dtype == DType::f16) return run(fill_normal<f16>, out.as<f16>());
  run(fill_normal<bf16>, out.as<bf16>());
}

void bernoulli_cuda(KernelArgs& args) {
  if (args.input_count == 0) {
    const uint64_t threshold = chance_threshold(args.attrs.number("p"));
    TG_DISPATCH_ALL(args.outputs[0].dtype, T, run_words<T>(args, ChanceWord<T>{threshold}))
    return;
  }
  TG_DISPATCH_FLOAT(args.outputs[0].dtype, T,
                    run_words<T>(args, EachChanceWord<T>{args.inputs[0].as<T>(),
                                                         cuda::stream_of(args.stream).fault()}))
}

void randint_cuda(KernelArgs& args) {
  const int64_t low = args.attrs.integer("low");
  const uint64_t span = static_cast<uint64_t>(args.attrs.integer("high") - low);
  TG_DISPATCH_ALL(args.outputs[0].dtype, T, {
    if (random::fits_word(span))
      run_words<T>(args, IntegerWord<T>{low, span});
    else
      run_pairs<T>(args, IntegerPair<T>{low, span});
  })
}

void dropout_cuda(KernelArgs& args) {
  const double p = args.attrs.number("p");
  const uint64_t threshold = chance_threshold(p);
  const uint32_t limit = threshold > 0xffffffffu ? 0xffffffffu : static_cast<uint32_t>(threshold);
  const double scale = p < 1 ? 1 / (1 - p) : 0;
  TG_DISPATCH_FLOAT(args.outputs[0].dtype, T,
                    run_words<T>(args, DropoutWord<T>{args.inputs[0].as<T>(), limit,
                                                      static_cast<compute_t<T>>(scale)}))
}

}  // namespace tilegrad
