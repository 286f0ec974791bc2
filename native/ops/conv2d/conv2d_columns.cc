// dx of one channel: its weights transposed (r s, k) times dy (k, p q) gives what every tap contributes to
// every position, and each pixel gathers its taps. Does k p q r s multiply-adds per channel, where the
// direct convolution of padded dy also multiplies the zeros of the padding: three times as many for a
// 5 x 5 kernel over 12 x 12. Stride 1 only. A task is one image of one group.
#include "ops/conv2d/conv2d_columns.h"

#include <algorithm>
#include <vector>

#include "core/ceil_div.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad {
namespace {

constexpr int64_t kTaskWork = 1 << 18;          // multiply-adds
constexpr int64_t kColumnsElements = 64 << 10;  // of one channel: a part of L2

template <class T>
void run(const ConvShape& s, const ConvGradient<T>& dy, const T* weight, T* dx) {
  const ConvKernels<T> kernels;
  const GemmKernels<T> gemm_kernels;
  const int64_t channels = s.c / s.groups, filters = s.k / s.groups, taps = s.r * s.s;
  const int64_t positions = s.p * s.q, lanes = kernels.geometry.lanes;
  const int64_t panels = ceil_div(taps, kernels.geometry.panel_rows);
  const int64_t panel_rows = ceil_div(taps, panels);

  // (groups, channels, panels) of (filters, rows)
  T* packed = static_cast<T*>(
      scratch(ScratchSlot::region, sizeof(T) * static_cast<size_t>(s.c * taps * filters)));
  for (int64_t c = 0; c < s.c; ++c) {
    const T* from = weight + (c / channels * filters * channels + c % channels) * taps;
    for (int64_t row = 0; row < taps; row += panel_rows) {
      const int rows = static_cast<int>(std::min(panel_rows, taps - row));
      gemm_kernels.pack({packed + (c * taps + row) * filters, rows, rows, filters, from + row, 1,
                         channels * taps});
    }
  }
  std::vector<int64_t> offsets, bases;
  for (int64_t k = 0; k < filters; ++k) offsets.push_back(k * positions);
  for (int64_t j = 0; j < positions; j += lanes) bases.push_back(std::min(j, positions - lanes));

  const int64_t work = filters * positions * taps * channels;
  const auto run_task = [&](int64_t task) {
    const int64_t elements = ceil_div(taps * positions, lanes) * lanes;
    const int64_t spread = dy.pooled() ? filters * positions : 0;
    T* columns =
        static_cast<T*>(scratch(ScratchSlot::chunk, sizeof(T) * (elements + s.h * lanes + spread)));
    const int64_t group = task % s.groups;
    const T* planes = dy.planes(task * filters, filters, columns + elements + s.h * lanes);
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t row = 0; row < taps; row += panel_rows) {
        ConvPanel<T> panel = {};
        panel.rows = static_cast<int>(std::min(panel_rows, taps - row));
        panel.depth = filters;
        panel.weights = packed + ((group * channels + c) * taps + row) * filters;
        panel.offsets = offsets.data();
        panel.image = planes;
        panel.vectors = static_cast<int64_t>(bases.size());
        panel.image_base = panel.out_base = bases.data();
        panel.out = columns + row * positions;
        panel.out_row = positions;
        kernels.panel(panel);
      }
      kernels.gather_columns({s.r, s.s, s.p, s.q, s.dilation_h, s.dilation_w, s.pad_top, s.pad_left,
                              columns, columns + elements, s.h, s.w,
                              dx + (task * channels + c) * s.h * s.w});
    }
  };
  parallel_for(s.n * s.groups, grain_for(work, kTaskWork), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) run_task(task);
  });
}

}  // namespace

bool columns_suit(const ConvShape& s, int element_size) {
  if (s.stride_h != 1 || s.stride_w != 1 || s.n * s.c * s.k == 0) return false;
  const ConvKernels<float> kernels;
  const int64_t lanes = kernels.geometry.lanes * 4 / element_size;
  const int64_t positions = s.p * s.q, taps = s.r * s.s, filters = s.k / s.groups;
  if (positions < lanes || positions * taps > kColumnsElements || taps == 1) return false;
  // Vector operations per channel and tap; gathering costs about two per tap and output vector.
  const int64_t pitch = s.w + (s.s - 1) * s.dilation_w;
  const int64_t direct =
      std::min(s.h * ceil_div(s.w, lanes), ceil_div(s.h * pitch, lanes)) * filters;
  const int64_t columns = ceil_div(positions, lanes) * filters + 2 * s.h * ceil_div(s.w, lanes);
  return 5 * columns < 4 * direct;
}

void columns_input_gradient(const ConvShape& shape, const ConvGradient<float>& dy,
                            const float* weight, float* dx) {
  run(shape, dy, weight, dx);
}
void columns_input_gradient(const ConvShape& shape, const ConvGradient<double>& dy,
                            const double* weight, double* dx) {
  run(shape, dy, weight, dx);
}

}  // namespace tilegrad
