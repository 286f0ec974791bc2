// For the weights an image is expanded to (output column, row, the row of a patch in all channels), so that
// a patch is one run of neighbours; each entry adds its patch to the sums of its filter. Parts of the images,
// whose number depends on the shape alone, have sums of their own, which are added in order.
// For the input an image lies channels last; each window adds the kernels that its entries scale into a tile
// of rows. Kernels are packed with zeros around, so that a tap only moves where they start.
#include "ops/conv2d/conv2d_pool_gradient.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/ceil_div.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/conv2d/conv2d_pool_gradient_simd.h"

namespace tilegrad {
namespace {

constexpr int64_t kMaxParts = 16;
constexpr int64_t kPartsElements = 1 << 24;
constexpr int64_t kCached = 1 << 16;     // elements of an image or of the kernels: a part of L2
constexpr int64_t kChunkWork = 1 << 17;  // multiply-adds
constexpr int64_t kSlack = 64;           // elements that vectors may read or write behind an array

int64_t lanes() { return ConvKernels<float>().geometry.lanes; }

// Of one group.
struct Sizes {
  int64_t filters, channels, windows_h, windows_w, windows;
  int64_t rows, cols;  // of the padded image
  int64_t pitch;       // elements of its row
  int64_t patch;       // elements of a row of a patch
  int64_t image() const { return rows * pitch; }
};

Sizes sizes_of(const ConvShape& s) {
  Sizes z;
  z.filters = s.k / s.groups, z.channels = s.c / s.groups;
  z.windows_h = s.p / 2, z.windows_w = s.q / 2, z.windows = z.windows_h * z.windows_w;
  z.rows = std::max((s.p - 1) * s.stride_h + s.r, s.h + s.pad_top);
  z.cols = std::max((s.q - 1) * s.stride_w + s.s, s.w + s.pad_left);
  z.pitch = z.cols * z.channels;
  z.patch = s.s * z.channels;
  return z;
}

bool suits(const ConvShape& s) {
  return s.dilation_h == 1 && s.dilation_w == 1 && s.n > 0 && s.k > 0 && s.c > 0;
}

// Rows of a patch in whole vectors, or in 4 or 8 elements where that is enough.
int64_t padded_patch(int64_t patch) {
  const int64_t w = lanes();
  if (2 * patch > w) return round_up(patch, w);
  return patch <= 4 ? 4 : 8;
}

// Of an image that windows reach.
int64_t expanded_rows(const ConvShape& s, const Sizes& z) {
  return (2 * z.windows_h - 1) * s.stride_h + s.r;
}

// A row of a packed kernel, and a kernel with the zeros around it.
int64_t shifted_row(const ConvShape& s, const Sizes& z) {
  return round_up(z.patch + s.stride_w * z.channels, lanes());
}
int64_t shifted_kernel(const ConvShape& s, const Sizes& z) {
  return (s.r + 2 * s.stride_h) * shifted_row(s, z);
}

// One image of one group, (channels, rows, cols); what lies around it is not written.
void copy_padded(const ConvShape& s, const Sizes& z, const float* x, float* out) {
  const bool whole = z.cols == s.w && z.rows == s.h;
  const int64_t length = whole ? z.channels * s.h * s.w : s.w;
  for (int64_t i = 0; i < (whole ? 1 : z.channels * s.h); ++i) {
    float* to = out + (i / s.h * z.rows + i % s.h + s.pad_top) * z.cols + s.pad_left;
    std::memcpy(to, x + i * s.w, static_cast<size_t>(length) * sizeof(float));
  }
}

void channels_first(const ConvShape& s, const Sizes& z, const float* in, float* dx) {
  const int64_t plane = s.h * s.w, c = z.channels;
  in += s.pad_top * z.pitch + s.pad_left * c;
  if (z.cols == s.w && c > 1) {
    const int width = static_cast<int>(plane);
    const GemmKernels<float> kernels;
    return kernels.pack({dx, width, width, c, in, c, 1});
  }
  for (int64_t channel = 0; channel < c; ++channel) {
    for (int64_t i = 0; i < s.h; ++i) {
      const float* from = in + i * z.pitch + channel;
      for (int64_t j = 0; j < s.w; ++j) *dx++ = from[j * c];
    }
  }
}

class WeightGradient {
 public:
  WeightGradient(const ConvShape& s, const float* x, const ConvGradient<float>& dy)
      : s_(s),
        z_(sizes_of(s)),
        x_(x),
        dy_(dy),
        row_(padded_patch(z_.patch)),
        rows_(expanded_rows(s, z_)) {
    vectors_ = ceil_div(s.r * row_, lanes());
    sums_ = vectors_ * lanes();
    for (int64_t v = 0; v < vectors_; ++v) place_.push_back(static_cast<int32_t>(v * lanes()));
    for (int64_t i = 0; i < z_.windows_h; ++i) {
      for (int64_t j = 0; j < z_.windows_w; ++j) {
        base_.push_back(static_cast<int32_t>((2 * j * rows_ + 2 * i * s.stride_h) * row_));
      }
    }
  }

