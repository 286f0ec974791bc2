// A block of output rows of one image and group at a time: its input rows are padded and laid out as planes of groups, either
// neighbouring channels or neighbouring taps side by side, whichever makes fewer steps; a plane for each phase of the strides,
// so that neighbouring outputs read neighbouring groups. Pixels are numbered through the rows of a plane, a few too many at
// the end of each, which are dropped, and pooled, before the epilogue. Bytes moved: 4 to 16 of the image, in L1 and L2, and
// the output once.
#include "ops/int8_conv2d/int8_conv2d_direct.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/int8_conv2d/int8_conv2d_simd.h"

namespace tilegrad {
namespace {

constexpr int64_t kTaskWork = 1 << 19;   // multiply-adds
constexpr int64_t kTaskBytes = 1 << 17;  // of sums

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

class Direct {
 public:
  explicit Direct(const Int8Conv& d)
      : d_(d),
        s_(d.shape),
        geometry_(TILEGRAD_SIMD(int8_direct_geometry)()),
        channels_(s_.c / s_.groups),
        kernels_(s_.k / s_.groups),
        flip_(d.epilogue.b_signed ? 0x80 : 0) {
    const int64_t along = channels_ * s_.r * ceil_div(s_.s, geometry_.group);
    const int64_t across = ceil_div(channels_, geometry_.group) * s_.r * s_.s;
    along_ = s_.stride_w == 1 && along < across;
    steps_ = std::max<int64_t>(along_ ? along : across, 1);  // without channels a step of zeros
    planes_ = along_ ? channels_ : ceil_div(channels_, geometry_.group);
    row_groups_ = ceil_div((s_.q - 1) * s_.stride_w + (s_.s - 1) * s_.dilation_w + 1, s_.stride_w);
    panel_rows_ = ceil_div(kernels_, ceil_div(kernels_, geometry_.rows));
    in_runs_ = flip_ == 0 && s_.pad_top == 0 && s_.pad_left == 0 && phases() == 1 &&
               row_groups_ == s_.w && s_.p + (s_.r - 1) * s_.dilation_h <= s_.h;
    share_rows();
    plane_rows_ = ceil_div(input_rows(task_rows_), s_.stride_h);
    plane_ = plane_rows_ * row_groups_;
  }

  void run() {
    set_offsets();
    find_weights();
    const int64_t blocks = ceil_div(rows_, task_rows_);
    const int64_t work = kernels_ * s_.q * task_rows_ * steps_ * geometry_.group;
    parallel_for(s_.n * s_.groups * blocks, grain_for(work, kTaskWork),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t task = begin; task < end; ++task) {
                     const int64_t block = task % blocks, slice = task / blocks;
                     convolve(slice / s_.groups, slice % s_.groups, block * task_rows_);
                   }
                 });
  }

 private:
  // Rows of the output per task: of a pooled one pairs.
  void share_rows() {
    const int64_t unit = d_.pool ? 2 : 1;
    rows_ = s_.p / unit * unit;
    const int64_t work = unit * kernels_ * s_.q * steps_ * geometry_.group;
    const int64_t fitting = std::max<int64_t>(kTaskBytes / 4 / (unit * kernels_ * row_groups_), 1);
    const int64_t units = std::max<int64_t>(rows_ / unit, 1);
    const int64_t most = std::min({grain_for(work, kTaskWork), fitting, units});
    task_rows_ = ceil_div(units, ceil_div(units, most)) * unit;
  }

  int64_t input_rows(int64_t rows) const {
    return (rows - 1) * s_.stride_h + (s_.r - 1) * s_.dilation_h + 1;
  }
  int64_t phases() const { return s_.stride_h * s_.stride_w; }
  int64_t plane_at(int64_t plane, int64_t h, int64_t w) const {
    const int64_t phase = h % s_.stride_h * s_.stride_w + w % s_.stride_w;
    return (plane * phases() + phase) * plane_ + h / s_.stride_h * row_groups_ + w / s_.stride_w;
  }

  // Calls visit(step, plane, r, first tap along s) in the order of the steps.
  template <class Visit>
  void each_step(Visit visit) const {
    int64_t step = 0;
    for (int64_t plane = 0; plane < planes_; ++plane)
      for (int64_t r = 0; r < s_.r; ++r)
        for (int64_t s = 0; s < s_.s; s += along_ ? geometry_.group : 1) visit(step++, plane, r, s);
  }

  void set_offsets() {
    offsets_.resize(static_cast<size_t>(steps_));
    each_step([&](int64_t step, int64_t plane, int64_t r, int64_t s) {
      offsets_[static_cast<size_t>(step)] = plane_at(plane, r * s_.dilation_h, s * s_.dilation_w);
    });
  }

