#include "core/cpu/indexed.h"

#include <algorithm>

namespace tilegrad {

namespace {

constexpr int64_t kGrain = 65536;  // bytes per parallel chunk

template <class I>
inline int64_t checked(const I* index, int64_t i, int64_t rows) {
  const int64_t at = index[i];
  if (at < 0 || at >= rows) fail_index(at, i, rows);
  return at;
}

// One element per row: a load and a store each.
template <class T, class I>
void copy_elements(const T* source, const I* index, T* out, int64_t outer, int64_t n,
                   int64_t rows) {
  parallel_for(outer * n, kGrain / static_cast<int64_t>(sizeof(T)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t at = begin; at < end;) {
                   const int64_t block = at / n, first = at - block * n;
                   const int64_t last = std::min(n, end - block * n);
                   const T* from = source + block * rows;
                   T* to = out + block * n;
                   for (int64_t i = first; i < last; ++i) to[i] = from[index[i]];
                   at = block * n + last;
                 }
               });
}

// The rows lie anywhere: those of the indices ahead are asked for.
template <class I>
void copy_rows(const char* source, const I* index, char* out, int64_t outer, int64_t n,
               int64_t rows, int64_t bytes) {
  constexpr int64_t kAhead = 6, kAskedBytes = 512;
  const int64_t asked = std::min(bytes, kAskedBytes);
  parallel_for(outer * n, grain_for(bytes, kGrain), [&](int64_t begin, int64_t end) {
    int64_t block = begin / n, i = begin % n;
    for (int64_t at = begin; at < end; ++at) {
      const char* from = source + block * rows * bytes;
      const char* ahead = from + index[std::min(i + kAhead, n - 1)] * bytes;
      for (int64_t line = 0; line < asked; line += 64) __builtin_prefetch(ahead + line);
      copy_bytes(out + at * bytes, from + index[i] * bytes, bytes);
      if (++i == n) i = 0, ++block;
    }
  });
}

}  // namespace

std::string index_message(int64_t index, int64_t at, int64_t size, int dim) {
  if (dim < 0) return str("index ", index, " at ", at, " is out of range for ", size, " rows");
  return str("index ", index, " at ", at, " (row-major) is out of range for dimension ", dim,
             " of size ", size);
}

void fail_index(int64_t index, int64_t at, int64_t rows) {
  throw Error(ErrorCode::argument, index_message(index, at, rows, -1));
}

void check_index(const View& index, int64_t rows) {
  TG_DISPATCH_INDEX(index.dtype, I, {
    const I* values = index.as<I>();
    for (int64_t i = 0, n = index.numel(); i < n; ++i) checked(values, i, rows);
  })
}

void copy_indexed_rows(const void* source, const View& index, void* out, int64_t outer,
                       int64_t rows, int64_t bytes) {
  const int64_t n = index.numel();
  check_index(index, rows);
  auto elements = [&](auto one) {
    using T = decltype(one);
    TG_DISPATCH_INDEX(index.dtype, I, {
      copy_elements(static_cast<const T*>(source), index.as<I>(), static_cast<T*>(out), outer, n,
                    rows);
    })
  };
  if (bytes == 1) return elements(uint8_t{});
  if (bytes == 2) return elements(uint16_t{});
  if (bytes == 4) return elements(uint32_t{});
  if (bytes == 8) return elements(uint64_t{});
  TG_DISPATCH_INDEX(index.dtype, I, {
    copy_rows(static_cast<const char*>(source), index.as<I>(), static_cast<char*>(out), outer, n,
              rows, bytes);
  })
}

}  // namespace tilegrad
