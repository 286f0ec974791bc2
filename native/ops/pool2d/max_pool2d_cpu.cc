// max_pool2d, its gradient and that one's own on the CPU. Forward: chunks of output rows; backward: chunks of planes,
// since windows overlap. 16-bit floats are widened plane by plane, which changes no maximum. The gradient of windows of
// 2 x 2 at stride 2 writes each pixel once from registers; others add output by output, in their order.
// Bytes moved: each input and output once, one byte of tap per output.
#include <algorithm>
#include <limits>

#include "core/ceil_div.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "core/sweep.h"
#include "ops/pool2d/pool2d.h"
#include "ops/pool2d/pool2d_planes.h"

namespace tilegrad {

namespace {

void max_rows(const PoolShape& s, int64_t p0, int64_t p1, const float* x, float* y, uint8_t* taps,
              float* work) {
  TILEGRAD_SIMD(max_pool_rows_f32)(s, p0, p1, x, y, taps, work, max_pool_workspace(s));
}
void max_rows(const PoolShape& s, int64_t p0, int64_t p1, const double* x, double* y, uint8_t* taps,
              double* work) {
  TILEGRAD_SIMD(max_pool_rows_f64)(s, p0, p1, x, y, taps, work, max_pool_workspace(s));
}

// Windows of more than 255 taps, whose outputs are few.
template <class T>
void max_rows(const PoolShape& s, int64_t p0, int64_t p1, const T* x, T* y, int32_t* taps, T*) {
  for (int64_t p = p0; p < p1; ++p) {
    const int64_t top = p * s.stride_h - s.pad_top;
    const CellRange rows = cells_inside(top, s.dilation_h, s.h, s.r);
    for (int64_t q = 0; q < s.q; ++q) {
      const int64_t left = q * s.stride_w - s.pad_left;
      const CellRange cols = cells_inside(left, s.dilation_w, s.w, s.s);
      T best = -std::numeric_limits<T>::infinity();
      int64_t tap = -1;
      for (int64_t r = rows.first; r < rows.last; ++r) {
        const T* row = x + (top + r * s.dilation_h) * s.w + left;
        for (int64_t c = cols.first; c < cols.last; ++c) {
          const T value = row[c * s.dilation_w];
          if (!(value > best) && value == value && tap >= 0) continue;
          best = value;
          tap = r * s.s + c;
        }
      }
      y[p * s.q + q] = best;
      if (taps) taps[p * s.q + q] = static_cast<int32_t>(tap);
    }
  }
}

bool values(const PoolShape& s, int64_t begin, int64_t end, const float* x, float* y, float* work) {
  return TILEGRAD_SIMD(max_pool_values_f32)(s, begin, end, x, y, work);
}
bool values(const PoolShape& s, int64_t begin, int64_t end, const double* x, double* y,
            double* work) {
  return TILEGRAD_SIMD(max_pool_values_f64)(s, begin, end, x, y, work);
}

int64_t workspace(const PoolShape& s, bool saved) {
  return std::max(max_pool_workspace(s), saved ? 0 : max_pool_values_workspace(s));
}

// Output rows [begin, end), counted over all planes.
template <class T, class Tap>
void pool_rows(const PoolShape& s, int64_t begin, int64_t end, const T* x, T* y, Tap* taps,
               T* work) {
  if (!taps && max_pool_values_workspace(s) > 0 && values(s, begin, end, x, y, work)) return;
  for (int64_t row = begin; row < end;) {
    const int64_t plane = row / s.p, p0 = row % s.p;
    const int64_t p1 = std::min(s.p, p0 + end - row), out = plane * s.p * s.q;
    max_rows(s, p0, p1, x + plane * s.h * s.w, y + out, taps ? taps + out : nullptr, work);
    row += p1 - p0;
  }
}

// Where taps lie in the plane: position(tap, p, q) is the flat index, or -1 for none and for numbers that are no tap.
class Taps {
 public:
  explicit Taps(const PoolShape& s) : s_(s) {}
  int64_t position(int64_t tap, int64_t p, int64_t q) const {
    if (tap < 0 || tap >= s_.taps()) return -1;
    int64_t r = tap / s_.s, c = tap - r * s_.s;
    int64_t row = p * s_.stride_h - s_.pad_top + r * s_.dilation_h;
    int64_t col = q * s_.stride_w - s_.pad_left + c * s_.dilation_w;
    return row < 0 || row >= s_.h || col < 0 || col >= s_.w ? -1 : row * s_.w + col;
  }

