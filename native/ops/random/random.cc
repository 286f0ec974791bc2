// uniform, normal, bernoulli, randint, dropout: element i depends on key, offset and i alone (core/random.h), so
// the chunks of the threads do not show in the result. One write per element, dropout one read more.
#include "ops/random/random.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/ceil_div.h"
#include "core/parallel.h"
#include "core/view_bytes.h"
#include "ops/random/random_simd.h"

namespace tilegrad {

void uniform_cuda(KernelArgs& args);
void normal_cuda(KernelArgs& args);
void bernoulli_cuda(KernelArgs& args);
void randint_cuda(KernelArgs& args);
void dropout_cuda(KernelArgs& args);

void check_sequence(const InferContext& ctx) {
  int count;
  const int64_t* key = ctx.attrs.integers("key", &count);
  for (int i = 0; i < count; ++i)
    if (key[i] < 0 || key[i] > 0xffffffff) count = -1;
  if (count != 2) ctx.fail(ErrorCode::argument, "key must be two 32-bit numbers");
  const int64_t offset = ctx.attrs.integer("offset");
  if (offset < 0 || offset % random::kLanes != 0)
    ctx.fail(ErrorCode::argument, "offset must be a multiple of ", random::kLanes,
             ", not negative, but is ", offset);
}

random::Sequence sequence_of(const Attrs& attrs) {
  int count;
  const int64_t* key = attrs.integers("key", &count);
  return {{static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1])},
          static_cast<uint64_t>(attrs.integer("offset"))};
}

void check_chance(const InferContext& ctx, double p) {
  if (!(p >= 0 && p <= 1)) ctx.fail(ErrorCode::argument, "p must be in [0, 1] but is ", p);
}

double rounded_to(DType dtype, double value) {
  TG_DISPATCH_FLOAT(
      dtype, T, return static_cast<compute_t<T>>(static_cast<T>(static_cast<compute_t<T>>(value))))
}

namespace {

constexpr int64_t kGroupGrain = 512;  // 32768 words for each parallel chunk

template <class T>
double step_down(T high) {
  if constexpr (sizeof(T) > 2) {
    return std::nextafter(high, -std::numeric_limits<T>::infinity());
  } else {
    const float value = high;
    if (value == 0)
      high.bits = 0x8001;
    else
      high.bits = static_cast<uint16_t>(value > 0 ? high.bits - 1 : high.bits + 1);
    return static_cast<float>(high);
  }
}

template <class Row>
void for_groups(const View& out, const Attrs& attrs, int64_t per_group, Row&& row) {
  const random::Sequence sequence = sequence_of(attrs);
  const int64_t n = out.numel();
  parallel_for(ceil_div(n, per_group), kGroupGrain, [&](int64_t begin, int64_t end) {
    row(GroupRange{sequence, begin, end, n});
  });
}

DType expect_float_dtype(const InferContext& ctx) {
  const DType dtype = ctx.attrs.dtype("dtype");
  if (!is_float(dtype))
    ctx.fail(ErrorCode::dtype, "dtype must be a floating-point one but is ", dtype);
  return dtype;
}

void uniform_infer(InferContext& ctx) {
  check_sequence(ctx);
  const DType dtype = expect_float_dtype(ctx);
  const double low = ctx.attrs.number("low"), high = ctx.attrs.number("high");
  const double span = rounded_to(dtype, high) - rounded_to(dtype, low);
  if (!(low <= high) || !std::isfinite(rounded_to(dtype, span)))
    ctx.fail(ErrorCode::argument, "expects low <= high with a finite difference in ", dtype,
             " but got ", low, " and ", high);
  ctx.output(ctx.attrs.integers("shape"), dtype);
}

void uniform_cpu(KernelArgs& args) {
  const View& out = args.outputs[0];
  const double low = rounded_to(out.dtype, args.attrs.number("low"));
  const double high = rounded_to(out.dtype, args.attrs.number("high"));
  const double most = below_high(out.dtype, low, high);
  const auto row = TILEGRAD_SIMD(random_uniform);
  for_groups(out, args.attrs, out.dtype == DType::f64 ? random::kDoubles : random::kWords,
             [&](const GroupRange& range) { row(out.dtype, range, low, high, most, out.data); });
}

void normal_infer(InferContext& ctx) {
  check_sequence(ctx);
  const double std = ctx.attrs.number("std");
  if (!(std >= 0)) ctx.fail(ErrorCode::argument, "std must not be negative but is ", std);
  ctx.output(ctx.attrs.integers("shape"), expect_float_dtype(ctx));
}

void normal_cpu(KernelArgs& args) {
  const View& out = args.outputs[0];
  const double mean = args.attrs.number("mean"), std = args.attrs.number("std");
  const auto row = TILEGRAD_SIMD(random_normal);
  for_groups(out, args.attrs, out.dtype == DType::f64 ? random::kDoubles : random::kWords,
             [&](const GroupRange& range) { row(out.dtype, range, mean, std, out.data); });
}

void bernoulli_infer(InferContext& ctx) {
  check_sequence(ctx);
  if (ctx.has(0)) {
    ctx.expect_float(0, "the tensor of chances");
    ctx.output(ctx.shape(0), ctx.dtype(0));
  } else {
    check_chance(ctx, ctx.attrs.number("p"));
    ctx.output(ctx.attrs.integers("shape"), ctx.attrs.dtype("dtype"));
  }
}

void check_chances(const View& p) {
  TG_DISPATCH_FLOAT(p.dtype, T, {
    parallel_for(p.numel(), 65536, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const compute_t<T> value = p.as<T>()[i];
        if (!(value >= 0 && value <= 1))
          fail(ErrorCode::argument, "chances must be in [0, 1] but one is ",
               static_cast<double>(value));
      }
    });
  })
}

