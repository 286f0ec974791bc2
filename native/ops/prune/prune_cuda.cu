// Pruning masks on CUDA. magnitude_mask selects its threshold digit by digit as on the CPU: a kernel counts the candidates
// by their next 8 bits, one block finds the digit and narrows the search; then ties are counted per chunk, the
// counts are summed up, and the mask is written. The counts are integers, so their order does not matter. nm_mask: a thread per element.
// Bytes moved by magnitude_mask: 4 reads (f64: 8) and two more, one write per element.
#include "core/cuda/copy.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/prune/prune.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;
constexpr int kDigit = 8, kBins = 1 << kDigit;
constexpr int kPerThread = 16;
constexpr int64_t kChunk = int64_t{kThreads} * kPerThread;

__device__ inline uint32_t magnitude(float x) { return float_to_bits(x) & 0x7fffffffu; }
__device__ inline uint64_t magnitude(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits & ~(uint64_t{1} << 63);
}
template <class T>
using Key = std::conditional_t<std::is_same_v<T, double>, uint64_t, uint32_t>;

// Between the kernels: the digits found so far, how many of the candidates are dropped, and the counts of a pass.
struct Search {
  unsigned long long known, count;
  unsigned long long bins[kBins];
};

__global__ void __launch_bounds__(kBins) start_search(Search* search, unsigned long long count) {
  search->bins[threadIdx.x] = 0;
  if (threadIdx.x == 0) {
    search->known = 0;
    search->count = count;
  }
}

// Candidates share the digits above `shift + kDigit`.
template <class T>
__global__ void __launch_bounds__(kThreads)
    count_digits(const T* __restrict__ x, const bool* __restrict__ kept, int64_t n, int shift,
                 Search* search) {
  SHARED_ARRAY(own, unsigned[kBins]);
  for (int b = threadIdx.x; b < kBins; b += kThreads) own[b] = 0;
  __syncthreads();
  constexpr int kBits = static_cast<int>(sizeof(Key<T>)) * 8;
  const auto known = static_cast<Key<T>>(search->known);
  const int above = shift + kDigit;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    const Key<T> key = magnitude(static_cast<compute_t<T>>(x[i]));
    const bool shares = above >= kBits || (key >> (above % kBits)) == (known >> (above % kBits));
    if (shares && (kept == nullptr || kept[i])) atomicAdd(&own[(key >> shift) & (kBins - 1)], 1u);
  }
  __syncthreads();
  for (int b = threadIdx.x; b < kBins; b += kThreads)
    if (own[b] != 0) atomicAdd(&search->bins[b], static_cast<unsigned long long>(own[b]));
}

__global__ void narrow_search(Search* search, int shift) {
  unsigned long long count = search->count, digit = 0;
  while (digit < kBins - 1 && search->bins[digit] < count) count -= search->bins[digit++];
  search->count = count;
  search->known |= digit << shift;
  for (int b = 0; b < kBins; ++b) search->bins[b] = 0;
}

