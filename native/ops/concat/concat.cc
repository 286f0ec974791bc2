// concat: tensors one after the other along a dimension. Each input is copied into its slice of the output; any layout.
// Bytes moved: one read and one write per element.
#include "core/cpu/copy.h"
#include "core/op.h"
#include "core/parallel.h"
#include "core/view_bytes.h"

namespace tilegrad {

void concat_cuda(KernelArgs& args);

namespace {

void concat_infer(InferContext& ctx) {
  for (int i = 0; i < ctx.input_count; ++i)
    if (!ctx.has(i)) ctx.fail(ErrorCode::argument, "input ", i, " is absent");
  Shape out = ctx.shape(0);
  if (out.rank == 0)
    ctx.fail(ErrorCode::shape, "scalars have no dimension to join along; use stack");
  int dim = ctx.dim(ctx.attrs.integer("dim"), out.rank);
  for (int i = 1; i < ctx.input_count; ++i) {
    ctx.expect_same_dtype(0, i, "input 0", "another");
    Shape expected = ctx.shape(i);
    if (expected.rank == out.rank) expected[dim] = out[dim];
    if (expected != out)
      ctx.fail(ErrorCode::shape, "input ", i, " of shape ", ctx.shape(i),
               " does not fit input 0 of shape ", ctx.shape(0), " along dimension ", dim);
    out[dim] += ctx.shape(i)[dim];
    check_shape("concat", out);
  }
  ctx.output(out, ctx.dtype(0));
}

constexpr int64_t kGrain = 65536;  // bytes per parallel chunk
constexpr int64_t kFewRows = 16;   // fewer are divided by elements, input by input
constexpr int64_t kShortPart =
    16;  // bytes of an input's row: shorter ones are elements with a stride
constexpr int kMaxParts = 16;

// Contiguous inputs whose rows are written in turn, so that the output is written from one end to the other.
struct Joined {
  struct Part {
    const char* from;
    int64_t bytes;
  };
  Part parts[kMaxParts];
  int count = 0;

  // False where the inputs are of another form.
  bool take(const KernelArgs& args, int64_t outer) {
    if (args.input_count > kMaxParts || outer < kFewRows) return false;
    const auto size = static_cast<int64_t>(dtype_size(args.outputs[0].dtype));
    for (int i = 0; i < args.input_count; ++i) {
      const View& x = args.inputs[i];
      const int64_t bytes = x.numel() / outer * size;
      if (bytes < kShortPart || !x.layout.is_contiguous()) return false;
      parts[count++] = {bytes_of(x), bytes};
    }
    return true;
  }

  void write(char* out, int64_t row, int64_t begin, int64_t end) const {
    char* to = out + begin * row;
    for (int64_t r = begin; r < end; ++r) {
      for (int i = 0; i < count; ++i) {
        const int64_t bytes = parts[i].bytes;
        copy_bytes(to, parts[i].from + r * bytes, bytes);
        to += bytes;
      }
    }
  }
};

void concat_cpu(KernelArgs& args) {
  View target = args.outputs[0];
  if (target.numel() == 0) return;
  auto dim = static_cast<int>(args.attrs.integer("dim"));
  if (dim < 0) dim += target.layout.rank();
  int64_t outer = 1;
  for (int d = 0; d < dim; ++d) outer *= target.shape()[d];
  if (Joined joined; joined.take(args, outer)) {
    const int64_t row = target.numel() / outer * static_cast<int64_t>(dtype_size(target.dtype));
    return parallel_for(outer, grain_for(row, kGrain), [&](int64_t begin, int64_t end) {
      joined.write(static_cast<char*>(target.data), row, begin, end);
    });
  }
  for (int i = 0; i < args.input_count; ++i) {
    const View& source = args.inputs[i];
    target.layout.shape[dim] = source.shape()[dim];
    copy_strided_cpu(source, target);
    target.layout.offset += source.shape()[dim] * target.layout.strides[dim];
  }
}

}  // namespace

extern const OpDef concat_op;
const OpDef concat_op = {.name = "concat",
                         .inputs = {1, -1},
                         .attrs = {{"dim", AttrType::integer}},
                         .infer = concat_infer,
                         .cpu = concat_cpu,
                         .cuda = TILEGRAD_CUDA_KERNEL(concat_cuda),
                         .strided = true};

}  // namespace tilegrad
