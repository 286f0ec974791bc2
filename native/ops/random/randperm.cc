// randperm: the numbers 0 to n - 1 ordered by a random key each. A key is 64 random bits whose lowest give way to the
// number itself, so no two are equal and every way of sorting gives the same order. On the CPU: least digit first
// radix sort of the random bits, 11 at a time. Bytes moved: 16 n for each pass.
#include <memory>
#include <vector>

#include "core/parallel.h"
#include "ops/random/random.h"

namespace tilegrad {

void randperm_cuda(KernelArgs& args);

namespace {

constexpr int kDigit = 11;

void randperm_infer(InferContext& ctx) {
  check_sequence(ctx);
  const int64_t n = ctx.attrs.integer("n");
  const DType dtype = ctx.attrs.dtype("dtype");
  if (dtype != DType::i64 && dtype != DType::i32)
    ctx.fail(ErrorCode::dtype, "dtype must be i64 or i32 but is ", dtype);
  if (n < 0 || n > INT32_MAX) ctx.fail(ErrorCode::argument, "n must be in [0, 2^31) but is ", n);
  ctx.output({n}, dtype);
}

// Sorts by the bits from `first` up; returns the array, keys or space, that holds the result.
uint64_t* radix_sort(uint64_t* keys, uint64_t* space, int64_t n, int first) {
  std::vector<int64_t> starts(size_t{1} << kDigit);
  for (int shift = first; shift < 64; shift += kDigit) {
    const uint64_t mask = (uint64_t{1} << kDigit) - 1;
    std::fill(starts.begin(), starts.end(), 0);
    for (int64_t i = 0; i < n; ++i) ++starts[keys[i] >> shift & mask];
    int64_t total = 0;
    for (int64_t& start : starts) {
      const int64_t count = start;
      start = total;
      total += count;
    }
    for (int64_t i = 0; i < n; ++i) space[starts[keys[i] >> shift & mask]++] = keys[i];
    std::swap(keys, space);
  }
  return keys;
}

void randperm_cpu(KernelArgs& args) {
  const View& out = args.outputs[0];
  const int64_t n = out.numel();
  const random::Sequence sequence = sequence_of(args.attrs);
  const int bits = random::index_bits(n);
  const std::unique_ptr<uint64_t[]> keys(new uint64_t[static_cast<size_t>(n)]);
  const std::unique_ptr<uint64_t[]> space(new uint64_t[static_cast<size_t>(n)]);
  parallel_for(n, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      keys[static_cast<size_t>(i)] = random::permutation_key(sequence, i, bits);
  });
  const uint64_t* sorted = radix_sort(keys.get(), space.get(), n, bits);
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t value = static_cast<int64_t>(sorted[i] & mask);
    if (out.dtype == DType::i64)
      out.as<int64_t>()[i] = value;
    else
      out.as<int32_t>()[i] = static_cast<int32_t>(value);
  }
}

}  // namespace

extern const OpDef randperm_op;
const OpDef randperm_op = {
    .name = "randperm",
    .inputs = {0, 0},
    .attrs = {{"n", AttrType::integer}, {"dtype", AttrType::dtype}, TG_RANDOM_ATTRS},
    .infer = randperm_infer,
    .cpu = randperm_cpu,
    .cuda = TILEGRAD_CUDA_KERNEL(randperm_cuda)};

}  // namespace tilegrad