 private:
  const PoolShape& s_;
};

template <class Tap>
void write_indices(const PoolShape& s, const Tap* taps, int64_t* indices) {
  parallel_for(s.planes, grain_for(s.p * s.q, kPoolGrain), [&](int64_t begin, int64_t end) {
    const Taps where(s);
    for (int64_t at = begin * s.p * s.q; at < end * s.p * s.q; ++at) {
      int64_t cell = at % (s.p * s.q);
      indices[at] = where.position(taps[at], cell / s.q, cell % s.q);
    }
  });
}

// Output rows of a chunk. Chunks of max_pool_values share the input rows of windows that both hold, so they are long, and
// whole planes where those are short.
int64_t rows_of_chunk(const PoolShape& s, bool saved) {
  if (saved || max_pool_values_workspace(s) == 0)
    return grain_for(std::max(s.stride_h * s.w, s.taps() * s.q), kPoolGrain);
  const int64_t rows = grain_for((s.r + s.s) * max_pool_values_pitch(s), 4 * kPoolGrain);
  return rows < s.p ? rows : rows / s.p * s.p;
}

template <class T, class Tap>
void max_forward(const PoolShape& s, const T* x, T* y, Tap* taps) {
  sweep_for(s.planes * s.p, rows_of_chunk(s, taps),
            s.planes * (s.h * s.w + s.p * s.q) * static_cast<int64_t>(sizeof(T)),
            [&](int64_t begin, int64_t end) {
              T* work = static_cast<T*>(
                  scratch(ScratchSlot::chunk, static_cast<size_t>(workspace(s, taps)) * sizeof(T)));
              pool_rows(s, begin, end, x, y, taps, work);
            });
}

template <class Tap>
void max_forward(KernelArgs& args, const PoolShape& s, Tap* taps) {
  const View &x = args.inputs[0], &y = args.outputs[0];
  if (x.dtype == DType::f32) return max_forward(s, x.as<float>(), y.as<float>(), taps);
  if (x.dtype == DType::f64) return max_forward(s, x.as<double>(), y.as<double>(), taps);
  by_wide_planes(s.planes, x, s.h * s.w, y, s.p * s.q, workspace(s, taps),
                 [&](int64_t plane, const float* in, float* out, float* work) {
                   pool_rows(s, 0, s.p, in, out, taps ? taps + plane * s.p * s.q : nullptr, work);
                 });
}

template <class T, class Tap>
void add_at_taps(const PoolShape& s, const T* dy, const Tap* taps, T* dx) {
  std::fill_n(dx, s.h * s.w, T(0));
  const Taps where(s);
  for (int64_t p = 0; p < s.p; ++p) {
    for (int64_t q = 0; q < s.q; ++q) {
      int64_t at = where.position(taps[p * s.q + q], p, q);
      if (at >= 0) dx[at] += dy[p * s.q + q];
    }
  }
}

// Windows of at most 255 taps: a table instead of a division. Windows inside the plane test the tap alone; others its row and
// column, by unsigned comparisons that no number beyond the table passes.
class TapTable {
 public:
  explicit TapTable(const PoolShape& s) : s_(s) {
    std::fill_n(row_of_, 256, std::numeric_limits<int64_t>::min() / 2);
    std::fill_n(col_of_, 256, 0);
    std::fill_n(offset_of_, 256, -1);
    for (int64_t t = 0; t < std::min<int64_t>(s.taps(), 256); ++t) {
      row_of_[t] = t / s.s * s.dilation_h;
      col_of_[t] = t % s.s * s.dilation_w;
      offset_of_[t] = row_of_[t] * s.w + col_of_[t];
    }
    rows_ = inside(s.p, s.stride_h, s.pad_top, (s.r - 1) * s.dilation_h, s.h);
    cols_ = inside(s.q, s.stride_w, s.pad_left, (s.s - 1) * s.dilation_w, s.w);
  }

