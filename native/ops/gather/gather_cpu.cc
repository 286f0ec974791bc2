// gather reads, scatter writes and scatter_add adds where an index tensor says. Two elements of the index can only meet
// when they differ in the indexed dimension alone, so each line along it stays on one thread and is walked in order: the
// bits are the same at any thread count, and of several elements for one place scatter keeps the last.
// 16-bit floats are added up in f32 and rounded once.
#include <algorithm>
#include <type_traits>

#include "core/ceil_div.h"
#include "core/cpu/copy.h"
#include "core/cpu/indexed.h"
#include "core/row_walk.h"
#include "ops/gather/gather.h"

namespace tilegrad {

namespace {

constexpr int64_t kGrain = 8192;   // elements per parallel chunk
constexpr int64_t kColumns = 512;  // of a chunk that walks a dimension further out

// The index's rows and where they begin in the indexed tensor.
Layout bases(const GatherPlan& p) {
  Layout layout;
  layout.shape.rank = p.rank;
  for (int d = 0; d < p.rank; ++d) {
    layout.shape[d] = p.index_shape[d];
    layout.strides[d] = d == p.dim ? 0 : p.strides[d];
  }
  return layout;
}

[[noreturn]] __attribute__((noinline)) void fail_place(const GatherPlan& p, int64_t at, int64_t i) {
  throw Error(ErrorCode::argument, index_message(at, i, p.size, p.dim));
}

// Calls put(place, i) for elements [from, to) of row r, whose first means `base`.
template <class I, class Put>
inline __attribute__((always_inline)) void each_place(const GatherPlan& p, const I* index,
                                                      int64_t r, int64_t base, int64_t from,
                                                      int64_t to, const Put& put) {
  const int64_t first = r * p.n, along = p.along, step = p.step;
  const auto size = static_cast<uint64_t>(p.size);
  const auto walk = [&](auto&& offset) {
    int64_t i = from;
    const auto good = [&](int64_t k) -> int {
      return static_cast<uint64_t>(index[first + k]) < size;
    };
    for (; i + 4 <= to && (good(i) & good(i + 1) & good(i + 2) & good(i + 3)); i += 4) {
      for (int64_t k = i; k < i + 4; ++k) put(base + offset(index[first + k], k), first + k);
    }
    for (; i < to && good(i); ++i) put(base + offset(index[first + i], i), first + i);
    if (i < to) fail_place(p, index[first + i], first + i);
  };
  if (along == 1 && step == 0)
    walk([](int64_t at, int64_t) { return at; });
  else
    walk([=](int64_t at, int64_t i) { return at * along + i * step; });
}

template <class T, class I>
void gather(const GatherPlan& p, const T* x, const I* index, T* out) {
  const auto put = [=](int64_t at, int64_t i) { out[i] = x[at]; };
  if (p.rows == 1)
    return parallel_for(p.n, kGrain, [&](int64_t begin, int64_t end) {
      each_place(p, index, 0, 0, begin, end, put);
    });
  const Layout layout = bases(p);
  parallel_for(p.rows, grain_for(p.n, kGrain), [&](int64_t begin, int64_t end) {
    RowWalk<1> base(&layout, 1, 1, begin);
    for (int64_t r = begin; r < end; ++r, base.next())
      each_place(p, index, r, base.offsets[0], 0, p.n, put);
  });
}

// Calls put(place, i) for each element i of the index, in row-major order along the indexed dimension.
template <class I, class Put>
void for_places(const GatherPlan& p, const I* index, const Put& put) {
  if (p.dim == p.rank - 1) {
    const Layout layout = bases(p);
    parallel_for(p.rows, grain_for(p.n, kGrain), [&](int64_t begin, int64_t end) {
      RowWalk<1> base(&layout, 1, 1, begin);
      for (int64_t r = begin; r < end; ++r, base.next())
        each_place(p, index, r, base.offsets[0], 0, p.n, put);
    });
    return;
  }
  // Rows are (outer, length, middle): those of one outer and middle share their lines.
  int64_t middle = 1;
  for (int d = p.dim + 1; d < p.rank - 1; ++d) middle *= p.index_shape[d];
  const int64_t length = p.index_shape[p.dim], groups = p.rows / length;
  const int64_t strips = groups >= 16 ? 1 : ceil_div(p.n, kColumns);
  const int64_t width = ceil_div(p.n, strips);
  parallel_for(groups * strips, grain_for(length * width, kGrain), [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t group = chunk / strips, from = chunk % strips * width;
      const int64_t first = group / middle * length * middle + group % middle;
      const int64_t base = p.base(first);  // the indexed dimension does not count
      for (int64_t k = 0; k < length; ++k)
        each_place(p, index, first + k * middle, base, from, std::min(p.n, from + width), put);
    }
  });
}

template <class T>
void scatter(KernelArgs& args, const GatherPlan& p, T value) {
  const View& index = args.inputs[1];
  T* out = args.outputs[0].as<T>();
  const T* source = args.has(2) ? args.inputs[2].as<T>() : nullptr;
  TG_DISPATCH_INDEX(index.dtype, I, {
    if (source)
      for_places(p, index.as<I>(), [=](int64_t at, int64_t i) { out[at] = source[i]; });
    else
      for_places(p, index.as<I>(), [=](int64_t at, int64_t) { out[at] = value; });
  })
}

template <class T>
void scatter_add(KernelArgs& args, const GatherPlan& p, compute_t<T>* out) {
  const View& index = args.inputs[0];
  const T* source = args.inputs[1].as<T>();
  TG_DISPATCH_INDEX(index.dtype, I, {
    for_places(p, index.as<I>(), [=](int64_t at, int64_t i) {
      if constexpr (std::is_integral_v<T>)
        out[at] = static_cast<T>(static_cast<uint64_t>(out[at]) + static_cast<uint64_t>(source[i]));
      else
        out[at] += static_cast<compute_t<T>>(source[i]);
    });
  })
}

}  // namespace

void gather_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &index = args.inputs[1];
  const GatherPlan p = gather_plan(args.attrs, x.shape(), index.shape());
  TG_DISPATCH_SIZE(x.dtype, T, {TG_DISPATCH_INDEX(index.dtype, I, {
                     gather(p, x.as<T>(), index.as<I>(), args.outputs[0].as<T>());
                   })});
}

void scatter_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  const double value = args.attrs.number("value");
  copy_strided_cpu(x, out);
  if (args.inputs[1].numel() == 0) return;
  const GatherPlan p = gather_plan(args.attrs, x.shape(), args.inputs[1].shape());
  TG_DISPATCH_ALL(out.dtype, T,
                  { scatter<T>(args, p, static_cast<T>(static_cast<compute_t<T>>(value))); });
}

void scatter_add_cpu(KernelArgs& args) {
  const View& out = args.outputs[0];
  const bool any = args.inputs[0].numel() > 0;
  const GatherPlan p = gather_plan(args.attrs, out.shape(), args.inputs[0].shape());
  add_indexed(args, args.has(2) ? args.inputs[2] : View{}, [&]<class T>(auto* values) {
    if (any) scatter_add<T>(args, p, values);
  });
}

}  // namespace tilegrad