  void run(float* dweight, float* dbias) {
    const int64_t most = std::clamp<int64_t>(kPartsElements / (s_.k * sums_), 1, kMaxParts);
    const int64_t parts = std::min(s_.n, most);
    const int64_t bias = parts * s_.k * sums_;
    auto* sums = static_cast<float*>(
        scratch(ScratchSlot::region, sizeof(float) * static_cast<size_t>(bias + parts * s_.k)));
    const int64_t work = s_.n * z_.windows * s_.k * sums_ / parts;
    parallel_for(parts, grain_for(work, kChunkWork), [&](int64_t begin, int64_t end) {
      for (int64_t part = begin; part < end; ++part) {
        run_part(s_.n * part / parts, s_.n * (part + 1) / parts, sums + part * s_.k * sums_,
                 sums + bias + part * s_.k);
      }
    });
    parallel_for(s_.k, grain_for(parts * sums_), [&](int64_t begin, int64_t end) {
      for (int64_t part = 1; part < parts; ++part) {
        const float* from = sums + part * s_.k * sums_;
        for (int64_t i = begin * sums_; i < end * sums_; ++i) sums[i] += from[i];
      }
      for (int64_t k = begin; k < end; ++k) write(sums + k * sums_, dweight + k * s_.r * z_.patch);
    });
    for (int64_t k = 0; k < s_.k && dbias != nullptr; ++k) {
      dbias[k] = sums[bias + k];
      for (int64_t part = 1; part < parts; ++part) dbias[k] += sums[bias + part * s_.k + k];
    }
  }

 private:
  int64_t expanded() const { return 2 * z_.windows_w * rows_ * row_ + kSlack; }

  void run_part(int64_t image, int64_t end, float* sums, float* bias) const {
    std::fill(sums, sums + s_.k * sums_, 0.0f);
    std::fill(bias, bias + s_.k, 0.0f);
    const int64_t padded = round_up(z_.image() + kSlack, 16), room = z_.windows + 16;
    const int64_t places = round_up(expanded(), 16);
    auto* copy = static_cast<float*>(scratch(
        ScratchSlot::chunk, sizeof(float) * static_cast<size_t>(padded + places + 2 * room)));
    std::fill(copy, copy + padded, 0.0f);
    float *patches = copy + padded, *scale = patches + places;
    auto* start = reinterpret_cast<int32_t*>(scale + room);
    for (; image < end; ++image) {
      for (int64_t group = 0; group < s_.groups; ++group) {
        copy_padded(s_, z_, x_ + (image * s_.c + group * z_.channels) * s_.h * s_.w, copy);
        TILEGRAD_SIMD(conv_expand_rows)
        ({2 * z_.windows_w, rows_, z_.channels, copy, z_.rows * z_.cols, z_.cols, s_.stride_w, s_.s,
          patches, row_});
        for (int64_t k = group * z_.filters; k < (group + 1) * z_.filters; ++k) {
          bias[k] += add_filter(image * s_.k + k, patches, scale, start, sums + k * sums_);
        }
      }
    }
  }

