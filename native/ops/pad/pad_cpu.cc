// pad: row by row of the last dimension, whose middle is copied whole. Its gradient: each row of the input's gradient adds
// up the rows of the output's that show it, in their order, so that the bits do not depend on the threads.
// Bytes moved: one read and one write per element of the output.
#include <algorithm>
#include <vector>

#include "core/cpu/copy.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/pad/pad.h"

namespace tilegrad {

namespace {

constexpr int64_t kGrain = 16384;  // elements per parallel chunk

// The last dimension: places [first, last) show the input from `first - begin` on, others what `source` says.
struct RowMap {
  std::vector<int64_t>
      margins;  // as long as those are: a row may have more places than the memory has room for
  int64_t in, out, first, last, begin;

  RowMap(const PadAxis& axis, PadMode mode) : in(axis.in), out(axis.out), begin(axis.begin) {
    first = std::clamp<int64_t>(begin, 0, out);
    last = std::clamp<int64_t>(begin + in, first, out);
    margins.reserve(static_cast<size_t>(out - (last - first)));
    for (int64_t o = 0; o < first; ++o) margins.push_back(axis.source(mode, o));
    for (int64_t o = last; o < out; ++o) margins.push_back(axis.source(mode, o));
  }
  int64_t source(int64_t o) const {
    return margins[static_cast<size_t>(o < first ? o : o - (last - first))];
  }
};

// The last dimension of what is at least a vector.
PadAxis last_axis(const PadPlan& plan) {
  return plan.rank > 0 ? plan.axes[plan.rank - 1] : PadAxis{1, 1, 0};
}

// The number of the input's row that stands in a row of the output, row after row; -1 for the constant.
class SourceRows {
 public:
  SourceRows(const PadPlan& plan, int64_t first) : plan_(plan) {
    for (int d = plan.rank - 2; d >= 0; --d) {
      set(d, first % plan.axes[d].out);
      first /= plan.axes[d].out;
    }
  }

  int64_t operator*() const {
    int64_t row = 0;
    for (int d = 0; d <= plan_.rank - 2; ++d) {
      if (source_[d] < 0) return -1;
      row = row * plan_.axes[d].in + source_[d];
    }
    return row;
  }

  void operator++() {
    for (int d = plan_.rank - 2; d >= 0; --d) {
      const bool more = at_[d] + 1 < plan_.axes[d].out;
      set(d, more ? at_[d] + 1 : 0);
      if (more) return;
    }
  }

 private:
  void set(int d, int64_t at) {
    at_[d] = at;
    source_[d] = plan_.axes[d].source(plan_.mode, at);
  }

  const PadPlan& plan_;
  int64_t at_[kMaxRank], source_[kMaxRank];
};

template <class T>
void pad_rows(const PadPlan& plan, const T* x, T value, T* y, int64_t rows) {
  const RowMap map(last_axis(plan), plan.mode);
  parallel_for(rows, grain_for(map.out, kGrain), [&](int64_t begin, int64_t end) {
    SourceRows sources(plan, begin);
    for (int64_t row = begin; row < end; ++row, ++sources) {
      T* to = y + row * map.out;
      const int64_t from_row = *sources;
      if (from_row < 0) {
        std::fill_n(to, map.out, value);
        continue;
      }
      const T* from = x + from_row * map.in;
      auto edge = [&](int64_t o) {
        const int64_t source = map.source(o);
        to[o] = source < 0 ? value : from[source];
      };
      for (int64_t o = 0; o < map.first; ++o) edge(o);
      if (map.last > map.first)
        copy_bytes(reinterpret_cast<char*>(to + map.first),
                   reinterpret_cast<const char*>(from + map.first - map.begin),
                   (map.last - map.first) * static_cast<int64_t>(sizeof(T)));
      for (int64_t o = map.last; o < map.out; ++o) edge(o);
    }
  });
}

// For each place of the input the places of the output that show it, ascending.
struct Preimages {
  std::vector<int64_t> start, places;

