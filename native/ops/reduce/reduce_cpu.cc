// The driver of all reductions on the CPU. Results are made in groups; where there are few groups,
// the elements of each are cut into segments of about kSegment, whose accumulators are merged in
// order: groups and segments depend on the layout alone, so the bits do not depend on the threads.
// The input is read once, in the order of its strides; where its smallest stride is not 1, pieces of
// kPack elements are gathered first.
#include <algorithm>
#include <cstring>

#include "core/ceil_div.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "core/sweep.h"
#include "ops/reduce/reduce.h"
#include "ops/reduce/reduce_plan.h"

namespace tilegrad {

namespace {

constexpr int64_t kSegment = 65536;  // elements
constexpr int64_t kManyGroups = 16;  // from here on, groups alone keep all threads busy
constexpr int64_t kMostColumns = 1024;
constexpr int64_t kMostRows = 4096;
constexpr int64_t kPack = 1024;

struct Reduction {
  const ReduceKernel& kernel;
  const ReduceFinish& how;
  const ReducePlan plan;
  const View& x;
  char* out;
  int64_t* indices;
  int64_t size, out_size;  // bytes of an element
  int64_t per_group, blocks, groups;
  int64_t segment, segments;  // elements per result, and how many

  Reduction(KernelArgs& args, const ReduceKernel& kernel_, const ReduceFinish& how_, void* out_,
            int64_t* indices_)
      : kernel(kernel_),
        how(how_),
        plan(args.inputs[0].layout, dim_mask(args.attrs, args.inputs[0].layout.rank())),
        x(args.inputs[0]),
        out(static_cast<char*>(out_)),
        indices(indices_),
        size(static_cast<int64_t>(dtype_size(x.dtype))),
        out_size(static_cast<int64_t>(dtype_size(args.outputs[0].dtype))) {
    if (plan.rows) {
      per_group =
          std::clamp<int64_t>(kSegment / std::max<int64_t>(plan.per_result, 1), 1, kMostRows);
      blocks = 1;
      groups = ceil_div(plan.results, per_group);
    } else {
      per_group = std::min(plan.inner.size, kMostColumns);
      blocks = ceil_div(plan.inner.size, per_group);
      groups = plan.kept.numel() * blocks;
    }
    const bool cut = groups < kManyGroups && plan.per_result * per_group > kSegment;
    segment = cut ? std::max<int64_t>(kSegment / per_group, 1) : plan.per_result;
    segments = cut ? ceil_div(plan.per_result, segment) : 1;
  }

