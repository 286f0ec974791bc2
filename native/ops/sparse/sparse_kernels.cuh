// Compressed rows on CUDA. to_csr: a warp counts a row, one block adds the counts up in order, a warp writes a row's values one
// after the other. csr_linear: few rows of x are gathered, a warp for each row of W; else x is transposed first, so that a
// warp reads one run of it for each value of W: a block has 32 rows of W by 128 of x, whose sums go through shared memory.
// Each output is summed in the order of its row, in the few-row kernel lane by lane. Bytes moved: W once per 128 rows of x,
// x^T mostly from L2. Rows and columns that do not fit are reported and never read beyond.
#pragma once

#include "core/cuda/fault.cuh"
#include "core/cuda/reduce.cuh"

namespace tilegrad::sparse {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr int kScanThreads = 1024;
constexpr int kLines = 32, kPer = 4,
              kColumns = 32 * kPer;  // rows of W, rows of x: of a lane, of a block

__device__ inline int64_t warp_number() { return int64_t{blockIdx.x} * kWarps + threadIdx.x / 32; }

// start[i] = how many values of row i are not 0.
template <class T>
__global__ void __launch_bounds__(kThreads)
    count_rows(const T* __restrict__ x, int64_t rows, int64_t k, int32_t* __restrict__ start) {
  for (int64_t row = warp_number(); row < rows; row += int64_t{kWarps} * gridDim.x) {
    int32_t count = 0;
    for (int64_t j = threadIdx.x % 32; j < k; j += 32) count += x[row * k + j] != T(0) ? 1 : 0;
    count = cuda::warp_reduce(count, cuda::Sum{});
    if (threadIdx.x % 32 == 0) start[row] = count;
  }
}

// One block: start (rows + 1) from counts to where each row begins, none beyond `count`; another total is reported.
static __global__ void __launch_bounds__(kScanThreads)
    add_up(int32_t* start, int64_t rows, int64_t count, cuda::Fault* fault) {
  SHARED_ARRAY(sums, int64_t[kScanThreads / 32]);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int64_t before = 0;
  for (int64_t first = 0; first < rows; first += kScanThreads) {
    const int64_t row = first + threadIdx.x;
    const int64_t own = row < rows ? start[row] : 0;
    int64_t sum = own;
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
      const int64_t left = __shfl_up_sync(kFullWarp, sum, step);
      if (lane >= step) sum += left;
    }
    if (lane == 31) sums[warp] = sum;
    __syncthreads();
    int64_t all = 0, earlier = 0;
    for (int i = 0; i < kScanThreads / 32; i++) {
      if (i == warp) earlier = all;
      all += sums[i];
    }
    const int64_t at = before + earlier + sum - own;
    if (row < rows) start[row] = static_cast<int32_t>(at < count ? at : count);
    before += all;
    __syncthreads();
  }
  if (threadIdx.x != 0) return;
  start[rows] = static_cast<int32_t>(count);
  if (before != count) cuda::report_fault(fault, cuda::FaultKind::csr_count, 0, before, count);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    write_rows(const T* __restrict__ x, int64_t rows, int64_t k, int64_t count,
               const int32_t* __restrict__ start, int32_t* __restrict__ column,
               T* __restrict__ value) {
  const int lane = threadIdx.x % 32;
  if (count == 0 && warp_number() == 0 && lane == 0) column[0] = 0, value[0] = T(0);
  for (int64_t row = warp_number(); row < rows; row += int64_t{kWarps} * gridDim.x) {
    int64_t at = start[row];
    for (int64_t first = 0; first < k; first += 32) {
      const int64_t j = first + lane;
      const T v = j < k ? x[row * k + j] : T(0);
      const unsigned kept = __ballot_sync(kFullWarp, v != T(0));
      const int64_t place = at + __popc(kept & ((1u << lane) - 1));
      if (v != T(0) && place < count) column[place] = static_cast<int32_t>(j), value[place] = v;
      at += __popc(kept);
    }
  }
}

template <class T>
struct CsrProblem {
  const int32_t *start, *column;
  const T *value, *bias;  // bias: or null
  int64_t n, k, m;        // rows of W, columns of W, rows of x
  int64_t values;
  cuda::Fault* fault;