  float add_filter(int64_t plane, const float* patches, float* scale, int32_t* start,
                   float* sums) const {
    const int64_t at = plane * z_.windows;
    const PooledSum sum = TILEGRAD_SIMD(conv_pooled_entries)(
        {z_.windows, dy_.dy + at, dy_.y + at, dy_.taps + at, dy_.activation, base_.data(), 0,
         static_cast<int32_t>(s_.stride_h * row_), static_cast<int32_t>(rows_ * row_), scale,
         start});
    TILEGRAD_SIMD(conv_scaled_runs)
    ({vectors_, z_.windows, scale, start, patches, place_.data(), sums});
    return sum.sum;
  }

  // From (r, c, s) to (c, r, s).
  void write(const float* sums, float* out) const {
    for (int64_t c = 0; c < z_.channels; ++c) {
      for (int64_t r = 0; r < s_.r; ++r, out += s_.s) {
        std::copy_n(sums + r * row_ + c * s_.s, s_.s, out);
      }
    }
  }

  const ConvShape& s_;
  const Sizes z_;
  const float* x_;
  const ConvGradient<float>& dy_;
  const int64_t row_;       // elements of a row of a patch, padded
  const int64_t rows_;      // of the image, expanded
  int64_t vectors_, sums_;  // of a filter
  std::vector<int32_t> base_, place_;
};

class InputGradient {
 public:
  InputGradient(const ConvShape& s, const ConvGradient<float>& dy, const float* weight)
      : s_(s),
        z_(sizes_of(s)),
        dy_(dy),
        weight_(weight),
        row_(shifted_row(s, z_)),
        shifted_(shifted_kernel(s, z_)) {
    for (int64_t i = 0; i < s.r + s.stride_h; ++i) {
      for (int64_t j = 0; j < row_; j += lanes())
        place_.push_back(static_cast<int32_t>(i * z_.pitch + j));
    }
  }

  void run(float* dx) {
    const int64_t elements = s_.k * 2 * shifted_;
    auto* kernels = static_cast<float*>(
        scratch(ScratchSlot::region, sizeof(float) * static_cast<size_t>(elements)));
    pack_kernels(kernels);
    const int64_t work = z_.windows * s_.k * static_cast<int64_t>(place_.size()) * lanes();
    const int64_t plane = z_.channels * s_.h * s_.w;
    parallel_for(s_.n * s_.groups, grain_for(work, kChunkWork), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) run_image(i, kernels, dx + i * plane);
    });
  }

 private:
  // Per filter twice (r + 2 stride_h, row_), with zeros above, below and on the right, the second one moved to the
  // right by stride_w columns.
  void pack_kernels(float* out) const {
    std::fill(out, out + s_.k * 2 * shifted_, 0.0f);
    const float* from = weight_;
    for (int64_t k = 0; k < s_.k; ++k, out += 2 * shifted_) {
      for (int64_t c = 0; c < z_.channels; ++c) {
        for (int64_t i = 0; i < s_.r; ++i) {
          float* to = out + (s_.stride_h + i) * row_ + c;
          for (int64_t j = 0; j < s_.s; ++j, to += z_.channels) {
            to[0] = to[shifted_ + s_.stride_w * z_.channels] = *from++;
          }
        }
      }
    }
  }

  void run_image(int64_t image, const float* kernels, float* dx) const {
    const int64_t space = round_up(z_.image() + kSlack, 16), pitch = round_up(z_.windows + 16, 16);
    const int64_t listed = z_.filters * pitch, turned = z_.filters * z_.windows;
    auto* sums = static_cast<float*>(scratch(
        ScratchSlot::chunk, sizeof(float) * static_cast<size_t>(space + 2 * (listed + turned))));
    std::fill(sums, sums + space, 0.0f);
    float *scale = sums + space, *start = scale + listed, *scales = start + listed;
    float* starts = scales + turned;  // the bits of int32
    if (list(image, pitch, scale, reinterpret_cast<int32_t*>(start))) {
      const GemmKernels<float> gemm;
      const int k = static_cast<int>(z_.filters);
      gemm.pack({scales, k, k, z_.windows, scale, pitch, 1});
      gemm.pack({starts, k, k, z_.windows, start, pitch, 1});
      add_windows(kernels + image % s_.groups * z_.filters * 2 * shifted_, scales,
                  reinterpret_cast<const int32_t*>(starts), sums);
    } else {
      add_one_by_one(image, pitch, scale, sums);
    }
    channels_first(s_, z_, sums, dx);
  }

