// A block of output rows of one image and group at a time: its input rows are padded and laid out as planes of groups (see
// int8_conv2d_plan.h); a plane for each phase of the strides, so that neighbouring outputs read neighbouring groups. Pixels are
// numbered through the rows of a plane, a few too many at the end of each, which are dropped, and pooled, before the epilogue.
// AMX takes 16 planes of a tap as one tile, 64 deep by 16 pixels. Bytes moved: 4 to 16 of the image, in L1 and L2, and the
// output once.
#include "ops/int8_conv2d/int8_conv2d_direct.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "core/cpu/int8_amx.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/int8_conv2d/int8_conv2d_layout.h"
#include "ops/int8_conv2d/int8_conv2d_plan.h"

namespace tilegrad {
namespace {

constexpr int64_t kTaskWork = 1 << 19;      // multiply-adds
constexpr int64_t kTileTaskWork = 1 << 24;  // the same with tiles
constexpr int64_t kTileChunkWork = 1 << 21, kChunks = 8;
constexpr int64_t kTaskBytes = 1 << 17;  // of planes and sums
constexpr int64_t kTaskPixels = 64;      // of a task at least, so that weights are read less often
constexpr int64_t kSlack = 16;  // groups that may be written behind the last row of a plane

#if defined(__x86_64__)
void tiles_begin() { avx512::amx_configure(); }
void tiles_end() { avx512::amx_release(); }
#else
void tiles_begin() {}
void tiles_end() {}
#endif

class Direct : Int8DirectPlan {
 public:
  explicit Direct(const Int8Conv& d)
      : Int8DirectPlan(d.shape), d_(d), flip_(d.epilogue.b_signed && !tiles_ ? 0x80 : 0) {
    in_runs_ = layout_ == Int8Layout::along && flip_ == 0 && s_.pad_top == 0 && s_.pad_left == 0 &&
               phases() == 1 && row_groups_ == s_.w && s_.p + (s_.r - 1) * s_.dilation_h <= s_.h;
    share_rows(task_work());
    // Halves of tiles' tasks where they would be few for the threads.
    if (tiles_ && s_.n * s_.groups * ceil_div(rows_, task_rows_) < 8 * num_threads())
      share_rows(task_work() / 2);
    const int64_t rows =
        layout_ == Int8Layout::patches ? task_rows_ : ceil_div(input_rows(task_rows_), s_.stride_h);
    plane_ = rows * row_groups_;
    plane_ += kSlack;
    // An odd number of cache lines, since a tile reads 16 planes at once.
    if (tiles_) plane_ = ceil_div(plane_ - kAmxRows, 2 * kAmxRows) * 2 * kAmxRows + kAmxRows;
  }

  void run() {
    set_offsets();
    find_weights();
    const int64_t blocks = ceil_div(rows_, task_rows_), slices = s_.n * s_.groups * blocks;
    const int64_t panels = ceil_div(kernels_, panel_rows_);
    // Where images and rows are too few for the threads, tasks have some of the kernels each.
    int64_t parts = 1;
    if (slices < 2 * num_threads())
      parts = std::clamp<int64_t>(work(task_rows_) / task_work(), 1,
                                  std::min<int64_t>(panels, 2 * num_threads()));
    const int64_t part = ceil_div(panels, parts) * panel_rows_;
    parts = ceil_div(kernels_, part);
    const int64_t tasks = slices * parts, each = work(task_rows_) / parts;
    parallel_for(tasks, grain_for(each, chunk_work(tasks * each)), [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t first = task % parts * part, slice = task / parts;
        const int64_t block = slice % blocks, image = slice / blocks;
        convolve(image / s_.groups, image % s_.groups, block * task_rows_, first,
                 std::min(kernels_, first + part));
      }
    });
  }

 private:
  int64_t task_work() const { return tiles_ ? kTileTaskWork : kTaskWork; }
  // Of small images so many that there are some chunks to share out.
  int64_t chunk_work(int64_t all) const {
    return tiles_ ? std::clamp(all / kChunks, kTileChunkWork, kTileTaskWork) : kTaskWork;
  }
  int64_t work(int64_t rows) const {
    return kernels_ * s_.q * rows * steps_ * geometry_.group * (tiles_ ? kAmxRows : 1);
  }