  // Where a row begins or ends, within the values whatever was given.
  __device__ int64_t bound(int64_t row) const {
    const int64_t at = start[row];
    return at < 0 ? 0 : at < values ? at : values;
  }
  // The column of value i, or 0 and a report. k is not 0 where there are values.
  __device__ int64_t column_of(int64_t i) const {
    const int64_t at = column[i];
    if (at >= 0 && at < k) return at;
    cuda::report_fault(fault, cuda::FaultKind::csr_column, 0, at, k);
    return 0;
  }
  __device__ T bias_of(int64_t row) const { return bias == nullptr ? T(0) : bias[row]; }
};

template <class T>
__global__ void __launch_bounds__(kThreads) check_rows(const CsrProblem<T> p) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < p.n;
       i += int64_t{kThreads} * gridDim.x) {
    const int32_t begin = p.start[i], end = p.start[i + 1];
    const bool first = i > 0 || begin == 0, last = i + 1 < p.n || end <= p.values;
    if (first && last && begin <= end && (p.k > 0 || end <= 0)) continue;
    cuda::report_fault(p.fault, cuda::FaultKind::csr_rows, i, begin, p.values);
  }
}

// Blocks: x rows of W, a warp for each; y rows of x.
template <class T>
__global__ void __launch_bounds__(kThreads)
    csr_dot(const CsrProblem<T> p, const T* __restrict__ x, T* __restrict__ y) {
  const int lane = threadIdx.x % 32;
  const T* from = x + int64_t{blockIdx.y} * p.k;
  for (int64_t row = warp_number(); row < p.n; row += int64_t{kWarps} * gridDim.x) {
    T sum = 0;
    const int64_t end = p.k > 0 ? p.bound(row + 1) : 0;
    for (int64_t i = p.bound(row) + lane; i < end; i += 32)
      sum += p.value[i] * from[p.column_of(i)];
    sum = cuda::warp_reduce(sum, cuda::Sum{});
    if (lane == 0) y[int64_t{blockIdx.y} * p.n + row] = sum + p.bias_of(row);
  }
}

// x (m, k) to out (k, pitch), zeros beyond m, by tiles of 32 x 32.
template <class T>
__global__ void __launch_bounds__(kThreads)
    transpose_rows(const T* __restrict__ x, T* __restrict__ out, int64_t m, int64_t k,
                   int64_t pitch) {
  SHARED_ARRAY(tile, T[32][33]);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t across = ceil_div<int64_t>(k, 32), tiles = across * (pitch / 32);
  for (int64_t index = blockIdx.x; index < tiles; index += gridDim.x) {
    const int64_t row0 = index / across * 32, column0 = index % across * 32;
    for (int i = warp; i < 32; i += kWarps) {
      const bool inside = row0 + i < m && column0 + lane < k;
      tile[i][lane] = inside ? x[(row0 + i) * k + column0 + lane] : T(0);
    }
    __syncthreads();
    for (int i = warp; i < 32; i += kWarps)
      if (column0 + i < k) out[(column0 + i) * pitch + row0 + lane] = tile[lane][i];
    __syncthreads();
  }
}

// Blocks: x lines of W, y columns of x^T (k, pitch), of which pitch holds whole blocks.
template <class T>
__global__ void __launch_bounds__(kThreads)
    csr_panel(const CsrProblem<T> p, const T* __restrict__ x, int64_t pitch, T* __restrict__ y) {
  SHARED_ARRAY(sums, T[kColumns][kLines + 1]);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t row0 = int64_t{blockIdx.x} * kLines, column0 = int64_t{blockIdx.y} * kColumns;
  for (int line = warp; line < kLines && row0 + line < p.n; line += kWarps) {
    const int64_t row = row0 + line, end = p.k > 0 ? p.bound(row + 1) : 0;
    T sum[kPer] = {};
    for (int64_t i = p.bound(row); i < end; i++) {
      const T* from = x + p.column_of(i) * pitch + column0 + lane;
      const T factor = p.value[i];
#pragma unroll
      for (int j = 0; j < kPer; j++) sum[j] += factor * from[j * 32];
    }
#pragma unroll
    for (int j = 0; j < kPer; j++) sums[j * 32 + lane][line] = sum[j] + p.bias_of(row);
  }
  __syncthreads();
  for (int i = warp; i < kColumns && column0 + i < p.m; i += kWarps)
    if (row0 + lane < p.n) y[(column0 + i) * p.n + row0 + lane] = sums[i][lane];
}

}  // namespace tilegrad::sparse