  // The entries of one image and group, (filters, pitch); false where some are not finite.
  bool list(int64_t image, int64_t pitch, float* scale, int32_t* start) const {
    bool finite = true;
    for (int64_t k = 0; k < z_.filters; ++k) {
      const int64_t at = (image * z_.filters + k) * z_.windows;
      const PooledSum sum = TILEGRAD_SIMD(conv_pooled_entries)(
          {z_.windows, dy_.dy + at, dy_.y + at, dy_.taps + at, dy_.activation, nullptr,
           static_cast<int32_t>(k * 2 * shifted_ + s_.stride_h * row_),
           static_cast<int32_t>(-s_.stride_h * row_), static_cast<int32_t>(shifted_),
           scale + k * pitch, start + k * pitch});
      finite &= sum.finite;
    }
    return finite;
  }

  float* window(float* sums, int64_t i) const {
    const int64_t row = 2 * (i / z_.windows_w) * s_.stride_h;
    const int64_t col = 2 * (i % z_.windows_w) * s_.stride_w;
    return sums + row * z_.pitch + col * z_.channels;
  }

  void add_windows(const float* kernels, const float* scales, const int32_t* starts,
                   float* sums) const {
    const auto runs = TILEGRAD_SIMD(conv_scaled_runs);
    const auto vectors = static_cast<int64_t>(place_.size());
    for (int64_t i = 0; i < z_.windows; ++i) {
      runs({vectors, z_.filters, scales + i * z_.filters, starts + i * z_.filters, kernels,
            place_.data(), window(sums, i)});
    }
  }

  // The zeros around a kernel times an infinite gradient would be NaN.
  void add_one_by_one(int64_t image, int64_t pitch, const float* scale, float* sums) const {
    const float* weight = weight_ + image % s_.groups * z_.filters * s_.r * z_.patch;
    for (int64_t k = 0; k < z_.filters; ++k) {
      for (int64_t i = 0; i < z_.windows; ++i) {
        const int tap = dy_.taps[(image * z_.filters + k) * z_.windows + i];
        const float g = scale[k * pitch + i];
        float* to = window(sums, i) + tap / 2 * s_.stride_h * z_.pitch +
                    tap % 2 * s_.stride_w * z_.channels;
        const float* from = weight + k * s_.r * z_.patch;
        for (int64_t c = 0; c < z_.channels; ++c) {
          for (int64_t r = 0; r < s_.r; ++r) {
            for (int64_t t = 0; t < s_.s; ++t) {
              to[r * z_.pitch + t * z_.channels + c] += g * *from++;
            }
          }
        }
      }
    }
  }

  const ConvShape& s_;
  const Sizes z_;
  const ConvGradient<float>& dy_;
  const float* weight_;
  const int64_t row_, shifted_;  // elements of a packed row and of a packed kernel
  std::vector<int32_t> place_;
};

}  // namespace

bool pooled_weight_gradient_fits(const ConvShape& s) {
  const Sizes z = sizes_of(s);
  return suits(s) && 2 * z.windows_w * expanded_rows(s, z) * padded_patch(z.patch) <= kCached;
}

bool pooled_input_gradient_fits(const ConvShape& s) {
  const Sizes z = sizes_of(s);
  return suits(s) && z.filters * 2 * shifted_kernel(s, z) <= kCached && z.image() <= kCached;
}

void pooled_weight_gradient(const ConvShape& s, const float* x, const ConvGradient<float>& dy,
                            float* dweight, float* dbias) {
  WeightGradient(s, x, dy).run(dweight, dbias);
}

void pooled_input_gradient(const ConvShape& s, const ConvGradient<float>& dy, const float* weight,
                           float* dx) {
  InputGradient(s, dy, weight).run(dx);
}

}  // namespace tilegrad
