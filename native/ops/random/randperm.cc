// randperm: the numbers 0 to n - 1 ordered by a random key each. A key is 64 random bits whose lowest give way to the
// number itself, so no two are equal and every way of sorting gives the same order. On the CPU: one scatter into
// buckets of about 2048 keys by the highest bits, then each bucket, in the cache, by its next 16 bits in two passes and
// by insertion where these tie. Bytes moved: 40 n.
#include <algorithm>
#include <memory>
#include <vector>

#include "core/ceil_div.h"
#include "core/parallel.h"
#include "ops/random/random.h"
#include "ops/random/random_simd.h"

namespace tilegrad {

void randperm_cuda(KernelArgs& args);

namespace {

constexpr int kMostBucketBits = 11;
constexpr int64_t kBucket = 2048;  // keys
constexpr int kDigit = 8;

void randperm_infer(InferContext& ctx) {
  check_sequence(ctx);
  const int64_t n = ctx.attrs.integer("n");
  const DType dtype = ctx.attrs.dtype("dtype");
  if (dtype != DType::i64 && dtype != DType::i32)
    ctx.fail(ErrorCode::dtype, "dtype must be i64 or i32 but is ", dtype);
  if (n < 0 || n > INT32_MAX) ctx.fail(ErrorCode::argument, "n must be in [0, 2^31) but is ", n);
  ctx.output({n}, dtype);
}

// Bits that choose the bucket.
int bucket_bits(int64_t n) {
  int bits = 0;
  while (bits < kMostBucketBits && n >> bits > kBucket) ++bits;
  return bits;
}

// Counts become places of the first of each.
void to_starts(int64_t* counts, int64_t n) {
  int64_t total = 0;
  for (int64_t digit = 0; digit < n; ++digit) {
    const int64_t count = counts[digit];
    counts[digit] = total;
    total += count;
  }
}

// Keys to the places of their digit, the bits from `shift` up.
void scatter(const uint64_t* from, uint64_t* to, int64_t n, int shift, uint64_t mask,
             int64_t* starts) {
  for (int64_t i = 0; i < n; ++i) to[starts[from[i] >> shift & mask]++] = from[i];
}

// The keys of a bucket, equal from bit `top` up; `space` is of the same length.
void sort_bucket(uint64_t* keys, uint64_t* space, int64_t n, int top) {
  if (n > 32) {
    constexpr int kDigits = 1 << kDigit;
    int64_t low[kDigits] = {}, high[kDigits] = {};
    const int shift = top - 2 * kDigit;
    for (int64_t i = 0; i < n; ++i) {
      ++low[keys[i] >> shift & (kDigits - 1)];
      ++high[keys[i] >> (shift + kDigit) & (kDigits - 1)];
    }
    to_starts(low, kDigits);
    to_starts(high, kDigits);
    scatter(keys, space, n, shift, kDigits - 1, low);
    scatter(space, keys, n, shift + kDigit, kDigits - 1, high);
  }
  for (int64_t i = 1; i < n; ++i) {
    const uint64_t key = keys[i];
    int64_t j = i;
    for (; j > 0 && keys[j - 1] > key; --j) keys[j] = keys[j - 1];
    keys[j] = key;
  }
}

template <class T>
void permute(const random::Sequence& sequence, int64_t n, T* out) {
  const int bits = random::index_bits(n), first = bucket_bits(n);
  const std::unique_ptr<uint64_t[]> keys(new uint64_t[static_cast<size_t>(n)]);
  const std::unique_ptr<uint64_t[]> sorted(new uint64_t[static_cast<size_t>(n)]);
  const auto draw = TILEGRAD_SIMD(random_group);
  constexpr int64_t kGroup = 2 * random::kLanes;  // keys: two of each block
  parallel_for(ceil_div(n, kGroup), 256, [&](int64_t begin, int64_t end) {
    uint32_t words[random::kWords];
    for (int64_t group = begin; group < end; ++group) {
      draw(sequence, group, words);
      for (int64_t i = group * kGroup; i < std::min(n, (group + 1) * kGroup); ++i) {
        const uint32_t* low = words + (i & 1) * kGroup + (i % kGroup) / 2;
        const uint64_t drawn = random::join(low[0], low[random::kLanes]);
        keys[static_cast<size_t>(i)] = random::permutation_key(drawn, i, bits);
      }
    }
  });
  std::vector<int64_t> ends(size_t{1} << first);  // of the buckets, once they are filled
  if (first > 0) {
    for (int64_t i = 0; i < n; ++i) ++ends[keys[static_cast<size_t>(i)] >> (64 - first)];
    to_starts(ends.data(), static_cast<int64_t>(ends.size()));
    scatter(keys.get(), sorted.get(), n, 64 - first, ends.size() - 1, ends.data());
  } else {
    ends[0] = n;
    std::copy_n(keys.get(), n, sorted.get());
  }
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  parallel_for(static_cast<int64_t>(ends.size()), 8, [&](int64_t begin, int64_t end) {
    for (auto bucket = static_cast<size_t>(begin); bucket < static_cast<size_t>(end); ++bucket) {
      const int64_t start = bucket == 0 ? 0 : ends[bucket - 1];
      sort_bucket(sorted.get() + start, keys.get() + start, ends[bucket] - start, 64 - first);
      for (int64_t i = start; i < ends[bucket]; ++i)
        out[i] = static_cast<T>(sorted[static_cast<size_t>(i)] & mask);
    }
  });
}

void randperm_cpu(KernelArgs& args) {
  const View& out = args.outputs[0];
  const random::Sequence sequence = sequence_of(args.attrs);
  if (out.dtype == DType::i64)
    permute(sequence, out.numel(), out.as<int64_t>());
  else
    permute(sequence, out.numel(), out.as<int32_t>());
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