  const char* at(int64_t offset) const {
    return static_cast<const char*>(x.data) + (x.layout.offset + offset) * size;
  }
  int64_t group_results(int64_t group) const {
    const int64_t total = plan.rows ? plan.results : plan.inner.size;
    return std::min(per_group, total - (plan.rows ? group : group % blocks) * per_group);
  }
};

// Gathers n elements `stride` apart.
void pack(const char* from, int64_t stride, int64_t n, int64_t size, char* to) {
  const auto each = [&](auto element) {
    using E = decltype(element);
    auto* source = reinterpret_cast<const E*>(from);
    auto* target = reinterpret_cast<E*>(to);
    for (int64_t i = 0; i < n; ++i) target[i] = source[i * stride];
  };
  if (size == 1) each(uint8_t{});
  if (size == 2) each(uint16_t{});
  if (size == 4) each(uint32_t{});
  if (size == 8) each(uint64_t{});
}

// Elements [begin, end) of each result of a group of rows.
void take_rows(const Reduction& r, int64_t first, int64_t results, int64_t begin, int64_t end,
               char* accumulators, char* packed) {
  const ReduceAxis& inner = r.plan.inner;
  ReduceAxes outer = r.plan.kept;
  const ReduceAxis row = outer.count > 0 ? outer.take(outer.count - 1) : ReduceAxis{1, 0, 1};
  for (int64_t position = begin; position < end;) {
    const int64_t from = position % inner.size, n = std::min(inner.size - from, end - position);
    int64_t offset = from * inner.stride, index = from * inner.step;
    r.plan.reduced.locate(position / inner.size, &offset, &index);
    position += n;
    for (int64_t i = 0; i < results;) {
      const int64_t at_row = (first + i) % row.size,
                    count = std::min(row.size - at_row, results - i);
      int64_t start = offset + at_row * row.stride, unused = 0;
      outer.locate((first + i) / row.size, &start, &unused);
      char* into = accumulators + i * r.kernel.bytes;
      i += count;
      if (inner.stride == 1) {
        r.kernel.rows({r.at(start), count, row.stride, n, index, inner.step}, into);
        continue;
      }
      for (int64_t k = 0; k < count; ++k)
        for (int64_t p = 0; p < n; p += kPack) {
          const int64_t length = std::min(kPack, n - p);
          pack(r.at(start + k * row.stride + p * inner.stride), inner.stride, length, r.size,
               packed);
          r.kernel.rows({packed, 1, 0, length, index + p * inner.step, inner.step},
                        into + k * r.kernel.bytes);
        }
    }
  }
}

// Elements [begin, end) of each result of a group of columns, whose first lies at `base`.
void take_columns(const Reduction& r, int64_t base, int64_t results, int64_t begin, int64_t end,
                  char* accumulators, char* packed) {
  const ReduceAxis &inner = r.plan.inner, &along = r.plan.along;
  for (int64_t position = begin; position < end;) {
    const int64_t from = position % along.size, count = std::min(along.size - from, end - position);
    int64_t start = base + from * along.stride, index = from * along.step;
    r.plan.reduced.locate(position / along.size, &start, &index);
    position += count;
    if (inner.stride == 1) {
      r.kernel.columns({r.at(start), count, along.stride, results, index, along.step},
                       accumulators);
      continue;
    }
    for (int64_t k = 0; k < count; ++k) {
      pack(r.at(start + k * along.stride), inner.stride, results, r.size, packed);
      r.kernel.columns({packed, 1, 0, results, index + k * along.step, along.step}, accumulators);
    }
  }
}

void take(const Reduction& r, int64_t group, int64_t segment, char* accumulators, char* packed) {
  const int64_t results = r.group_results(group), begin = segment * r.segment,
                end = std::min(begin + r.segment, r.plan.per_result);
  r.kernel.start(accumulators, results);
  if (r.plan.rows)
    return take_rows(r, group * r.per_group, results, begin, end, accumulators, packed);
  int64_t base = group % r.blocks * r.per_group * r.plan.inner.stride, unused = 0;
  r.plan.kept.locate(group / r.blocks, &base, &unused);
  take_columns(r, base, results, begin, end, accumulators, packed);
}

// Results of a group to their places, which are neighbours unless the columns are a transposed view's.
void finish(const Reduction& r, int64_t group, const char* accumulators, char* unordered) {
  const int64_t results = r.group_results(group);
  int64_t first = group * r.per_group, step = 1;
  if (!r.plan.rows) {
    step = r.plan.inner.step;
    int64_t unused = 0;
    first = group % r.blocks * r.per_group * step;
    r.plan.kept.locate(group / r.blocks, &unused, &first);
  }
  char* out = r.out ? r.out + first * r.out_size : nullptr;
  int64_t* indices = r.indices ? r.indices + first : nullptr;
  if (step == 1) return r.kernel.finish(accumulators, results, r.how, out, indices);
  auto* some_indices = reinterpret_cast<int64_t*>(unordered);
  char* some = unordered + results * 8;
  r.kernel.finish(accumulators, results, r.how, out ? some : nullptr,
                  indices ? some_indices : nullptr);
  for (int64_t i = 0; i < results; ++i) {
    if (out)
      std::memcpy(out + i * step * r.out_size, some + i * r.out_size,
                  static_cast<size_t>(r.out_size));
    if (indices) indices[i * step] = some_indices[i];
  }
}

}  // namespace

void reduce_cpu(KernelArgs& args, const ReduceKernel& kernel, ReduceFinish how, void* out,
                int64_t* indices) {
  const Reduction r(args, kernel, how, out, indices);
  how.numel = static_cast<double>(r.plan.per_result);
  const int64_t bytes = r.per_group * kernel.bytes;
  // Accumulators, then packed elements, or results that are not yet in order: two arrays of 8 bytes an entry.
  const size_t chunk_bytes = static_cast<size_t>(bytes + 16 * std::max(kPack, r.per_group));
  const int64_t grain = grain_for(r.segment * r.per_group, kSegment / 2);
  const int64_t moved =
      args.inputs[0].numel() * static_cast<int64_t>(dtype_size(args.inputs[0].dtype));
  if (r.segments == 1)
    return sweep_for(r.groups, grain, moved, [&](int64_t begin, int64_t end) {
      auto* accumulators = static_cast<char*>(scratch(ScratchSlot::chunk, chunk_bytes));
      for (int64_t group = begin; group < end; ++group) {
        take(r, group, 0, accumulators, accumulators + bytes);
        finish(r, group, accumulators, accumulators + bytes);
      }
    });
  const int64_t tasks = r.groups * r.segments;
  auto* partial =
      static_cast<char*>(scratch(ScratchSlot::region, static_cast<size_t>(tasks * bytes)));
  sweep_for(tasks, grain, moved, [&](int64_t begin, int64_t end) {
    auto* packed = static_cast<char*>(scratch(ScratchSlot::chunk, chunk_bytes));
    for (int64_t task = begin; task < end; ++task)
      take(r, task / r.segments, task % r.segments, partial + task * bytes, packed);
  });
  parallel_for(r.groups, 1, [&](int64_t begin, int64_t end) {
    auto* unordered = static_cast<char*>(scratch(ScratchSlot::chunk, chunk_bytes));
    for (int64_t group = begin; group < end; ++group) {
      char* first = partial + group * r.segments * bytes;
      for (int64_t s = 1; s < r.segments; ++s)
        kernel.merge(first, first + s * bytes, r.group_results(group));
      finish(r, group, first, unordered);
    }
  });
}

}  // namespace tilegrad