  // Rows of the output per task: of a pooled one pairs.
  void share_rows(int64_t task) {
    const int64_t unit = d_.pool ? 2 : 1;
    rows_ = s_.p / unit * unit;
    const int64_t planes =
        layout_ == Int8Layout::across ? ceil_div(planes_ * phases(), 2) : planes_ * phases();
    const int64_t row_bytes = 4 * unit * row_groups_ * std::max(panel_rows_, planes);
    const int64_t fitting = std::max<int64_t>(kTaskBytes / row_bytes, 1);
    const int64_t units = std::max<int64_t>(rows_ / unit, 1);
    const int64_t least = ceil_div(kTaskPixels, unit * row_groups_);
    const int64_t wanted = std::min(grain_for(work(unit), task), fitting);
    const int64_t most = std::min(std::max(wanted, least), units);
    task_rows_ = ceil_div(units, ceil_div(units, most)) * unit;
  }

  int64_t input_rows(int64_t rows) const {
    return (rows - 1) * s_.stride_h + (s_.r - 1) * s_.dilation_h + 1;
  }
  int64_t phases() const { return layout_ == Int8Layout::patches ? 1 : s_.stride_h * s_.stride_w; }
  int64_t plane_at(int64_t plane, int64_t h, int64_t w) const {
    const int64_t phase = h % s_.stride_h * s_.stride_w + w % s_.stride_w;
    return (plane * phases() + phase) * plane_ + h / s_.stride_h * row_groups_ + w / s_.stride_w;
  }

  void set_offsets() {
    offsets_.resize(static_cast<size_t>(steps_));
    each_step([&](int64_t step, int64_t plane, int64_t r, int64_t s) {
      offsets_[static_cast<size_t>(step)] =
          layout_ == Int8Layout::patches ? plane * plane_
                                         : plane_at(plane, r * s_.dilation_h, s * s_.dilation_w);
    });
  }

