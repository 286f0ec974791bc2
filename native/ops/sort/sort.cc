// sort: the first k elements of each row (last dimension) in ascending or descending order, and where they stood. Equal
// elements keep their order; NaN counts as the greatest number. Values of at most 32 bits become keys that order as they do,
// above their place: a stable radix sort by bytes of the key, or a heap for a small part of a row. Those of 64 bits: introsort
// of (value, place) pairs. Rows are spread over the threads. Bytes moved: one read, k values and k places written per row.
#include "ops/sort/sort.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "core/cpu/scratch.h"
#include "core/parallel.h"

namespace tilegrad {

namespace {

void sort_infer(InferContext& ctx) {
  Shape out = ctx.shape(0);
  if (out.rank == 0) ctx.fail(ErrorCode::shape, "a scalar has no dimension to sort along");
  const int64_t k = ctx.attrs.integer("k"), n = out[out.rank - 1];
  if (k < 0 || k > n)
    ctx.fail(ErrorCode::argument, "k must be from 0 to ", n, ", the size of the dimension, but is ",
             k);
  out[out.rank - 1] = k;
  ctx.output(out, ctx.dtype(0));
  ctx.output(out, DType::i64);
}

template <class C>
struct Entry {
  C value;
  int64_t place;
};

// A total order, so that every algorithm gives the same result.
template <class C, bool descending>
bool before(const Entry<C>& a, const Entry<C>& b) {
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  if (a_nan || b_nan) {
    if (a_nan && b_nan) return a.place < b.place;
    return descending ? a_nan : b_nan;
  }
  if (a.value == b.value) return a.place < b.place;
  return descending ? a.value > b.value : a.value < b.value;
}

// Ordered as the values are; equal ones, and all NaN, have one key.
template <class C>
uint32_t order_key(C value) {
  constexpr uint32_t kSign = 0x80000000u;
  if constexpr (std::is_floating_point_v<C>) {
    if (value != value) return ~uint32_t{0};
    if (value == 0) return kSign;
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits & kSign ? ~bits : bits | kSign;
  } else {
    return static_cast<uint32_t>(static_cast<int32_t>(value)) ^ kSign;
  }
}

// By the upper four bytes, the least first; gives the one of the two arrays that holds the result.
uint64_t* radix_sort(uint64_t* keys, uint64_t* other, int64_t n) {
  constexpr int kBytes = 4, kValues = 256;
  int64_t counts[kBytes][kValues] = {};
  for (int64_t i = 0; i < n; ++i)
    for (int b = 0; b < kBytes; ++b) ++counts[b][keys[i] >> (32 + 8 * b) & 255];
  for (int b = 0; b < kBytes; ++b) {
    const int shift = 32 + 8 * b;
    if (counts[b][keys[0] >> shift & 255] == n) continue;  // this byte is the same everywhere
    int64_t at = 0;
    for (int64_t& count : counts[b]) {
      const int64_t begin = at;
      at += count;
      count = begin;
    }
    for (int64_t i = 0; i < n; ++i) other[counts[b][keys[i] >> shift & 255]++] = keys[i];
    std::swap(keys, other);
  }
  return keys;
}

constexpr int64_t kRadixRow = 32;  // elements from which on a radix sort is the faster

template <class T, bool descending>
void sort_keys(const T* x, int64_t rows, int64_t n, int64_t k, T* values, int64_t* places) {
  parallel_for(rows, grain_for(n * 8), [&](int64_t begin, int64_t end) {
    auto* keys = static_cast<uint64_t*>(
        scratch(ScratchSlot::chunk, static_cast<size_t>(2 * n) * sizeof(uint64_t)));
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t i = 0; i < n; ++i) {
        const uint32_t key = order_key(static_cast<compute_t<T>>(x[r * n + i]));
        keys[i] = uint64_t{descending ? ~key : key} << 32 | static_cast<uint64_t>(i);
      }
      uint64_t* sorted = keys;
      if (k <= n / (n > 64 ? 16 : 6))
        std::partial_sort(keys, keys + k, keys + n);
      else if (n < kRadixRow)
        std::sort(keys, keys + n);
      else
        sorted = radix_sort(keys, keys + n, n);
      for (int64_t i = 0; i < k; ++i) {
        // The element itself, so that NaN keeps its bits.
        const auto place = static_cast<int64_t>(sorted[i] & 0xffffffffu);
        values[r * k + i] = x[r * n + place];
        places[r * k + i] = place;
      }
    }
  });
}

template <class T, bool descending>
void sort_rows(const T* x, int64_t rows, int64_t n, int64_t k, T* values, int64_t* places) {
  if constexpr (sizeof(compute_t<T>) <= 4) {
    if (n <= int64_t{1} << 32) return sort_keys<T, descending>(x, rows, n, k, values, places);
  }
  using E = Entry<compute_t<T>>;
  parallel_for(rows, grain_for(n * 8), [&](int64_t begin, int64_t end) {
    auto* row = static_cast<E*>(scratch(ScratchSlot::chunk, static_cast<size_t>(n) * sizeof(E)));
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t i = 0; i < n; ++i) row[i] = {static_cast<compute_t<T>>(x[r * n + i]), i};
      const auto order = before<compute_t<T>, descending>;
      if (k < n)
        std::partial_sort(row, row + k, row + n, order);
      else
        std::sort(row, row + n, order);
      for (int64_t i = 0; i < k; ++i) {
        // The element itself, so that NaN keeps its bits.
        values[r * k + i] = x[r * n + row[i].place];
        places[r * k + i] = row[i].place;
      }
    }
  });
}

void sort_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &values = args.outputs[0];
  const int64_t n = x.shape()[x.layout.rank() - 1], k = args.attrs.integer("k");
  const int64_t rows = values.numel() / k;
  const bool descending = args.attrs.boolean("descending");
  auto* places = args.outputs[1].as<int64_t>();
  TG_DISPATCH_ALL(x.dtype, T, {
    const auto run = descending ? sort_rows<T, true> : sort_rows<T, false>;
    run(x.as<T>(), rows, n, k, values.as<T>(), places);
  });
}

}  // namespace

extern const OpDef sort_op;
const OpDef sort_op = {.name = "sort",
                       .inputs = {1, 1},
                       .attrs = {{"k", AttrType::integer}, {"descending", AttrType::boolean}},
                       .infer = sort_infer,
                       .cpu = sort_cpu,
                       .cuda = TILEGRAD_CUDA_KERNEL(sort_cuda)};

}  // namespace tilegrad