  Preimages(const PadAxis& axis, PadMode mode) : start(static_cast<size_t>(axis.in) + 1) {
    for (int64_t o = 0; o < axis.out; ++o) {
      const int64_t i = axis.source(mode, o);
      if (i >= 0) ++start[static_cast<size_t>(i) + 1];
    }
    for (size_t i = 1; i < start.size(); ++i) start[i] += start[i - 1];
    places.resize(static_cast<size_t>(start.back()));
    std::vector<int64_t> next(start.begin(), start.end() - 1);
    for (int64_t o = 0; o < axis.out; ++o) {
      const int64_t i = axis.source(mode, o);
      if (i >= 0) places[static_cast<size_t>(next[static_cast<size_t>(i)]++)] = o;
    }
  }
};

template <class T>
void add_row(const RowMap& map, const T* from, compute_t<T>* sums) {
  using C = compute_t<T>;
  for (int64_t o = 0; o < map.first; ++o)
    if (const int64_t i = map.source(o); i >= 0) sums[i] += static_cast<C>(from[o]);
  for (int64_t o = map.first; o < map.last; ++o) sums[o - map.begin] += static_cast<C>(from[o]);
  for (int64_t o = map.last; o < map.out; ++o)
    if (const int64_t i = map.source(o); i >= 0) sums[i] += static_cast<C>(from[o]);
}

// Adds all rows of dy that show row `row` of the input: every choice of one preimage per outer dimension.
template <class T>
void add_rows(const PadPlan& plan, const std::vector<Preimages>& outer, const RowMap& map,
              int64_t row, const T* dy, compute_t<T>* sums) {
  const int dims = plan.rank - 1;
  int64_t begin[kMaxRank], end[kMaxRank], at[kMaxRank];
  for (int d = dims - 1; d >= 0; --d) {
    const size_t i = static_cast<size_t>(row % plan.axes[d].in);
    row /= plan.axes[d].in;
    begin[d] = at[d] = outer[static_cast<size_t>(d)].start[i];
    end[d] = outer[static_cast<size_t>(d)].start[i + 1];
    if (begin[d] == end[d]) return;
  }
  for (;;) {
    int64_t from = 0;
    for (int d = 0; d < dims; ++d)
      from = from * plan.axes[d].out +
             outer[static_cast<size_t>(d)].places[static_cast<size_t>(at[d])];
    add_row(map, dy + from * map.out, sums);
    int d = dims - 1;
    for (; d >= 0 && ++at[d] == end[d]; --d) at[d] = begin[d];
    if (d < 0) return;
  }
}

}  // namespace

void pad_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &y = args.outputs[0];
  const PadPlan plan = pad_plan(args.attrs, x.shape());
  const double value = args.attrs.number("value");
  const int64_t rows = y.numel() / last_axis(plan).out;
  TG_DISPATCH_ALL(y.dtype, T, {
    pad_rows<T>(plan, x.as<T>(), static_cast<T>(static_cast<compute_t<T>>(value)), y.as<T>(), rows);
  });
}

void pad_input_grad_cpu(KernelArgs& args) {
  const View &dy = args.inputs[0], &dx = args.outputs[0];
  const PadPlan plan = pad_plan(args.attrs, dx.shape());
  const RowMap map(last_axis(plan), plan.mode);
  std::vector<Preimages> outer;
  for (int d = 0; d + 1 < plan.rank; ++d) outer.emplace_back(plan.axes[d], plan.mode);
  const int64_t rows = dx.numel() / map.in;
  TG_DISPATCH_FLOAT(dx.dtype, T, {
    using C = compute_t<T>;
    parallel_for(rows, grain_for(map.in, kGrain), [&](int64_t begin, int64_t end) {
      C* sums =
          static_cast<C*>(scratch(ScratchSlot::chunk, static_cast<size_t>(map.in) * sizeof(C)));
      for (int64_t row = begin; row < end; ++row) {
        std::fill_n(sums, map.in, C(0));
        if (dy.numel() > 0) add_rows<T>(plan, outer, map, row, dy.as<T>(), sums);
        T* to = dx.as<T>() + row * map.in;
        for (int64_t i = 0; i < map.in; ++i) to[i] = static_cast<T>(sums[i]);
      }
    });
  });
}

}  // namespace tilegrad