  template <class T>
  void add(const T* dy, const uint8_t* taps, T* dx) const {
    std::fill_n(dx, s_.h * s_.w, T(0));
    for (int64_t p = 0; p < s_.p; ++p, taps += s_.q, dy += s_.q) {
      const bool middle = p >= rows_.first && p < rows_.last;
      const int64_t from = middle ? cols_.first : s_.q, to = middle ? cols_.last : s_.q;
      add_checked(p, 0, from, dy, taps, dx);
      const int64_t start = (p * s_.stride_h - s_.pad_top) * s_.w - s_.pad_left;
      for (int64_t q = from; q < to; ++q) {
        const int64_t offset = offset_of_[taps[q]];
        if (offset >= 0) dx[start + q * s_.stride_w + offset] += dy[q];
      }
      add_checked(p, to, s_.q, dy, taps, dx);
    }
  }

 private:
  // The windows that padding and the far end do not cut.
  static CellRange inside(int64_t count, int64_t stride, int64_t pad, int64_t reach, int64_t size) {
    const int64_t first = std::min(count, ceil_div(pad, stride));
    const int64_t room = size - 1 - reach + pad;  // of the last window's begin
    return {first, std::clamp(room < 0 ? 0 : room / stride + 1, first, count)};
  }

  template <class T>
  void add_checked(int64_t p, int64_t from, int64_t to, const T* dy, const uint8_t* taps,
                   T* dx) const {
    const auto height = static_cast<uint64_t>(s_.h), width = static_cast<uint64_t>(s_.w);
    const int64_t top = p * s_.stride_h - s_.pad_top;
    for (int64_t q = from; q < to; ++q) {
      const auto row = static_cast<uint64_t>(top + row_of_[taps[q]]);
      const auto col = static_cast<uint64_t>(q * s_.stride_w - s_.pad_left + col_of_[taps[q]]);
      if (row < height && col < width) dx[row * width + col] += dy[q];
    }
  }

  const PoolShape& s_;
  CellRange rows_, cols_;
  int64_t row_of_[256], col_of_[256], offset_of_[256];
};

// The gradient of one plane. Windows of more taps divide.
class Unpool {
 public:
  explicit Unpool(const PoolShape& s) : s_(s), table_(s) {}
  void operator()(const float* dy, const uint8_t* taps, float* dx) const {
    if (s_.is_2x2 && s_.q >= 4) return TILEGRAD_SIMD(max_unpool_2x2_f32)(s_, dy, taps, dx);
    table_.add(dy, taps, dx);
  }
  void operator()(const double* dy, const uint8_t* taps, double* dx) const {
    if (s_.is_2x2 && s_.q >= 4) return TILEGRAD_SIMD(max_unpool_2x2_f64)(s_, dy, taps, dx);
    table_.add(dy, taps, dx);
  }
  template <class T>
  void operator()(const T* dy, const int32_t* taps, T* dx) const {
    add_at_taps(s_, dy, taps, dx);
  }

