// gather_rows: rows of a data set as one batch, cast, scaled and moved on the way:
//   out[b, c, y, x] = source[index[b], c, y - offset[b, 0], x - offset[b, 1]] * scale[c] + shift[c]
// with 0 for what lies outside of the source. One task per row of the batch; every byte is read and written once. Bytes of
// u8 go through a table of 256 results per channel. Results are computed in f64 and rounded once.
// Inputs: source (N, ...), index (B) i32 or i64, scale and shift (C) or (1) f64, offset (B, 2) i32; the last three may
// be absent, scale and shift together.
#include "ops/gather_rows/gather_rows.h"

#include <algorithm>
#include <vector>

#include "core/cpu/indexed.h"

namespace tilegrad {

namespace {

void gather_rows_infer(InferContext& ctx) {
  const Shape& source = ctx.shape(kRowsSource);
  DType dtype = ctx.attrs.dtype("dtype");
  if (source.rank == 0) ctx.fail(ErrorCode::shape, "source must have rows but is a scalar");
  ctx.expect_rank(kRowsIndex, "index", 1);
  if (!is_index(ctx.dtype(kRowsIndex)))
    ctx.fail(ErrorCode::dtype, "index must be i32 or i64 but is ", ctx.dtype(kRowsIndex));
  if (ctx.has(kRowsScale) != ctx.has(kRowsShift))
    ctx.fail(ErrorCode::argument, "scale and shift come together");
  if (ctx.has(kRowsScale)) {
    int64_t channels = source.rank > 1 ? source[1] : 1;
    for (GatherRowsInput i : {kRowsScale, kRowsShift}) {
      const char* name = i == kRowsScale ? "scale" : "shift";
      ctx.expect_dtype(i, name, DType::f64);
      ctx.expect_rank(i, name, 1);
      if (ctx.shape(i)[0] != 1 && ctx.shape(i)[0] != channels)
        ctx.fail(ErrorCode::shape, name, " has ", ctx.shape(i)[0], " values but source ", source,
                 " has ", channels, " channels");
    }
    if (ctx.shape(kRowsScale) != ctx.shape(kRowsShift))
      ctx.fail(ErrorCode::shape, "scale has shape ", ctx.shape(kRowsScale), " but shift has ",
               ctx.shape(kRowsShift));
    if (ctx.dtype(kRowsSource) == DType::boolean)
      ctx.fail(ErrorCode::dtype, "a bool source cannot be scaled");
    if (!is_float(dtype))
      ctx.fail(ErrorCode::dtype, "a scaled result must be a float dtype but is ", dtype);
  } else if (dtype != ctx.dtype(kRowsSource)) {
    ctx.fail(ErrorCode::dtype, "without scale and shift the result keeps the dtype of source, ",
             ctx.dtype(kRowsSource), ", but dtype is ", dtype);
  }
  if (ctx.has(kRowsOffset)) {
    ctx.expect_dtype(kRowsOffset, "offset", DType::i32);
    if (ctx.shape(kRowsOffset) != Shape{ctx.shape(kRowsIndex)[0], 2})
      ctx.fail(ErrorCode::shape, "offset must be [", ctx.shape(kRowsIndex)[0], ", 2] but is ",
               ctx.shape(kRowsOffset));
    if (source.rank != 4)
      ctx.fail(ErrorCode::shape, "offset needs a source of images (N, C, H, W) but it is ", source);
  }
  Shape out = source;
  out[0] = ctx.shape(kRowsIndex)[0];
  ctx.output(out, dtype);
}

int64_t row_index(const KernelArgs& args, int64_t b, int64_t rows) {
  const View& index = args.inputs[kRowsIndex];
  int64_t row = index.dtype == DType::i32 ? index.as<int32_t>()[b] : index.as<int64_t>()[b];
  if (row < 0 || row >= rows) fail_index(row, b, rows);
  return row;
}

// One plane, moved by (dy, dx). `convert` maps an element of the source; `outside` is what 0 maps to.
template <class In, class Out, class Convert>
void copy_moved(const In* in, Out* out, const RowGeometry& g, int64_t dy, int64_t dx, Out outside,
                Convert&& convert) {
  int64_t first = std::clamp<int64_t>(dx, 0, g.width),
          last = std::clamp<int64_t>(g.width + dx, 0, g.width);
  for (int64_t y = 0; y < g.height; ++y, out += g.width) {
    if (y - dy < 0 || y - dy >= g.height || first >= last) {
      std::fill_n(out, g.width, outside);
      continue;
    }
    const In* line = in + (y - dy) * g.width - dx;
    std::fill(out, out + first, outside);
    for (int64_t x = first; x < last; ++x) out[x] = convert(line[x]);
    std::fill(out + last, out + g.width, outside);
  }
}

// `convert(c)` gives the map of channel c.
template <class In, class Out, class ConvertOf>
void gather(KernelArgs& args, ConvertOf&& convert_of) {
  RowGeometry g(args);
  const In* source = args.inputs[kRowsSource].as<In>();
  Out* out = args.outputs[0].as<Out>();
  const int32_t* offset = args.has(kRowsOffset) ? args.inputs[kRowsOffset].as<int32_t>() : nullptr;
  parallel_for(g.batch, grain_for(g.row()), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const In* row = source + row_index(args, b, g.rows) * g.row();
      for (int64_t c = 0; c < g.channels; ++c) {
        auto convert = convert_of(c);
        const In* in = row + c * g.plane();
        Out* to = out + b * g.row() + c * g.plane();
        if (offset) {
          copy_moved(in, to, g, offset[2 * b], offset[2 * b + 1], convert(In{}), convert);
        } else {
          for (int64_t i = 0; i < g.plane(); ++i) to[i] = convert(in[i]);
        }
      }
    }
  });
}

