// sort on CUDA: a stable merge sort of (key, place) pairs. A block sorts a chunk of a row: 8 elements a thread in registers,
// then merges in shared memory, where each thread finds its part of two runs by a binary search along their merge path.
// Longer rows go through passes that merge runs two by two, a block for each chunk of the result; where only the first k
// are wanted, no run keeps more than k. Elements are read again by their place at the end, so that NaN keeps its bits.
// Bytes moved for rows of n > 2048: log2(n / 2048) + 1 times 8 (64-bit elements 12) read and written per element.
// Limits: rows of fewer than 2^31 elements. Nothing depends on the order of threads.
#include <algorithm>

#include "core/cuda/copy.h"
#include "core/cuda/cuda_device.h"
#include "ops/sort/sort.h"
#include "ops/sort/sort_keys.cuh"

namespace tilegrad {

namespace {

constexpr int kItems = 8;  // per thread
constexpr int kThreads = 256, kFewThreads = 32;
constexpr unsigned kMostRows = 65535;

template <class Key>
struct Entry {
  Key key;
  int32_t place;
};

// How many of the first `count` results come from `a`; equal ones come from `a` first.
template <class Key>
__device__ int split(const Key* a, int a_count, const Key* b, int b_count, int count) {
  int low = count > b_count ? count - b_count : 0, high = count < a_count ? count : a_count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (b[count - 1 - middle] < a[middle])
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

// The `kItems` results from `first` on of the merge of two runs in shared memory.
template <class Key>
__device__ void merge_items(const Key* keys, const int32_t* places, int a, int a_count, int b,
                            int b_count, int first, Entry<Key> (&items)[kItems]) {
  const int total = a_count + b_count, start = first < total ? first : total;
  int i = split(keys + a, a_count, keys + b, b_count, start), j = start - i;
#pragma unroll
  for (int item = 0; item < kItems; ++item) {
    const bool from_a = i < a_count && (j >= b_count || keys[a + i] <= keys[b + j]);
    const bool none = i >= a_count && j >= b_count;
    const int at = none ? 0 : from_a ? a + i : b + j;
    items[item] = {keys[at], places[at]};
    i += from_a;
    j += !from_a;
  }
}

// Stable, in registers: neighbours change places only where the second is smaller.
template <class Key>
__device__ void sort_items(Entry<Key> (&items)[kItems]) {
#pragma unroll
  for (int round = 0; round < kItems; ++round) {
#pragma unroll
    for (int i = round % 2; i + 1 < kItems; i += 2) {
      const Entry<Key> left = items[i], right = items[i + 1];
      const bool turn = right.key < left.key;
      items[i] = turn ? right : left;
      items[i + 1] = turn ? left : right;
    }
  }
}

// Where results go: pairs for further passes, or the elements and places themselves.
template <class Key, class T>
struct Results {
  Key* keys;
  int32_t* pair_places;
  const T* x;
  T* values;
  int64_t* places;  // null as long as passes follow

  __device__ void store(int64_t at, int64_t row_start, Entry<Key> e) const {
    if (places == nullptr) {
      keys[at] = e.key;
      pair_places[at] = e.place;
    } else {
      values[at] = x[row_start + e.place];
      places[at] = e.place;
    }
  }
};

// Chunk blockIdx.x of each row; the first `kept` of it go to chunk * kept of a row of `stored`.
template <class T, int Threads>
__global__ void __launch_bounds__(Threads)
    sort_chunks(const T* __restrict__ x, int64_t rows, int n, int kept, int stored,
                SortKey<T> reversed, const Results<SortKey<T>, T> results) {
  using Key = SortKey<T>;
  constexpr int kChunk = Threads * kItems;
  SHARED_ARRAY(keys, Key[kChunk]);
  SHARED_ARRAY(places, int32_t[kChunk]);
  const int first = static_cast<int>(blockIdx.x) * kChunk, t = static_cast<int>(threadIdx.x);
  const int count = n - first < kChunk ? n - first : kChunk;
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    // Neighbouring threads read neighbouring elements; the filling comes last, as nothing is greater.
    for (int i = t; i < kChunk; i += Threads) {
      keys[i] = i < count ? static_cast<Key>(sort_key(x[row * n + first + i]) ^ reversed) : ~Key{0};
      places[i] = first + i;
    }
    __syncthreads();
    Entry<Key> items[kItems];
#pragma unroll
    for (int i = 0; i < kItems; ++i) items[i] = {keys[t * kItems + i], places[t * kItems + i]};
    sort_items(items);
    for (int run = kItems;; run *= 2) {
      __syncthreads();
#pragma unroll
      for (int i = 0; i < kItems; ++i) {
        keys[t * kItems + i] = items[i].key;
        places[t * kItems + i] = items[i].place;
      }
      __syncthreads();
      if (run >= kChunk) break;
      const int a = t * kItems / (2 * run) * (2 * run);
      merge_items(keys, places, a, run, a + run, run, t * kItems - a, items);
    }
    for (int i = t; i < count && i < kept; i += Threads)
      results.store(row * stored + int64_t{blockIdx.x} * kept + i, row * n, {keys[i], places[i]});
    __syncthreads();
  }
}

// One pass: runs of `run` in rows of `count` pairs become runs of `merged`, in rows of `stored`.
struct Pass {
  int count, run, merged, stored;
};

template <class Key, class T>
__global__ void __launch_bounds__(kThreads)
    merge_runs(const Key* __restrict__ from_keys, const int32_t* __restrict__ from_places,
               int64_t rows, int64_t n, const Pass p, int tiles, const Results<Key, T> results) {
  constexpr int kChunk = kThreads * kItems;
  SHARED_ARRAY(keys, Key[kChunk]);
  SHARED_ARRAY(places, int32_t[kChunk]);
  SHARED_ARRAY(ends, int[2]);
  const int pair = static_cast<int>(blockIdx.x) / tiles, t = static_cast<int>(threadIdx.x);
  const int64_t first_a = int64_t{2} * pair * p.run, first_b = first_a + p.run;
  const int a_count = static_cast<int>(p.count - first_a < p.run ? p.count - first_a : p.run);
  const int64_t left = p.count - first_b;
  const int b_count = static_cast<int>(left <= 0 ? 0 : left < p.run ? left : p.run);
  const int total = a_count + b_count < p.merged ? a_count + b_count : p.merged;
  const int begin = static_cast<int>(blockIdx.x) % tiles * kChunk;
  const int end = begin + kChunk < total ? begin + kChunk : total;
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    const int64_t a = row * p.count + first_a, b = row * p.count + first_b;
    if (t < 2 && begin < end)
      ends[t] = split(from_keys + a, a_count, from_keys + b, b_count, t == 0 ? begin : end);
    __syncthreads();
    const int a_begin = begin < end ? ends[0] : 0, own_a = begin < end ? ends[1] - a_begin : 0;
    const int own = begin < end ? end - begin : 0, b_begin = begin - a_begin;
    for (int i = t; i < own; i += kThreads) {
      const int64_t at = i < own_a ? a + a_begin + i : b + b_begin + i - own_a;
      keys[i] = from_keys[at];
      places[i] = from_places[at];
    }
    __syncthreads();
    Entry<Key> items[kItems] = {};
    if (own > 0) merge_items(keys, places, 0, own_a, own_a, own - own_a, t * kItems, items);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      keys[t * kItems + i] = items[i].key;
      places[t * kItems + i] = items[i].place;
    }
    __syncthreads();
    for (int i = t; i < own; i += kThreads)
      results.store(row * p.stored + int64_t{pair} * p.merged + begin + i, row * n,
                    {keys[i], places[i]});
    __syncthreads();
  }
}

