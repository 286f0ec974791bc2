// Walks the rows of the collapsed output. f16 and bf16 go through f32 in blocks that stay in the first-level cache.
// Bytes moved: one read per input element and one write per output element. Results that are not in a cache
// are computed page by page.
#include "ops/elementwise/elementwise_cpu.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/cpu/half.h"
#include "core/cpu/stream_copy.h"
#include "ops/elementwise/short_rows.h"

namespace tilegrad {

namespace {

constexpr int64_t kBlock = 512;           // elements of one 16-bit block
constexpr int64_t kPagedBytes = 1 << 20;  // of a result that is not in a cache

struct Conversions {
  void (*widen)(const uint16_t*, float*, int64_t);
  void (*narrow)(const float*, uint16_t*, int64_t);
};

Conversions conversions(DType dtype) {
  return dtype == DType::f16 ? Conversions{TILEGRAD_SIMD(widen_f16), TILEGRAD_SIMD(narrow_f16)}
                             : Conversions{TILEGRAD_SIMD(widen_bf16), TILEGRAD_SIMD(narrow_bf16)};
}

// The f32 row over 16-bit operands, block by block.
void half_row(const RowArgs& args, int inputs, bool narrow_out, Row f32_row,
              const Conversions& convert) {
  float wide[kMaxOperands][kBlock], wide_out[kBlock];
  uint16_t gathered[kBlock];
  RowArgs block = args;
  for (int k = 0; k < inputs; ++k) {
    block.inputs[k] = wide[k];
    block.strides[k] = args.strides[k] == 0 ? 0 : 1;
    if (args.strides[k] == 0)
      convert.widen(static_cast<const uint16_t*>(args.inputs[k]), wide[k], 1);
  }
  for (int64_t begin = 0; begin < args.n; begin += kBlock) {
    block.n = std::min(kBlock, args.n - begin);
    for (int k = 0; k < inputs; ++k) {
      const int64_t stride = args.strides[k];
      if (stride == 0) continue;
      const uint16_t* source = static_cast<const uint16_t*>(args.inputs[k]) + begin * stride;
      if (stride != 1) {
        for (int64_t i = 0; i < block.n; ++i) gathered[i] = source[i * stride];
        source = gathered;
      }
      convert.widen(source, wide[k], block.n);
    }
    if (narrow_out) {
      block.out = wide_out;
      f32_row(block);
      convert.narrow(wide_out, static_cast<uint16_t*>(args.out) + begin, block.n);
    } else {
      block.out = static_cast<uint8_t*>(args.out) + begin;
      f32_row(block);
    }
  }
}

// The row page by page: the processor's prefetching ends with each page, so the next one's begin is asked for. A result
// beyond the caches is computed in a buffer and written past them, in parts so short that reads and writes overlap.
template <class RowOf>
void paged_row(const RowArgs& args, int inputs, const int64_t* sizes, int64_t out_size,
               bool streams, RowOf&& row) {
  constexpr int64_t kPage = 4096, kAhead = 512, kStreamed = 2048;  // bytes
  const auto copy = TILEGRAD_SIMD(stream_copy);
  alignas(64) char result[kStreamed];
  const int64_t length = (streams ? kStreamed : kPage) / out_size;
  RowArgs block = args;
  for (int64_t begin = 0; begin < args.n; begin += length) {
    block.n = std::min(length, args.n - begin);
    char* out = static_cast<char*>(args.out) + begin * out_size;
    for (int k = 0; k < inputs; ++k) {
      const int64_t step = args.strides[k] * sizes[k];
      block.inputs[k] = static_cast<const char*>(args.inputs[k]) + begin * step;
      for (int64_t i = 0; i < kAhead && step == sizes[k] && !streams; i += 64)
        __builtin_prefetch(static_cast<const char*>(block.inputs[k]) + length * step + i);
    }
    for (int64_t i = 0; i < kAhead && !streams; i += 64) __builtin_prefetch(out + kPage + i, 1);
    block.out = streams ? result : out;
    row(block);
    if (streams) copy(result, out, block.n * out_size);
  }
  if (streams) TILEGRAD_SIMD(stream_fence)();
}

// Operands of a call: tensors, and numbers as one element. Pointers, since a small call has no time to copy views.
struct Operands {
  const View* views[kMaxOperands];
  View numbers[2];
  double storage[2];

  Operands(const KernelArgs& args, int inputs, DType dtype) {
    for (int i = 0; i < args.input_count; ++i) views[i] = &args.inputs[i];
    if (inputs == 2 && args.input_count == 1) {
      views[1] = number(args, "scalar", dtype, 0);
      if (args.attrs.choice("side") == 1) std::swap(views[0], views[1]);
    } else if (inputs == 3) {
      if (!args.inputs[1]) views[1] = number(args, "scalar_b", dtype, 0);
      if (!args.inputs[2]) views[2] = number(args, "scalar_c", dtype, 1);
    }
  }
  Operands(const Operands&) = delete;
  Operands& operator=(const Operands&) = delete;

