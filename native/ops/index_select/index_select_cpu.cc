// index_select copies rows. index_add adds the rows of the source in their order, each element of the result on one
// thread: chunks of outer blocks, or where those are few of columns, or of the rows of a single one, so the bits are the same at any thread count.
// 16-bit floats are added up in f32 and rounded once.
// Bytes moved: a read and a write per selected element; for index_add two reads and a write.
#include <algorithm>
#include <type_traits>

#include "core/ceil_div.h"
#include "core/cpu/indexed.h"
#include "ops/index_select/index_select.h"

namespace tilegrad {

namespace {

constexpr int64_t kGrain = 16384;  // elements per parallel chunk
constexpr int64_t kColumns = 256;  // of a chunk where blocks are few
constexpr int64_t kParts = 4;      // of the result's rows: each part reads the whole index

template <class T>
inline void add_row(const T* from, compute_t<T>* row, int64_t count) {
  for (int64_t c = 0; c < count; ++c) {
    if constexpr (std::is_integral_v<T>)
      row[c] = static_cast<T>(static_cast<uint64_t>(row[c]) + static_cast<uint64_t>(from[c]));
    else
      row[c] += static_cast<compute_t<T>>(from[c]);
  }
}

// Of a chunk: all rows of the source that go to rows [begin, end) of the result. Their places lie anywhere, so that those of
// the indices ahead are asked for.
template <class T, class I>
void add_to_rows(const IndexedRows& r, const I* index, int64_t n, int64_t skip, const T* source,
                 compute_t<T>* out, int64_t begin, int64_t end) {
  constexpr int64_t kAhead = 8, kAskedBytes = 512;
  const int64_t row_bytes = r.inner * static_cast<int64_t>(sizeof *out);
  const int64_t asked = std::min(row_bytes, kAskedBytes);
  const auto here = [=](int64_t at) { return at >= begin && at < end && at != skip; };
  for (int64_t i = 0; i < n; ++i) {
    if (const int64_t ahead = i + kAhead < n ? index[i + kAhead] : -1; here(ahead)) {
      const char* line = reinterpret_cast<const char*>(out) + ahead * row_bytes;
      for (int64_t b = 0; b < asked; b += 64) __builtin_prefetch(line + b, 1);
    }
    if (here(index[i])) add_row(source + i * r.inner, out + index[i] * r.inner, r.inner);
  }
}

template <class T, class I>
void add_rows(const IndexedRows& r, const I* index, int64_t n, int64_t skip, const T* source,
              compute_t<T>* out) {
  if (r.outer == 1) {
    const int64_t parts = n * r.inner < 2 * kGrain ? 1 : kParts;
    return parallel_for(parts, 1, [&](int64_t part, int64_t) {
      add_to_rows(r, index, n, skip, source, out, r.rows * part / parts,
                  r.rows * (part + 1) / parts);
    });
  }
  const int64_t strips = r.outer >= 16 ? 1 : ceil_div(r.inner, kColumns);
  const int64_t width = ceil_div(r.inner, strips);
  parallel_for(r.outer * strips, grain_for(n * width, kGrain), [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t block = chunk / strips, first = chunk % strips * width;
      const int64_t count = std::min(width, r.inner - first);
      const T* from = source + block * n * r.inner + first;
      compute_t<T>* to = out + block * r.rows * r.inner + first;
      for (int64_t i = 0; i < n; ++i, from += r.inner)
        if (index[i] != skip) add_row(from, to + index[i] * r.inner, count);
    }
  });
}

template <class T>
void index_add(KernelArgs& args, const IndexedRows& r, compute_t<T>* out) {
  const View &index = args.inputs[0], &source = args.inputs[1];
  const int64_t skip = args.attrs.integer("skip");
  TG_DISPATCH_INDEX(index.dtype, I,
                    { add_rows<T, I>(r, index.as<I>(), index.numel(), skip, source.as<T>(), out); })
}

}  // namespace

void index_select_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  const IndexedRows r = indexed_rows(args.attrs, x.shape());
  const auto size = static_cast<int64_t>(dtype_size(x.dtype));
  copy_indexed_rows(bytes_of(x), args.inputs[1], out.data, r.outer, r.rows, r.inner * size);
}

void index_add_cpu(KernelArgs& args) {
  const View& out = args.outputs[0];
  const IndexedRows r = indexed_rows(args.attrs, out.shape());
  check_index(args.inputs[0], r.rows);
  add_indexed(args, args.has(2) ? args.inputs[2] : View{},
              [&]<class T>(auto* values) { index_add<T>(args, r, values); });
}

}  // namespace tilegrad