void gather_copies(KernelArgs& args) {
  const View &source = args.inputs[kRowsSource], &out = args.outputs[0];
  const RowGeometry g(args);
  if (!args.has(kRowsOffset)) {
    const auto size = static_cast<int64_t>(dtype_size(out.dtype));
    return copy_indexed_rows(bytes_of(source), args.inputs[kRowsIndex], out.data, 1, g.rows,
                             g.row() * size);
  }
  TG_DISPATCH_SIZE(out.dtype, T,
                   { gather<T, T>(args, [](int64_t) { return [](T value) { return value; }; }); });
}

template <class In, class Out>
void gather_scaled(KernelArgs& args) {
  const double* scale = args.inputs[kRowsScale].as<double>();
  const double* shift = args.inputs[kRowsShift].as<double>();
  int64_t step = args.inputs[kRowsScale].numel() > 1 ? 1 : 0;  // one value serves all channels
  auto map = [=](int64_t c, In value) {
    double x = static_cast<double>(static_cast<compute_t<In>>(value));
    return Out(static_cast<compute_t<Out>>(x * scale[c * step] + shift[c * step]));
  };
  gather<In, Out>(args, [&](int64_t c) { return [&map, c](In value) { return map(c, value); }; });
}

template <class Out>
void gather_bytes_by_table(KernelArgs& args) {
  const double* scale = args.inputs[kRowsScale].as<double>();
  const double* shift = args.inputs[kRowsShift].as<double>();
  int64_t tables = args.inputs[kRowsScale].numel();
  std::vector<Out> table(static_cast<size_t>(tables) * 256);
  for (int64_t c = 0; c < tables; ++c)
    for (int64_t v = 0; v < 256; ++v)
      table[static_cast<size_t>(c * 256 + v)] =
          Out(static_cast<compute_t<Out>>(static_cast<double>(v) * scale[c] + shift[c]));
  gather<uint8_t, Out>(args, [&](int64_t c) {
    const Out* row = table.data() + (tables > 1 ? c * 256 : 0);
    return [row](uint8_t value) { return row[value]; };
  });
}

void gather_rows_cpu(KernelArgs& args) {
  const View& out = args.outputs[0];
  if (!args.has(kRowsScale)) return gather_copies(args);
  // A table pays where each of its entries is used at least once on average.
  bool by_table = args.inputs[kRowsSource].dtype == DType::u8 &&
                  args.inputs[kRowsScale].numel() * 256 <= out.numel();
  TG_DISPATCH_FLOAT(out.dtype, Out, {
    if (by_table) return gather_bytes_by_table<Out>(args);
    TG_DISPATCH_NUMBER(args.inputs[kRowsSource].dtype, In, { gather_scaled<In, Out>(args); });
  });
}

}  // namespace

extern const OpDef gather_rows_op;
const OpDef gather_rows_op = {.name = "gather_rows",
                              .inputs = {2, 5},
                              .attrs = {{"dtype", AttrType::dtype}},
                              .infer = gather_rows_infer,
                              .cpu = gather_rows_cpu,
                              .cuda = TILEGRAD_CUDA_KERNEL(gather_rows_cuda)};

}  // namespace tilegrad
