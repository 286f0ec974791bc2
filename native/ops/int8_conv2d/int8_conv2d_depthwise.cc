// A channel at a time: blocks of its rows are padded, each kernel of the channel slides over them, and its sums are finished
// while they are in L1. Bytes moved: the image about twice, in L1, and the output once.
#include <algorithm>

#include "core/ceil_div.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/int8_conv2d/int8_conv2d_depthwise_simd.h"
#include "ops/int8_conv2d/int8_conv2d_direct.h"

namespace tilegrad {
namespace {

constexpr int64_t kTaskWork = 1 << 18;     // multiply-adds
constexpr int64_t kBlockBytes = 24 << 10;  // of padded rows and sums
constexpr int64_t kVector = 64;            // bytes read or written beyond the end

class Depthwise {
 public:
  explicit Depthwise(const Int8Conv& d)
      : d_(d), s_(d.shape), kernels_(s_.k / s_.groups), flip_(d.epilogue.b_signed ? 0x80 : 0) {
    line_ = round_up((s_.q - 1) * s_.stride_w + (s_.s - 1) * s_.dilation_w + 1, kVector);
    const int64_t row_bytes = line_ * s_.stride_h + 4 * s_.q;
    rows_ = std::clamp<int64_t>(kBlockBytes / row_bytes, 1, s_.p);
  }

  void run() {
    constexpr int64_t kCall = 1 << 12;  // what a channel costs beside its products
    const int64_t work = kernels_ * (s_.p * s_.q * s_.r * s_.s + kCall);
    parallel_for(s_.n * s_.groups, grain_for(work, kTaskWork), [&](int64_t begin, int64_t end) {
      for (int64_t slice = begin; slice < end; ++slice)
        for (int64_t p = 0; p < s_.p; p += rows_)
          convolve(slice / s_.groups, slice % s_.groups, p, std::min(rows_, s_.p - p));
    });
  }

 private:
  int64_t input_rows(int64_t rows) const {
    return (rows - 1) * s_.stride_h + (s_.r - 1) * s_.dilation_h + 1;
  }

  void convolve(int64_t image, int64_t channel, int64_t p, int64_t rows) const {
    const int64_t height = input_rows(rows), sums = rows * s_.q * 4 + kVector;
    auto* lines = static_cast<uint8_t*>(
        scratch(ScratchSlot::chunk, static_cast<size_t>(height * line_ + 2 * kVector + sums)));
    auto* c = reinterpret_cast<int32_t*>(lines + height * line_ + 2 * kVector);
    TILEGRAD_SIMD(int8_pad_rows)
    ({d_.x + (image * s_.c + channel) * s_.h * s_.w, s_.h, s_.w, p * s_.stride_h - s_.pad_top,
      height, s_.pad_left, d_.padding, flip_, lines, line_});
    Int8Epilogue e = d_.epilogue;
    e.out = static_cast<char*>(e.out) +
            image * s_.k * e.out_row * static_cast<int64_t>(dtype_size(e.dtype));
    const int64_t taps = s_.r * s_.s;
    for (int64_t k = channel * kernels_; k < (channel + 1) * kernels_; ++k) {
      const auto* weight = reinterpret_cast<const int8_t*>(d_.weight) + k * taps;
      TILEGRAD_SIMD(int8_depthwise)
      ({lines, line_, weight, s_.r, s_.s, s_.dilation_h, s_.dilation_w, s_.stride_h, s_.stride_w,
        rows, s_.q, c});
      int32_t sum = 0;
      for (int64_t i = 0; i < taps; ++i) sum += weight[i];
      TILEGRAD_SIMD(int8_epilogue)
      (e, {c, rows * s_.q, k, 1, p * s_.q, rows * s_.q, &sum, nullptr, 0, flip_ != 0 ? -128 : 0});
    }
  }

  const Int8Conv& d_;
  const ConvShape& s_;
  const int64_t kernels_;  // of a channel
  const uint8_t flip_;
  int64_t line_ = 0, rows_ = 0;  // bytes of a padded row, rows of the output per block
};

}  // namespace

void int8_conv2d_depthwise(const Int8Conv& d) { Depthwise(d).run(); }

}  // namespace tilegrad
