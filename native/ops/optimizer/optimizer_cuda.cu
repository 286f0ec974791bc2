// The update of all parameters on CUDA, in one launch: their addresses travel as kernel arguments, in a table for few
// parameters (below 4 KB) or for many (below 32 KB: 615 of Adam's); beyond that every table is a launch. Each block takes
// kChunk elements of one parameter. Bytes moved: as on the CPU, each array once and all but the gradient back.
#include <memory>
#include <vector>

#include "core/cuda/copy.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/launch.cuh"
#include "ops/optimizer/optimizer.h"

namespace tilegrad::optimizer {

namespace {

constexpr int kThreads = 256;
constexpr int kChunk = 4096;  // elements of a block
constexpr int kFew = 64;
// All arguments of a kernel may take 32764 bytes.
template <int K>
constexpr int kMany = 32000 / (8 * K + 20);

struct Coefficients {
  double values[kMaxCoefficients];
};

template <int K, int N>
struct Table {
  void* arrays[N][K];
  const bool* masks[N];  // or null
  int64_t numel[N];
  int first_block[N + 1];
};

template <class T, class Rule, int N>
__global__ void __launch_bounds__(kThreads)
    update_chunks(const __grid_constant__ Table<Rule::kArrays, N> table, int count,
                  const Coefficients coefficients) {
  constexpr int K = Rule::kArrays;
  using C = compute_t<T>;
  const int block = static_cast<int>(blockIdx.x);
  int low = 0, high = count;  // the last tensor that starts at or before this block
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (table.first_block[middle] <= block)
      low = middle;
    else
      high = middle;
  }
  const Rule rule(coefficients.values);
  const int64_t begin = int64_t{block - table.first_block[low]} * kChunk;
  const bool* mask = table.masks[low];
  const int64_t numel = table.numel[low], end = begin + kChunk < numel ? begin + kChunk : numel;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    C v[K];
#pragma unroll
    for (int k = 0; k < K; ++k)
      v[k] = static_cast<C>(static_cast<const T*>(table.arrays[low][k])[i]);
    rule(v);
    const bool kept = mask == nullptr || mask[i];
#pragma unroll
    for (int k = 0; k < K - 1; ++k)
      static_cast<T*>(table.arrays[low][k])[i] = kept ? static_cast<T>(v[k]) : T{};
  }
}

struct Staged {
  View original, copy;
  bool written;
  BufferRef buffer;
};

// The view itself, or a contiguous copy of it that `staged` keeps.
View staged_view(cuda::CudaStream& stream, const View& view, bool written,
                 std::vector<Staged>* staged) {
  BufferRef kept;
  const View copy = cuda::contiguous_cuda(stream, view, &kept);
  if (kept) staged->push_back({view, copy, written, std::move(kept)});
  return copy;
}

// The parameters of T among those of the call, in launches of up to N.
template <class T, class Rule, int N>
void update_tables(KernelArgs& args, const Call& call, const Coefficients& coefficients,
                   std::vector<Staged>* staged) {
  constexpr int K = Rule::kArrays;
  auto& stream = cuda::stream_of(args.stream);
  const int count = args.input_count / call.lists();
  const auto table = std::make_unique<Table<K, N>>();
  int used = 0;
  const auto flush = [&] {
    if (used == 0) return;
    cuda::check(launch(update_chunks<T, Rule, N>, dim3(table->first_block[used]), dim3(kThreads), 0,
                       stream.handle(), *table, used, coefficients),
                "launch");
    used = 0;
  };
  for (int p = 0; p < count; ++p) {
    const int64_t numel = args.inputs[p].numel();
    if (args.inputs[p].dtype != dtype_of<T>::value || numel == 0) continue;
    for (int k = 0; k < K; ++k)
      table->arrays[used][k] =
          staged_view(stream, args.inputs[k * count + p], k + 1 < K, staged).template as<T>();
    table->masks[used] = nullptr;
    if (call.masked && args.has(K * count + p))
      table->masks[used] =
          staged_view(stream, args.inputs[K * count + p], false, staged).template as<bool>();
    table->numel[used] = numel;
    table->first_block[used + 1] =
        table->first_block[used] + static_cast<int>(ceil_div<int64_t>(numel, kChunk));
    if (++used == N) flush();
  }
  flush();
}

template <class T, class Rule>
void update_all(KernelArgs& args, const Call& call, std::vector<Staged>* staged) {
  constexpr int K = Rule::kArrays;
  Coefficients coefficients;
  for (int i = 0; i < kMaxCoefficients; ++i) coefficients.values[i] = call.coefficients[i];
  if (args.input_count / call.lists() <= kFew)
    update_tables<T, Rule, kFew>(args, call, coefficients, staged);
  else
    update_tables<T, Rule, kMany<K>>(args, call, coefficients, staged);
}

}  // namespace

void update_cuda(KernelArgs& args, const Call& call) {
  std::vector<Staged> staged;
  const auto all = [&](auto value) {
    using T = decltype(value);
    switch (call.rule) {
#define TG_RULE(name) \
  case Rule::name:    \
    return update_all<T, name<compute_t<T>>>(args, call, &staged);
      TG_UPDATES(TG_RULE)
#undef TG_RULE
    }
  };
  all(float{});
  all(double{});
  all(f16{});
  all(bf16{});
  auto& stream = cuda::stream_of(args.stream);
  for (const Staged& stage : staged)
    if (stage.written) cuda::copy_strided_cuda(stream, stage.copy, stage.original);
}

}  // namespace tilegrad::optimizer
