// cast: the elements in another dtype. 16-bit floats pass through f32, in blocks that stay in the first-level cache.
// Bytes moved: one read and one write per element.
#include "core/cpu/half.h"
#include "core/op.h"
#include "ops/elementwise/cast_simd.h"
#include "ops/elementwise/elementwise_cpu.h"

namespace tilegrad {

void cast_cuda(KernelArgs& args);

namespace {

constexpr int64_t kBlock = 512;

bool is_half(DType d) { return d == DType::f16 || d == DType::bf16; }

void cast_infer(InferContext& ctx) { ctx.output(ctx.shape(0), ctx.attrs.dtype("dtype")); }

// Rows of a cast from or to 16-bit floats: from -> f32 -> to, each step absent where it is the identity.
struct HalfCast {
  void (*widen)(const uint16_t*, float*, int64_t) = nullptr;
  void (*narrow)(const float*, uint16_t*, int64_t) = nullptr;
  Row to_f32 = nullptr, from_f32 = nullptr;
  size_t from_size, to_size;
  bool of_f32, into_f32;

  HalfCast(DType from, DType to)
      : from_size(dtype_size(from)),
        to_size(dtype_size(to)),
        of_f32(from == DType::f32),
        into_f32(to == DType::f32) {
    if (from == DType::f16) widen = TILEGRAD_SIMD(widen_f16);
    if (from == DType::bf16) widen = TILEGRAD_SIMD(widen_bf16);
    if (to == DType::f16) narrow = TILEGRAD_SIMD(narrow_f16);
    if (to == DType::bf16) narrow = TILEGRAD_SIMD(narrow_bf16);
    if (!widen) {
      const Row odd = TILEGRAD_SIMD(cast_odd_row)(from);
      to_f32 = odd ? odd : TILEGRAD_SIMD(cast_row)(from, DType::f32);
    }
    if (!narrow && !into_f32) from_f32 = TILEGRAD_SIMD(cast_row)(DType::f32, to);
  }

  void operator()(const RowArgs& row) const {
    float wide[kBlock];
    uint16_t gathered[kBlock];
    for (int64_t begin = 0; begin < row.n; begin += kBlock) {
      const int64_t n = std::min(kBlock, row.n - begin), stride = row.strides[0];
      const char* in = static_cast<const char*>(row.inputs[0]) +
                       begin * stride * static_cast<int64_t>(from_size);
      char* out = static_cast<char*>(row.out) + begin * static_cast<int64_t>(to_size);
      float* widened = into_f32 ? reinterpret_cast<float*>(out) : wide;
      const float* f32 = widened;
      if (widen) {
        const auto* bits = reinterpret_cast<const uint16_t*>(in);
        if (stride != 1) {
          for (int64_t i = 0; i < n; ++i) gathered[i] = bits[i * stride];
          bits = gathered;
        }
        widen(bits, widened, n);
      } else if (of_f32 && stride == 1) {
        f32 = reinterpret_cast<const float*>(in);
      } else {
        to_f32({{in}, {stride}, nullptr, widened, n});
      }
      if (narrow)
        narrow(f32, reinterpret_cast<uint16_t*>(out), n);
      else if (!into_f32)
        from_f32({{f32}, {1}, nullptr, out, n});
    }
  }
};

void cast_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  Layout layouts[2] = {out.layout, x.layout};
  const auto walk = [&](auto&& row) {
    for_rows(layouts, 2, [&](const int64_t* offsets, int64_t n) {
      row(RowArgs{{element(x, offsets[1])},
                  {layouts[1].strides[layouts[1].rank() - 1]},
                  nullptr,
                  element(out, offsets[0]),
                  n});
    });
  };
  if (is_half(x.dtype) || is_half(out.dtype))
    walk(HalfCast(x.dtype, out.dtype));
  else
    walk(TILEGRAD_SIMD(cast_row)(x.dtype, out.dtype));
}

}  // namespace

extern const OpDef cast_op;
const OpDef cast_op = {.name = "cast",
                       .inputs = {1, 1},
                       .attrs = {{"dtype", AttrType::dtype}},
                       .infer = cast_infer,
                       .cpu = cast_cpu,
                       .cuda = TILEGRAD_CUDA_KERNEL(cast_cuda),
                       .strided = true};

}  // namespace tilegrad