 private:
  const PoolShape& s_;
  TapTable table_;
};

template <class T, class Tap>
void unpool_planes(KernelArgs& args, const PoolShape& s, const Tap* taps) {
  const T* dy = args.inputs[0].as<T>();
  T* dx = args.outputs[0].as<T>();
  parallel_for(s.planes, grain_for(s.h * s.w, kPoolGrain), [&](int64_t begin, int64_t end) {
    const Unpool unpool(s);
    for (int64_t plane = begin; plane < end; ++plane)
      unpool(dy + plane * s.p * s.q, taps + plane * s.p * s.q, dx + plane * s.h * s.w);
  });
}

template <class Tap>
void max_backward(KernelArgs& args, const PoolShape& s) {
  const View &dy = args.inputs[0], &dx = args.outputs[0];
  const Tap* taps = args.inputs[1].as<Tap>();
  if (dy.dtype == DType::f32) return unpool_planes<float>(args, s, taps);
  if (dy.dtype == DType::f64) return unpool_planes<double>(args, s, taps);
  const Unpool unpool(s);
  by_wide_planes(s.planes, dy, s.p * s.q, dx, s.h * s.w, 0,
                 [&](int64_t plane, const float* in, float* out, float*) {
                   unpool(in, taps + plane * s.p * s.q, out);
                 });
}

template <class Tap>
void pick(KernelArgs& args, const PoolShape& s) {
  const Tap* taps = args.inputs[1].as<Tap>();
  TG_DISPATCH_SIZE(args.inputs[0].dtype, T, {
    const T* x = args.inputs[0].as<T>();
    T* y = args.outputs[0].as<T>();
    parallel_for(s.planes, grain_for(s.p * s.q, kPoolGrain), [&](int64_t begin, int64_t end) {
      const Taps where(s);
      for (int64_t out = begin * s.p * s.q; out < end * s.p * s.q; ++out) {
        int64_t plane = out / (s.p * s.q), cell = out % (s.p * s.q);
        int64_t at = where.position(taps[out], cell / s.q, cell % s.q);
        y[out] = at < 0 ? T(0) : x[plane * s.h * s.w + at];
      }
    });
  });
}

}  // namespace

int64_t max_pool_workspace(const PoolShape& s) {
  constexpr int64_t kUsual = 8192, kMost = 65536;
  const int64_t span_w = (s.s - 1) * s.dilation_w + 1, span_h = (s.r - 1) * s.dilation_h + 1;
  const int64_t reach = (s.q - 1) * s.stride_w + span_w;
  if (s.pad_left == 0 && reach <= s.w) return 0;
  const int64_t pitch = std::max(reach, s.pad_left + s.w);
  return pitch > kMost / span_h ? 0 : std::max(kUsual, pitch * span_h);
}

int64_t max_pool_values_workspace(const PoolShape& s) {
  const int64_t span = (s.r - 1) * s.dilation_h + 1, pitch = max_pool_values_pitch(s);
  const bool overlap = s.r > 1 && s.s > 1 && s.taps() > s.stride_h * s.stride_w;
  // Beside the rows one for reading beyond them, a result row, and what whole vectors reach.
  if (!overlap || (span + 1) * pitch > kMaxPoolBlock) return 0;
  return kMaxPoolBlock + pitch + 64;
}

void max_pool2d_cpu(KernelArgs& args) {
  const PoolShape s = pool_shape(args.attrs, args.inputs[0].shape(), true);
  const bool saved = args.output_count > 1, indexed = args.output_count > 2;
  if (taps_dtype(s.taps()) == DType::u8) {
    auto* taps = saved ? args.outputs[1].as<uint8_t>() : nullptr;
    max_forward(args, s, taps);
    if (indexed) write_indices(s, taps, args.outputs[2].as<int64_t>());
  } else {
    auto* taps = saved ? args.outputs[1].as<int32_t>() : nullptr;
    max_forward(args, s, taps);
    if (indexed) write_indices(s, taps, args.outputs[2].as<int64_t>());
  }
}

void max_pool2d_input_grad_cpu(KernelArgs& args) {
  const PoolShape s = pool_shape(args.attrs, args.outputs[0].shape(), true);
  taps_dtype(s.taps()) == DType::u8 ? max_backward<uint8_t>(args, s)
                                    : max_backward<int32_t>(args, s);
}

void max_pool2d_pick_cpu(KernelArgs& args) {
  const PoolShape s = pool_shape(args.attrs, args.inputs[0].shape(), true);
  taps_dtype(s.taps()) == DType::u8 ? pick<uint8_t>(args, s) : pick<int32_t>(args, s);
}

}  // namespace tilegrad