 private:
  const View* number(const KernelArgs& args, const char* name, DType dtype, int place) {
    const double value = args.attrs.number(name);
    TG_DISPATCH_ALL(dtype, T, {
      const T typed = static_cast<T>(static_cast<compute_t<T>>(value));
      std::memcpy(&storage[place], &typed, sizeof typed);
    });
    numbers[place] = View{&storage[place], Layout{}, dtype};
    return &numbers[place];
  }
};

// Whether one row is all: each operand is contiguous and as large as the result, or one element. Fills in its start.
bool is_one_row(const View& out, const Operands& operands, int inputs, RowArgs* row) {
  row->out = element(out, out.layout.offset);
  row->n = out.numel();
  for (int k = 0; k < inputs; ++k) {
    const View& x = *operands.views[k];
    const int64_t n = x.numel();
    if (n != 1 && (n != row->n || !x.layout.is_contiguous())) return false;
    row->inputs[k] = element(x, x.layout.offset);
    row->strides[k] = n == 1 ? 0 : 1;
  }
  return true;
}

bool has_short_rows(const Layout* layouts) {
  const Layout& out = layouts[0];
  return out.rank() > 1 && out.shape[out.rank() - 1] <= kShortRow && out.is_contiguous();
}

// `layouts`: the result's and the operands', collapsed.
template <class Compute>
void for_short_rows(const Layout* layouts, const Operands& operands, int inputs, const View& out,
                    const double* params, const Compute& compute) {
  const int64_t n = layouts[0].shape[layouts[0].rank() - 1], rows = layouts[0].numel() / n;
  const int64_t together = kShortRowBlock / n, grain = kRowGrain / kShortRowBlock * together;
  const auto out_size = static_cast<int64_t>(dtype_size(out.dtype));
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    std::optional<ShortRows> x[kMaxOperands];
    RowArgs block{{}, {}, params, nullptr, 0};
    for (int k = 0; k < inputs; ++k) {
      x[k].emplace(*operands.views[k], layouts[k + 1], begin, together);
      block.strides[k] = x[k]->stride();
    }
    for (int64_t r = begin; r < end; r += together) {
      const int64_t count = std::min(together, end - r);
      for (int k = 0; k < inputs; ++k) block.inputs[k] = x[k]->next(count);
      block.out = element(out, layouts[0].offset) + r * n * out_size;
      block.n = count * n;
      compute(block);
    }
  });
}

}  // namespace

void elementwise_cpu(KernelArgs& args, int inputs, Row (*row_of)(DType)) {
  const View& out = args.outputs[0];
  // The last operand has the dtype that is computed in: of a choice the first is a bool.
  DType dtype = out.dtype;
  for (int i = 0; i < args.input_count; ++i)
    if (args.inputs[i]) dtype = args.inputs[i].dtype;
  const Operands operands(args, inputs, dtype);
  const Row own = row_of(dtype);
  const Row row = own ? own : row_of(DType::f32);
  const Conversions convert = own ? Conversions{} : conversions(dtype);
  // The parameters of a function follow the numbers in its schema.
  const double* params = args.attrs.scalars + (inputs == 1 ? 0 : 2);
  const auto out_size = static_cast<int64_t>(dtype_size(out.dtype));
  int64_t sizes[kMaxOperands];
  for (int k = 0; k < inputs; ++k)
    sizes[k] = static_cast<int64_t>(dtype_size(operands.views[k]->dtype));
  const int64_t bytes = out.numel() * out_size;
  const auto compute = [&](const RowArgs& one) {
    if (own)
      row(one);
    else
      half_row(one, inputs, out.dtype != DType::boolean, row, convert);
  };
  const auto compute_row = [&](const RowArgs& one) {
    const bool aligned = reinterpret_cast<uintptr_t>(one.out) % 64 == 0;
    if (bytes >= kPagedBytes && one.n * out_size >= 1024)
      paged_row(one, inputs, sizes, out_size, bytes >= kStreamedBytes && aligned, compute);
    else
      compute(one);
  };

  RowArgs all;
  all.params = params;
  if (is_one_row(out, operands, inputs, &all))
    return sweep_for(all.n, kRowGrain, (inputs + 1) * bytes, [&](int64_t begin, int64_t end) {
      RowArgs one = all;
      one.n = end - begin;
      one.out = static_cast<char*>(all.out) + begin * out_size;
      for (int k = 0; k < inputs; ++k)
        one.inputs[k] = static_cast<const char*>(all.inputs[k]) + begin * all.strides[k] * sizes[k];
      compute_row(one);
    });

  Layout layouts[kMaxOperands + 1] = {out.layout};
  for (int k = 0; k < inputs; ++k)
    layouts[k + 1] = broadcast_to(operands.views[k]->layout, out.shape());
  collapse_dims(layouts, inputs + 1);
  if (has_short_rows(layouts))
    return for_short_rows(layouts, operands, inputs, out, params, compute);
  for_rows(layouts, inputs + 1, [&](const int64_t* offsets, int64_t n) {
    RowArgs one{{}, {}, params, element(out, offsets[0]), n};
    const int last = layouts[0].rank() - 1;
    for (int k = 0; k < inputs; ++k) {
      one.inputs[k] = element(*operands.views[k], offsets[k + 1]);
      one.strides[k] = layouts[k + 1].strides[last];
    }
    compute_row(one);
  });
}

}  // namespace tilegrad