  uint32_t weight_group(int64_t kernel, int64_t plane, int64_t r, int64_t s) const {
    const int bits = 32 / geometry_.group;
    uint32_t group = 0;
    for (int i = 0; i < geometry_.group; ++i) {
      const int64_t c = along_ ? plane : plane * geometry_.group + i, tap = along_ ? s + i : s;
      if (c >= channels_ || tap >= s_.s) break;
      const auto w =
          static_cast<int8_t>(d_.weight[((kernel * channels_ + c) * s_.r + r) * s_.s + tap]);
      group |= (static_cast<uint32_t>(w) & (bits == 8 ? 0xffu : 0xffffu)) << (bits * i);
    }
    return group;
  }

  // The sums of the kernels, and panels of panel_rows_ kernels, the last of a group with fewer.
  void pack_weights(void* out) {
    std::memset(out, 0, weight_bytes());
    take_weights(out);
    const int64_t panels = ceil_div(kernels_, panel_rows_), depth = channels_ * s_.r * s_.s;
    parallel_for(s_.groups * panels, grain_for(panel_rows_ * depth * 4),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t p = begin; p < end; ++p) pack_panel(p / panels, p % panels);
                 });
  }

  void pack_panel(int64_t group, int64_t panel) const {
    const int64_t at = panel * panel_rows_, first = group * kernels_ + at;
    const int64_t rows = std::min(panel_rows_, kernels_ - at), depth = channels_ * s_.r * s_.s;
    uint32_t* out = weights_ + first * steps_;
    each_step([&](int64_t step, int64_t plane, int64_t r, int64_t s) {
      for (int64_t i = 0; i < rows; ++i)
        out[step * rows + i] = weight_group(first + i, plane, r, s);
    });
    for (int64_t i = 0; i < rows; ++i) {
      int32_t sum = 0;
      for (int64_t j = 0; j < depth; ++j)
        sum += static_cast<int8_t>(d_.weight[(first + i) * depth + j]);
      sums_[first + i] = sum;
    }
  }

  size_t weight_bytes() const { return static_cast<size_t>(s_.k * (steps_ + 1)) * 4; }
  void take_weights(const void* packed) {
    sums_ = const_cast<int32_t*>(static_cast<const int32_t*>(packed));
    weights_ = reinterpret_cast<uint32_t*>(sums_ + s_.k);
  }

  // Kept ones, or those of this call.
  void find_weights() {
    const PackedKey key = {
        "int8_direct",
        {reinterpret_cast<intptr_t>(d_.weight), s_.k, s_.groups, channels_, s_.r, s_.s, along_}};
    kept_ = packed_form(d_.packed, key, weight_bytes(), [&](void* out) { pack_weights(out); });
    if (kept_) return take_weights(kept_.get());
    own_.reset(new uint32_t[weight_bytes() / 4]);
    pack_weights(own_.get());
  }

  // Row h of channel c, padded and held unsigned.
  void pad_row(const uint8_t* image, int64_t c, int64_t h, uint8_t* row, int64_t length) const {
    const uint8_t zero = d_.padding ^ flip_;
    if (c >= channels_ || h < 0 || h >= s_.h) {
      std::memset(row, zero, static_cast<size_t>(length));
      return;
    }
    const int64_t left = std::min(s_.pad_left, length);
    const int64_t inside = std::min(s_.w, length - left);
    const uint8_t* in = image + (c * s_.h + h) * s_.w;
    std::memset(row, zero, static_cast<size_t>(left));
    if (flip_ == 0) {
      std::memcpy(row + left, in, static_cast<size_t>(inside));
    } else {
      for (int64_t i = 0; i < inside; ++i) row[left + i] = in[i] ^ flip_;
    }
    std::memset(row + left + inside, zero, static_cast<size_t>(length - left - inside));
  }

  // The planes of an image whose rows follow one another as they do in a plane: each is one run. False if the last vector
  // would be read from beyond the end of x. Of channels that fill up a group any bytes will do: their weights are 0.
  bool lay_out_runs(const uint8_t* image, int64_t p, int64_t rows, uint32_t* x) const {
    const int64_t n = round_up(input_rows(rows) * row_groups_, geometry_.cols / 2);
    const uint8_t* first = image + p * s_.w;
    const int64_t last = along_
                             ? (channels_ - 1) * s_.h * s_.w + (geometry_.group - 1) * s_.dilation_w
                             : (channels_ - 1) * s_.h * s_.w;
    if (first + last + n > d_.x + s_.n * s_.c * s_.h * s_.w) return false;
    for (int64_t plane = 0; plane < planes_; ++plane) {
      const uint8_t* in[4];
      for (int64_t i = 0; i < geometry_.group; ++i) {
        const int64_t channel = std::min(plane * geometry_.group + i, channels_ - 1);
        in[i] = along_ ? first + plane * s_.h * s_.w + i * s_.dilation_w
                       : first + channel * s_.h * s_.w;
      }
      TILEGRAD_SIMD(int8_direct_groups)(in, 1, n, x + plane * plane_);
    }
    return true;
  }

  // Input rows for output rows [p, p + rows) as planes. `lines` has room for a row of each of a group's channels.
  void lay_out(const uint8_t* image, int64_t p, int64_t rows, uint32_t* x, uint8_t* lines,
               int64_t line) const {
    if (in_runs_ && lay_out_runs(image, p, rows, x)) return;
    const int group = geometry_.group;
    // Without strides what is written too much at the end of a row lies in the next one, which follows.
    const int64_t count = phases() == 1 ? round_up(row_groups_, geometry_.cols / 2) : row_groups_;
    for (int64_t plane = 0; plane < planes_; ++plane) {
      for (int64_t h = 0; h < input_rows(rows); ++h) {
        const int64_t source = p * s_.stride_h - s_.pad_top + h;
        const uint8_t* in[4];
        for (int i = 0; i < group; ++i) {
          if (along_) {
            if (i == 0) pad_row(image, plane, source, lines, line);
            in[i] = lines + i * s_.dilation_w;
          } else {
            pad_row(image, plane * group + i, source, lines + i * line, line);
            in[i] = lines + i * line;
          }
        }
        for (int64_t w = 0; w < s_.stride_w; ++w) {
          TILEGRAD_SIMD(int8_direct_groups)
          (in, s_.stride_w, count, x + plane_at(plane, h, w));
          for (int i = 0; i < group; ++i) ++in[i];
        }
      }
    }
  }

  void convolve(int64_t image, int64_t group, int64_t p) const {
    const int64_t rows = std::min(task_rows_, rows_ - p), cols = geometry_.cols;
    const int64_t pixels = round_up((rows - 1) * row_groups_ + s_.q, cols);
    // The last vectors of a plane may reach beyond the last one.
    const int64_t groups = round_up(planes_ * phases() * plane_ + pixels + cols, 16);
    const int64_t line = round_up(round_up(row_groups_, cols) * s_.stride_w + s_.stride_w +
                                      (geometry_.group - 1) * s_.dilation_w,
                                  64);
    const int64_t sums = kernels_ * pixels + 2 * cols;  // pooling reads a little beyond
    auto* x = static_cast<uint32_t*>(
        scratch(ScratchSlot::chunk,
                static_cast<size_t>((groups + sums) * 4 + line * (along_ ? 1 : geometry_.group))));
    auto* c = reinterpret_cast<int32_t*>(x + groups);
    lay_out(d_.x + (image * s_.c + group * channels_) * s_.h * s_.w, p, rows, x,
            reinterpret_cast<uint8_t*>(c + sums), line);
    std::memset(x + planes_ * phases() * plane_, 0,
                static_cast<size_t>(groups - planes_ * phases() * plane_) * 4);
    const int64_t first = group * kernels_;
    for (int64_t pixel = 0; pixel < pixels; pixel += cols) {
      for (int64_t k = 0; k < kernels_; k += panel_rows_) {
        const int panel = static_cast<int>(std::min(panel_rows_, kernels_ - k));
        TILEGRAD_SIMD(int8_direct_tile)
        ({weights_ + (first + k) * steps_, offsets_.data(), steps_, x + pixel, panel,
          c + k * pixels + pixel, pixels});
      }
    }
    finish(image, first, p, rows, c, pixels);
  }

  void finish(int64_t image, int64_t first, int64_t p, int64_t rows, int32_t* c,
              int64_t pixels) const {
    Int8Epilogue e = d_.epilogue;
    const int64_t item = static_cast<int64_t>(dtype_size(e.dtype)), window = d_.pool ? 2 : 1;
    const int64_t out_rows = rows / window, cols = s_.q / window;
    e.out = static_cast<char*>(e.out) + image * s_.k * e.out_row * item;
    for (int64_t k = 0; k < kernels_; ++k) {
      const bool least = d_.pool && e.scale.data[e.scale.row * (first + k)] < 0;
      TILEGRAD_SIMD(int8_direct_rows)
      ({c + k * pixels, row_groups_, out_rows, cols, d_.pool, least});
    }
    // The sums of pixels are not needed: weights have no zero point.
    TILEGRAD_SIMD(int8_epilogue)
    (e, {c, pixels, first, kernels_, p / window * cols, out_rows * cols, sums_ + first, nullptr, 0,
         d_.epilogue.b_signed ? -128 : 0});
  }

  const Int8Conv& d_;
  const ConvShape& s_;
  const Int8DirectGeometry geometry_;
  const int64_t channels_, kernels_;  // of a group of the convolution
  const uint8_t flip_;
  bool in_runs_ = false;  // whether planes are laid out as a whole
  bool along_ = false;    // whether a group holds neighbouring taps, else neighbouring channels
  int64_t steps_ = 0, planes_ = 0, panel_rows_ = 0;
  int64_t rows_ = 0, task_rows_ = 0;  // of the output: those that are wanted, those of a task
  int64_t row_groups_ = 0, plane_rows_ = 0, plane_ = 0;  // of a plane: groups per row, rows, groups
  std::vector<int64_t> offsets_;
  int32_t* sums_ = nullptr;
  uint32_t* weights_ = nullptr;
  PackedForm kept_;
  std::unique_ptr<uint32_t[]> own_;
};

}  // namespace

void int8_conv2d_direct(const Int8Conv& d) { Direct(d).run(); }

}  // namespace tilegrad