struct Rows {
  int64_t count;
  int n, k;
  bool descending;
};

dim3 grid_of(int64_t across, int64_t rows) {
  return dim3(static_cast<unsigned>(across),
              static_cast<unsigned>(std::min<int64_t>(rows, kMostRows)));
}

// Two halves of a workspace, each of `pairs` pairs.
template <class Key>
struct Pairs {
  BufferRef space;
  Key* keys[2];
  int32_t* places[2];
  Pairs(cuda::CudaStream& stream, int64_t pairs)
      : space(cuda::workspace(stream, static_cast<size_t>(pairs) * 2 * (sizeof(Key) + 4))) {
    keys[0] = static_cast<Key*>(space->data);
    keys[1] = keys[0] + pairs;
    places[0] = reinterpret_cast<int32_t*>(keys[1] + pairs);
    places[1] = places[0] + pairs;
  }
};

template <class T, int Threads>
void launch_chunks(cuda::CudaStream& stream, const T* x, const Rows& r, int kept, int stored,
                   const Results<SortKey<T>, T>& results) {
  const SortKey<T> reversed = r.descending ? ~SortKey<T>{0} : 0;
  cuda::check(
      launch(sort_chunks<T, Threads>, grid_of(ceil_div(r.n, Threads * kItems), r.count),
             dim3(Threads), 0, stream.handle(), x, r.count, r.n, kept, stored, reversed, results),
      "sort_chunks");
}