// The elements equal to the threshold among those of a thread: kPerThread neighbours.
template <class T>
__device__ int64_t ties_of_thread(const T* x, const bool* kept, int64_t n, Key<T> threshold) {
  const int64_t begin = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kPerThread;
  int64_t ties = 0;
  for (int64_t i = begin; i < begin + kPerThread && i < n; ++i)
    ties += magnitude(static_cast<compute_t<T>>(x[i])) == threshold && (kept == nullptr || kept[i]);
  return ties;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    count_ties(const T* __restrict__ x, const bool* __restrict__ kept, int64_t n,
               const Search* search, int64_t* __restrict__ ties) {
  const int64_t own = ties_of_thread(x, kept, n, static_cast<Key<T>>(search->known));
  const int64_t total = cuda::block_reduce<kThreads>(own, cuda::Sum{});
  if (threadIdx.x == 0) ties[blockIdx.x] = total;
}

// ties[c] becomes the sum of those before it: a thread takes a run of chunks.
__global__ void __launch_bounds__(kThreads) sum_before(int64_t* __restrict__ ties, int64_t chunks) {
  SHARED_ARRAY(sums, int64_t[kThreads]);
  const int64_t run = ceil_div<int64_t>(chunks, kThreads), begin = threadIdx.x * run;
  const int64_t end = begin + run < chunks ? begin + run : chunks;
  int64_t total = 0;
  for (int64_t c = begin; c < end; ++c) total += ties[c];
  sums[threadIdx.x] = total;
  __syncthreads();
  int64_t before = 0;
  for (unsigned t = 0; t < threadIdx.x; ++t) before += sums[t];
  for (int64_t c = begin; c < end; ++c) {
    const int64_t own = ties[c];
    ties[c] = before;
    before += own;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    write_mask(const T* __restrict__ x, const bool* __restrict__ kept, int64_t n,
               const Search* search, const int64_t* __restrict__ ties, bool* __restrict__ mask) {
  SHARED_ARRAY(sums, int64_t[kThreads]);
  const auto threshold = static_cast<Key<T>>(search->known);
  const auto dropped = static_cast<int64_t>(search->count);
  sums[threadIdx.x] = ties_of_thread(x, kept, n, threshold);
  __syncthreads();
  int64_t before = ties[blockIdx.x];
  for (unsigned t = 0; t < threadIdx.x; ++t) before += sums[t];
  const int64_t begin = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kPerThread;
  for (int64_t i = begin; i < begin + kPerThread && i < n; ++i) {
    const Key<T> key = magnitude(static_cast<compute_t<T>>(x[i]));
    const bool counts = kept == nullptr || kept[i];
    const bool drops = key < threshold || (key == threshold && counts && before++ < dropped);
    mask[i] = counts && !drops;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    rank_in_group(const T* __restrict__ x, bool* __restrict__ mask, int64_t numel, int64_t n,
                  int64_t m, int64_t inner) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < numel;
       i += int64_t{kThreads} * gridDim.x) {
    const int64_t place = i / inner % m, first = i - place * inner;
    const auto own = magnitude(static_cast<compute_t<T>>(x[i]));
    int64_t above = 0;
    for (int64_t other = 0; other < m; ++other) {
      const auto its = magnitude(static_cast<compute_t<T>>(x[first + other * inner]));
      above += its > own || (its == own && other < place);
    }
    mask[i] = above < n;
  }
}

}  // namespace

void magnitude_mask_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  const bool* kept = args.has(1) ? args.inputs[1].as<bool>() : nullptr;
  auto& stream = cuda::stream_of(args.stream);
  const int64_t n = x.numel(), chunks = ceil_div(n, kChunk);
  const BufferRef memory =
      cuda::workspace(stream, sizeof(Search) + sizeof(int64_t) * static_cast<size_t>(chunks));
  auto* search = static_cast<Search*>(memory->data);
  auto* ties = reinterpret_cast<int64_t*>(search + 1);
  const auto count = static_cast<unsigned long long>(args.attrs.integer("count"));
  const dim3 grid(static_cast<unsigned>(chunks)), block(kThreads);
  const auto handle = stream.handle();
  cuda::check(launch(start_search, dim3(1), dim3(kBins), 0, handle, search, count), "launch");
  TG_DISPATCH_FLOAT(x.dtype, T, {
    for (int shift = static_cast<int>(sizeof(Key<T>)) * 8 - kDigit; count > 0 && shift >= 0;
         shift -= kDigit) {
      cuda::check(launch(count_digits<T>, dim3(cuda::grid_size(stream, n, kThreads)), block, 0,
                         handle, x.as<T>(), kept, n, shift, search),
                  "launch");
      cuda::check(launch(narrow_search, dim3(1), dim3(1), 0, handle, search, shift), "launch");
    }
    cuda::check(launch(count_ties<T>, grid, block, 0, handle, x.as<T>(), kept, n, search, ties),
                "launch");
    cuda::check(launch(sum_before, dim3(1), block, 0, handle, ties, chunks), "launch");
    cuda::check(launch(write_mask<T>, grid, block, 0, handle, x.as<T>(), kept, n, search, ties,
                       out.as<bool>()),
                "launch");
  });
}

void nm_mask_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  const Shape& shape = x.shape();
  int64_t dim = args.attrs.integer("dim"), inner = 1;
  if (dim < 0) dim += shape.rank;
  for (int d = static_cast<int>(dim) + 1; d < shape.rank; ++d) inner *= shape[d];
  auto& stream = cuda::stream_of(args.stream);
  TG_DISPATCH_FLOAT(x.dtype, T, {
    cuda::check(launch(rank_in_group<T>, dim3(cuda::grid_size(stream, x.numel(), kThreads)),
                       dim3(kThreads), 0, stream.handle(), x.as<T>(), out.as<bool>(), x.numel(),
                       args.attrs.integer("n"), args.attrs.integer("m"), inner),
                "launch");
  });
}

}  // namespace tilegrad