  // Kept ones, or those of this call.
  void find_weights() {
    const PackedKey key = {"int8_direct",
                           {reinterpret_cast<intptr_t>(d_.weight), s_.k, s_.groups, channels_, s_.r,
                            s_.s, static_cast<int64_t>(layout_) + 4 * tiles_}};
    const auto pack = [&](void* out) { pack_weights(d_.weight, out); };
    kept_ = packed_form(d_.packed, key, weight_bytes(), pack);
    if (kept_) return take_weights(kept_.get());
    void* own = scratch(ScratchSlot::region, weight_bytes());
    pack(own);
    take_weights(own);
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
  // would be read from beyond the end of x. Of taps that fill up a group any bytes will do: their weights are 0.
  bool lay_out_runs(const uint8_t* image, int64_t p, int64_t rows, uint32_t* x) const {
    const int64_t n = round_up(input_rows(rows) * row_groups_, geometry_.cols / 2);
    const uint8_t* first = image + p * s_.w;
    const int64_t last = (channels_ - 1) * s_.h * s_.w + (geometry_.group - 1) * s_.dilation_w;
    if (first + last + n > end()) return false;
    for (int64_t plane = 0; plane < planes_; ++plane) {
      const uint8_t* in[4];
      for (int64_t i = 0; i < geometry_.group; ++i)
        in[i] = first + plane * s_.h * s_.w + i * s_.dilation_w;
      TILEGRAD_SIMD(int8_direct_groups)(in, n, x + plane * plane_);
    }
    return true;
  }

  const uint8_t* end() const { return d_.x + s_.n * s_.c * s_.h * s_.w; }

  // Input rows for output rows [p, p + rows) as planes. `lines` has room for a row, for patches for all rows of a channel.
  void lay_out(const uint8_t* image, int64_t p, int64_t rows, uint32_t* x, uint8_t* lines,
               int64_t line) const {
    if (layout_ == Int8Layout::across) return lay_out_planes(image, p, rows, x);
    if (layout_ == Int8Layout::patches) return lay_out_patches(image, p, rows, x, lines, line);
    if (in_runs_ && lay_out_runs(image, p, rows, x)) return;
    // What is written too much at the end of a row lies in the next one, which follows.
    const int64_t count = round_up(row_groups_, geometry_.cols / 2);
    const uint8_t* in[4];
    for (int i = 0; i < geometry_.group; ++i) in[i] = lines + i * s_.dilation_w;
    for (int64_t plane = 0; plane < planes_; ++plane) {
      for (int64_t h = 0; h < input_rows(rows); ++h) {
        if (h % s_.stride_h > (s_.r - 1) * s_.dilation_h) continue;
        pad_row(image, plane, p * s_.stride_h - s_.pad_top + h, lines, line);
        TILEGRAD_SIMD(int8_direct_groups)(in, count, x + plane_at(plane, h, 0));
      }
    }
  }

  void lay_out_planes(const uint8_t* image, int64_t p, int64_t rows, uint32_t* x) const {
    Int8Planes o = {};
    o.height = s_.h, o.width = s_.w;
    o.first = p * s_.stride_h - s_.pad_top, o.rows = input_rows(rows);
    o.pad_left = s_.pad_left;
    o.stride_h = s_.stride_h, o.stride_w = s_.stride_w;
    o.used_h = (s_.r - 1) * s_.dilation_h + 1, o.used_w = (s_.s - 1) * s_.dilation_w + 1;
    o.row_groups = row_groups_, o.phase = plane_;
    o.padding = d_.padding, o.flip = flip_;
    for (int64_t plane = 0; plane < planes_; ++plane) {
      // Of channels that fill up a group any bytes will do: their weights are 0.
      for (int64_t i = 0; i < geometry_.group; ++i)
        o.in[i] = image + std::min(plane * geometry_.group + i, channels_ - 1) * s_.h * s_.w;
      o.out = x + plane * phases() * plane_;
      TILEGRAD_SIMD(int8_lay_out_planes)(o);
    }
  }

  // A plane for each channel, row and group of taps, rows of which are those of the output.
  void lay_out_patches(const uint8_t* image, int64_t p, int64_t rows, uint32_t* x, uint8_t* lines,
                       int64_t line) const {
    const int64_t first = p * s_.stride_h - s_.pad_top, height = input_rows(rows);
    const bool inside = first >= 0 && first + height <= s_.h && s_.pad_left == 0 &&
                        (s_.q - 1) * s_.stride_w + (s_.s - 1) * s_.dilation_w < s_.w;
    const int64_t taps = ceil_div(s_.s, geometry_.group);
    Int8Patches o = {lines,       line,        s_.r, taps, s_.dilation_h, s_.dilation_w,
                     s_.stride_h, s_.stride_w, rows, s_.q, plane_,        x};
    for (int64_t c = 0; c < channels_; ++c, o.out += s_.r * taps * plane_) {
      const uint8_t* in = image + (c * s_.h + first) * s_.w;
      if (inside && in + (height - 1) * s_.w + line <= end()) {
        o.lines = in, o.line = s_.w;
      } else {
        o.lines = lines, o.line = line;
        for (int64_t h = 0; h < height; ++h) pad_row(image, c, first + h, lines + h * line, line);
      }
      TILEGRAD_SIMD(int8_lay_out_patches)(o);
    }
  }

  // Kernels [first, last) of a group of the convolution.
  void convolve(int64_t image, int64_t group, int64_t p, int64_t first, int64_t last) const {
    const int64_t rows = std::min(task_rows_, rows_ - p), cols = geometry_.cols;
    const int64_t pixels = round_up((rows - 1) * row_groups_ + s_.q, cols);
    const int64_t filled = planes_ * phases() * plane_;
    // The last vectors of a plane may reach beyond the last one; tiles read whole blocks of planes, by weights of 0.
    const int64_t beyond = tiles_ ? kAmxRows * phases() * plane_ : 0;
    const int64_t groups = round_up(filled + beyond + pixels + cols, 16);
    const int64_t line = round_up(round_up(row_groups_, cols) * s_.stride_w + s_.stride_w +
                                      (s_.s + geometry_.group) * s_.dilation_w + 64,
                                  64);
    const int64_t sums = panel_rows_ * pixels + 2 * cols;  // pooling reads a little beyond
    const int64_t lines = layout_ == Int8Layout::patches ? input_rows(rows) : 1;
    auto* x = static_cast<uint32_t*>(
        scratch(ScratchSlot::chunk, static_cast<size_t>((groups + sums) * 4 + line * lines)));
    auto* c = reinterpret_cast<int32_t*>(x + groups);
    lay_out(d_.x + (image * s_.c + group * channels_) * s_.h * s_.w, p, rows, x,
            reinterpret_cast<uint8_t*>(c + sums), line);
    if (!tiles_) std::memset(x + filled, 0, static_cast<size_t>(groups - filled) * 4);
    if (tiles_) tiles_begin();
    for (int64_t k = first; k < last; k += panel_rows_) {
      const int rows_of_panel = static_cast<int>(std::min(panel_rows_, last - k));
      const Int8DirectTile t = {panel(group, k), offsets_.data(), steps_, x, rows_of_panel, c,
                                pixels};
      tiles_ ? multiply_tiles(t, (rows - 1) * row_groups_ + s_.q) : multiply(t, pixels);
      finish({image, group * kernels_ + k, rows_of_panel, p, rows, c, pixels});
    }
    if (tiles_) tiles_end();
  }

  void multiply(Int8DirectTile t, int64_t pixels) const {
    for (int64_t pixel = 0; pixel < pixels; pixel += geometry_.cols) {
      TILEGRAD_SIMD(int8_direct_tile)(t);
      t.x += geometry_.cols, t.c += geometry_.cols;
    }
  }

  void multiply_tiles([[maybe_unused]] const Int8DirectTile& t,
                      [[maybe_unused]] int64_t pixels) const {
#if defined(__x86_64__)
    const int64_t pitch = plane_ * phases();
    for (int64_t pixel = 0; pixel < pixels; pixel += kAmxCols)
      avx512::amx_multiply_planes({reinterpret_cast<const uint8_t*>(t.weight),
                                   t.rows > kAmxRows ? 2 : 1, t.x + pixel, t.offsets, pitch,
                                   t.steps, d_.epilogue.b_signed, pixels - pixel > kAmxRows ? 2 : 1,
                                   t.c + pixel, t.c_row});
#endif
  }

  struct Sums {
    int64_t image, first, kernels, p, rows;
    int32_t* c;
    int64_t pixels;
  };

  void finish(const Sums& m) const {
    Int8Epilogue e = d_.epilogue;
    const int64_t item = static_cast<int64_t>(dtype_size(e.dtype)), window = d_.pool ? 2 : 1;
    const int64_t out_rows = m.rows / window, cols = s_.q / window;
    e.out = static_cast<char*>(e.out) + m.image * s_.k * e.out_row * item;
    for (int64_t k = 0; d_.pool && k < m.kernels; ++k) {
      const bool least = e.scale.data[e.scale.row * (m.first + k)] < 0;
      TILEGRAD_SIMD(int8_direct_rows)
      ({m.c + k * m.pixels, row_groups_, out_rows, cols, least});
    }
    Int8Tile tile = {m.c,     m.pixels, m.first, m.kernels, m.p / window * cols, out_rows * cols,
                     nullptr, nullptr,  0,       0};
    tile.a_sums = sums_ + m.first;
    // The sums of pixels are not needed: weights have no zero point.
    tile.b_shift = flip_ != 0 ? -128 : 0;
    if (!d_.pool && row_groups_ != s_.q) tile.run = s_.q, tile.run_pitch = row_groups_;
    TILEGRAD_SIMD(int8_epilogue)(e, tile);
  }

  const Int8Conv& d_;
  const uint8_t flip_;
  bool in_runs_ = false;              // whether planes are laid out as a whole
  int64_t rows_ = 0, task_rows_ = 0;  // of the output: those that are wanted, those of a task
  int64_t plane_ = 0;                 // groups of a plane
  std::vector<int64_t> offsets_;
  PackedForm kept_;
};

}  // namespace

void int8_conv2d_direct(const Int8Conv& d) { Direct(d).run(); }

}  // namespace tilegrad