// `T` moves elements by their size alone.
template <class Key, class T>
void merge_passes(cuda::CudaStream& stream, const Rows& r, Pass p, const Pairs<Key>& pairs,
                  const Results<Key, T>& last) {
  constexpr int kChunk = kThreads * kItems;
  for (int from = 0; p.run < p.count; from = 1 - from) {
    const int two = p.run > p.count - p.run ? p.count : 2 * p.run;
    const int runs = ceil_div(p.count, p.run), results = ceil_div(runs, 2);
    p.merged = std::min(two, r.k);
    const int64_t rest = p.count - int64_t{2} * (results - 1) * p.run;
    p.stored =
        static_cast<int>(int64_t{results - 1} * p.merged + std::min<int64_t>(rest, p.merged));
    Results<Key, T> to = {pairs.keys[1 - from], pairs.places[1 - from], nullptr, nullptr, nullptr};
    if (results == 1) to = last;
    const int tiles = ceil_div(p.merged, kChunk);
    cuda::check(launch(merge_runs<Key, T>, grid_of(int64_t{results} * tiles, r.count),
                       dim3(kThreads), 0, stream.handle(), pairs.keys[from], pairs.places[from],
                       r.count, int64_t{r.n}, p, tiles, to),
                "merge_runs");
    p.count = p.stored;
    p.run = p.merged;
  }
}

template <class T>
void sort_rows(cuda::CudaStream& stream, const T* x, const Rows& r, T* values, int64_t* places) {
  using Key = SortKey<T>;
  constexpr int kChunk = kThreads * kItems;
  const Results<Key, T> last = {nullptr, nullptr, x, values, places};
  if (r.n <= kFewThreads * kItems)
    return launch_chunks<T, kFewThreads>(stream, x, r, r.k, r.k, last);
  if (r.n <= kChunk) return launch_chunks<T, kThreads>(stream, x, r, r.k, r.k, last);
  const int chunks = ceil_div(r.n, kChunk), kept = std::min(kChunk, r.k);
  const int stored = (chunks - 1) * kept + std::min(r.n - (chunks - 1) * kChunk, kept);
  const Pairs<Key> pairs(stream, r.count * stored);
  launch_chunks<T, kThreads>(stream, x, r, kept, stored,
                             {pairs.keys[0], pairs.places[0], nullptr, nullptr, nullptr});
  using Bits = std::conditional_t<sizeof(T) == 2, uint16_t,
                                  std::conditional_t<sizeof(T) == 1, uint8_t, Key>>;
  const Results<Key, Bits> bits = {nullptr, nullptr, reinterpret_cast<const Bits*>(x),
                                   reinterpret_cast<Bits*>(values), places};
  merge_passes<Key, Bits>(stream, r, {stored, kept, 0, 0}, pairs, bits);
}

}  // namespace

void sort_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &x = args.inputs[0], &values = args.outputs[0];
  const int64_t n = x.shape()[x.layout.rank() - 1], k = args.attrs.integer("k");
  if (n > INT32_MAX / 2)
    fail(ErrorCode::unsupported, "rows of 2^30 elements and more have no CUDA kernel");
  const Rows rows = {values.numel() / k, static_cast<int>(n), static_cast<int>(k),
                     args.attrs.boolean("descending")};
  auto* places = args.outputs[1].as<int64_t>();
  // A bool is a byte of 0 or 1.
  const DType dtype = x.dtype == DType::boolean ? DType::u8 : x.dtype;
  TG_DISPATCH_NUMBER(dtype, T, sort_rows(stream, x.as<T>(), rows, values.as<T>(), places))
}

}  // namespace tilegrad