void bernoulli_cpu(KernelArgs& args) {
  const View& out = args.outputs[0];
  if (args.input_count == 0) {
    const uint64_t threshold = chance_threshold(args.attrs.number("p"));
    const auto row = TILEGRAD_SIMD(random_bernoulli);
    return for_groups(out, args.attrs, random::kWords,
                      [&](const GroupRange& range) { row(out.dtype, range, threshold, out.data); });
  }
  const View& p = args.inputs[0];
  check_chances(p);
  const void* chances = bytes_of(p);
  const auto row = TILEGRAD_SIMD(random_bernoulli_each);
  for_groups(out, args.attrs, random::kWords,
             [&](const GroupRange& range) { row(out.dtype, range, chances, out.data); });
}

// The whole numbers that `dtype` holds, as far as a JavaScript number is exact.
void check_integers(const InferContext& ctx, DType dtype, int64_t low, int64_t high) {
  int64_t least = -kMaxNumel, most = kMaxNumel;
  if (dtype == DType::i32) least = INT32_MIN, most = INT32_MAX;
  if (dtype == DType::i8) least = -128, most = 127;
  if (dtype == DType::u8) least = 0, most = 255;
  if (dtype == DType::boolean) least = 0, most = 1;
  if (low >= high) ctx.fail(ErrorCode::argument, "expects low < high but got ", low, " and ", high);
  if (low < least || high - 1 > most)
    ctx.fail(ErrorCode::argument, "numbers from ", low, " to ", high - 1, " do not fit into ",
             dtype);
}

void randint_infer(InferContext& ctx) {
  check_sequence(ctx);
  const DType dtype = ctx.attrs.dtype("dtype");
  check_integers(ctx, dtype, ctx.attrs.integer("low"), ctx.attrs.integer("high"));
  ctx.output(ctx.attrs.integers("shape"), dtype);
}

void randint_cpu(KernelArgs& args) {
  const View& out = args.outputs[0];
  const int64_t low = args.attrs.integer("low");
  const uint64_t span = static_cast<uint64_t>(args.attrs.integer("high") - low);
  const auto row = TILEGRAD_SIMD(random_integers);
  for_groups(out, args.attrs, random::fits_word(span) ? random::kWords : random::kDoubles,
             [&](const GroupRange& range) { row(out.dtype, range, low, span, out.data); });
}

void dropout_infer(InferContext& ctx) {
  check_sequence(ctx);
  check_chance(ctx, ctx.attrs.number("p"));
  ctx.expect_float(0, "input");
  ctx.output(ctx.shape(0), ctx.dtype(0));
}

void dropout_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  const double p = args.attrs.number("p");
  const uint64_t threshold = std::min<uint64_t>(chance_threshold(p), 0xffffffff);
  const double scale = p < 1 ? 1 / (1 - p) : 0;
  const void* data = bytes_of(x);
  const auto row = TILEGRAD_SIMD(random_dropout);
  for_groups(out, args.attrs, random::kWords, [&](const GroupRange& range) {
    row(out.dtype, range, threshold, scale, data, out.data);
  });
}

}  // namespace

double below_high(DType dtype, double low, double high) {
  TG_DISPATCH_FLOAT(dtype, T, {
    const double below = step_down(static_cast<T>(static_cast<compute_t<T>>(high)));
    return below > low ? below : low;
  })
}

extern const OpDef uniform_op, normal_op, bernoulli_op, randint_op, dropout_op;
const OpDef uniform_op = {.name = "uniform",
                          .inputs = {0, 0},
                          .attrs = {{"shape", AttrType::integers},
                                    {"low", AttrType::number},
                                    {"high", AttrType::number},
                                    {"dtype", AttrType::dtype},
                                    TG_RANDOM_ATTRS},
                          .infer = uniform_infer,
                          .cpu = uniform_cpu,
                          .cuda = TILEGRAD_CUDA_KERNEL(uniform_cuda)};
const OpDef normal_op = {.name = "normal",
                         .inputs = {0, 0},
                         .attrs = {{"shape", AttrType::integers},
                                   {"mean", AttrType::number},
                                   {"std", AttrType::number},
                                   {"dtype", AttrType::dtype},
                                   TG_RANDOM_ATTRS},
                         .infer = normal_infer,
                         .cpu = normal_cpu,
                         .cuda = TILEGRAD_CUDA_KERNEL(normal_cuda)};
const OpDef bernoulli_op = {.name = "bernoulli",
                            .inputs = {0, 1},
                            .attrs = {{"shape", AttrType::integers},
                                      {"p", AttrType::number},
                                      {"dtype", AttrType::dtype},
                                      TG_RANDOM_ATTRS},
                            .infer = bernoulli_infer,
                            .cpu = bernoulli_cpu,
                            .cuda = TILEGRAD_CUDA_KERNEL(bernoulli_cuda)};
const OpDef randint_op = {.name = "randint",
                          .inputs = {0, 0},
                          .attrs = {{"shape", AttrType::integers},
                                    {"low", AttrType::integer},
                                    {"high", AttrType::integer},
                                    {"dtype", AttrType::dtype},
                                    TG_RANDOM_ATTRS},
                          .infer = randint_infer,
                          .cpu = randint_cpu,
                          .cuda = TILEGRAD_CUDA_KERNEL(randint_cuda)};
const OpDef dropout_op = {.name = "dropout",
                          .inputs = {1, 1},
                          .attrs = {{"p", AttrType::number}, TG_RANDOM_ATTRS},
                          .infer = dropout_infer,
                          .cpu = dropout_cpu,
                          .cuda = TILEGRAD_CUDA_KERNEL(dropout_cuda)};

}  // namespace tilegrad
