// int8_conv2d on the CPU: directly, or per image and group the product of weight (k, c r s) and patches (c r s, p q), whose panels are
// read straight from the image; no matrix of patches is stored.
#include <algorithm>
#include <cstring>
#include <memory>

#include "core/conv_shape.h"
#include "core/cpu/int8_epilogue.h"
#include "core/parallel.h"
#include "core/view_bytes.h"
#include "ops/int8_conv2d/int8_conv2d.h"
#include "ops/int8_conv2d/int8_conv2d_direct.h"

namespace tilegrad {
namespace {

constexpr int64_t kTaskWork = 1 << 21;  // multiply-adds

struct Patches {
  const ConvShape* shape;
  const uint8_t* image;  // (c / groups, h, w)
  uint8_t padding;
};

// Columns q of one output row: out[i] is tap (row h, column offset) of column q + i.
void fill_run(const Patches& patches, const uint8_t* row, int64_t q, int64_t count, int64_t tap,
              uint8_t* out) {
  const ConvShape& s = *patches.shape;
  const int64_t first = q * s.stride_w - s.pad_left + tap * s.dilation_w;
  if (s.stride_w == 1) {
    const int64_t left = std::clamp<int64_t>(-first, 0, count);
    const int64_t inside = std::clamp<int64_t>(s.w - first, left, count);
    std::memset(out, patches.padding, static_cast<size_t>(left));
    if (inside > left)
      std::memcpy(out + left, row + first + left, static_cast<size_t>(inside - left));
    std::memset(out + inside, patches.padding, static_cast<size_t>(count - inside));
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t w = first + i * s.stride_w;
    out[i] = w >= 0 && w < s.w ? row[w] : patches.padding;
  }
}

void fill(const void* context, int64_t col, int64_t cols, uint8_t* out, int64_t pitch) {
  const Patches& patches = *static_cast<const Patches*>(context);
  const ConvShape& s = *patches.shape;
  const int64_t channels = s.c / s.groups;
  for (int64_t c = 0; c < channels; ++c) {
    const uint8_t* image = patches.image + c * s.h * s.w;
    for (int64_t r = 0; r < s.r; ++r) {
      for (int64_t tap = 0; tap < s.s; ++tap, out += pitch) {
        for (int64_t done = 0; done < cols;) {
          const int64_t p = (col + done) / s.q, q = (col + done) % s.q;
          const int64_t count = std::min(s.q - q, cols - done);
          const int64_t h = p * s.stride_h - s.pad_top + r * s.dilation_h;
          if (h < 0 || h >= s.h) {
            std::memset(out + done, patches.padding, static_cast<size_t>(count));
          } else {
            fill_run(patches, image + h * s.w, q, count, tap, out + done);
          }
          done += count;
        }
      }
    }
  }
}

void finish(const void* context, const Int8Tile& tile) {
  TILEGRAD_SIMD(int8_epilogue)(*static_cast<const Int8Epilogue*>(context), tile);
}

template <class T>
PerAxis<T> per_row(const KernelArgs& args, int input) {
  if (!args.has(input)) return {};
  const View& v = args.inputs[input];
  return {v.as<T>(), v.layout.rank() == 0 || v.numel() == 1 ? 0 : 1, 0};
}

template <class T>
PerAxis<T> from_row(const PerAxis<T>& v, int64_t first) {
  return v.data == nullptr ? v : PerAxis<T>{v.data + first * v.row, v.row, v.col};
}

// One image and group after the other as products of matrices.
void convolve_by_gemm(const Int8Conv& c) {
  const ConvShape& s = c.shape;
  const int64_t depth = s.c / s.groups * s.r * s.s, kernels = s.k / s.groups, pixels = s.p * s.q;
  const bool plain = s.r == 1 && s.s == 1 && s.stride_h == 1 && s.stride_w == 1 && s.p == s.h &&
                     s.q == s.w && s.pad_top == 0 && s.pad_left == 0;
  const int64_t item = static_cast<int64_t>(dtype_size(c.epilogue.dtype));
  const auto one = [&](int64_t image, int64_t group) {
    const int64_t first = group * kernels;
    const Patches patches = {&s, c.x + (image * s.c + group * (s.c / s.groups)) * s.h * s.w,
                             c.padding};
    Int8Epilogue e = c.epilogue;
    e.a_zero = from_row(e.a_zero, first), e.scale = from_row(e.scale, first);
    e.bias_f32 = from_row(e.bias_f32, first), e.bias_i32 = from_row(e.bias_i32, first);
    e.out = static_cast<char*>(e.out) + (image * s.k + first) * pixels * item;
    Int8Gemm g;
    g.m = kernels, g.n = pixels, g.k = depth;
    g.a = {c.weight + first * depth, e.a_signed, depth, 1};
    g.b = {patches.image, e.b_signed, pixels, 1};
    if (!plain) g.fill = fill, g.fill_context = &patches;
    if (e.dtype == DType::i32) g.c = static_cast<int32_t*>(e.out), g.c_row = pixels;
    g.finish = finish, g.finish_context = &e;
    g.wants_a_sums = e.b_zero.data != nullptr;
    g.raw = e.dtype == DType::i32 && !e.a_zero.data && !e.b_zero.data && !e.bias_i32.data;
    int8_gemm(g);
  };
  parallel_for(s.n * s.groups, grain_for(kernels * depth * pixels, kTaskWork),
               [&](int64_t begin, int64_t end) {
                 for (int64_t task = begin; task < end; ++task)
                   one(task / s.groups, task % s.groups);
               });
}

// The direct kernel serves weights that need no sums of pixels.
void convolve(Int8Conv& c) {
  const ConvShape& s = c.shape;
  Int8Epilogue& e = c.epilogue;
  e.k = s.c / s.groups * s.r * s.s;
  e.out_row = c.pool ? (s.p / 2) * (s.q / 2) : s.p * s.q;
  const bool direct = e.a_signed && e.a_zero.data == nullptr;
  constexpr int64_t kFewKernels = 4;  // of a channel: a row of a register tile each
  const bool depthwise = s.groups > 1 && s.c == s.groups && s.k / s.groups < kFewKernels;
  if (!direct) return convolve_by_gemm(c);
  depthwise && !c.pool ? int8_conv2d_depthwise(c) : int8_conv2d_direct(c);
}

// The byte that stands for zero in x.
uint8_t padding_byte(const KernelArgs& args) {
  const int32_t zero = args.has(kInt8FirstZero) ? *args.inputs[kInt8FirstZero].as<int32_t>() : 0;
  const DType dtype = args.inputs[kInt8First].dtype;
  if (dtype == DType::i8 ? zero < -128 || zero > 127 : zero < 0 || zero > 255)
    fail(ErrorCode::argument, "x_zero_point ", zero, " does not fit into ", dtype);
  return static_cast<uint8_t>(zero);
}

void convolve_dynamic(KernelArgs& args, bool pool) {
  const View &x = args.inputs[kDynamicX], &weight = args.inputs[kDynamicWeight];
  const std::unique_ptr<uint8_t[]> levels(new uint8_t[static_cast<size_t>(x.numel())]);
  const DynamicScale made = dynamic_quantize(x.dtype, bytes_of(x), x.numel(), levels.get());
  Int8Conv c;
  c.shape = conv_shape(args.attrs, x.shape(), weight.shape());
  const std::unique_ptr<float[]> scales(new float[static_cast<size_t>(c.shape.k)]);
  c.x = levels.get();
  c.weight = weight.as<uint8_t>();
  c.packed = args.packed;
  c.pool = pool;
  c.padding = static_cast<uint8_t>(made.zero);
  c.epilogue = dynamic_epilogue(args, made, c.shape.k, true, scales.get());
  c.epilogue.b_zero = {&made.zero, 0, 0};
  c.epilogue.a_signed = true;
  c.epilogue.out = args.outputs[0].as<float>();
  convolve(c);
}

}  // namespace

void int8_conv2d_cpu(KernelArgs& args) {
  const View &x = args.inputs[kInt8First], &weight = args.inputs[kInt8Second],
             &out = args.outputs[0];
  Int8Conv c;
  c.shape = conv_shape(args.attrs, x.shape(), weight.shape());
  c.x = x.as<uint8_t>();
  c.weight = weight.as<uint8_t>();
  c.packed = args.packed;
  c.padding = padding_byte(args);
  Int8Epilogue& e = c.epilogue;
  e = int8_epilogue_of(args);
  e.a_zero = per_row<int32_t>(args, kInt8SecondZero);
  e.b_zero = per_row<int32_t>(args, kInt8FirstZero);
  e.a_signed = weight.dtype == DType::i8, e.b_signed = x.dtype == DType::i8;
  e.scale = per_row<float>(args, kInt8Scale);
  if (args.has(kInt8Bias) && args.inputs[kInt8Bias].dtype == DType::f32)
    e.bias_f32 = per_row<float>(args, kInt8Bias);
  if (args.has(kInt8Bias) && args.inputs[kInt8Bias].dtype == DType::i32)
    e.bias_i32 = per_row<int32_t>(args, kInt8Bias);
  e.out = bytes_of(out);
  convolve(c);
}

void int8_conv2d_dynamic_cpu(KernelArgs& args) { convolve_dynamic(args, false); }
void int8_conv2d_max_pool2d_dynamic_cpu(KernelArgs& args) { convolve_dynamic(args, true); }

}  // namespace tilegrad
