// magnitude_mask selects the threshold by its digits, the highest first: each pass counts the elements that share the digits
// found so far by their next 11 bits. 3 passes for floats of 32 bits or less and 6 for f64, then one that counts ties
// and one that writes. Nothing is sorted. nm_mask ranks each element within its group, m comparisons an element.
#include <atomic>
#include <vector>

#include "core/ceil_div.h"
#include "core/parallel.h"
#include "ops/prune/prune.h"

namespace tilegrad {
namespace {

constexpr int64_t kChunk = 1 << 16;  // elements
constexpr int kDigit = 11;

// |x| as an integer of the same order; NaN is above infinity.
uint32_t magnitude(float x) { return float_to_bits(x) & 0x7fffffffu; }
uint64_t magnitude(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits & ~(uint64_t{1} << 63);
}

template <class T>
class Selection {
 public:
  using Key = decltype(magnitude(compute_t<T>{}));

  // Among the elements with kept[i] (all if kept is null) the `count` smallest are to be dropped.
  Selection(const T* x, const bool* kept, int64_t n, int64_t count)
      : x_(x), kept_(kept), n_(n), count_(count) {}

  void write(bool* mask) {
    select();
    const std::vector<int64_t> before = ties_before();
    parallel_for(n_, kChunk, [&](int64_t begin, int64_t end) {
      int64_t ties = before[static_cast<size_t>(begin / kChunk)];
      for (int64_t i = begin; i < end; ++i) {
        const Key k = key(i);
        const bool dropped = k < threshold_ || (k == threshold_ && counts(i) && ties++ < count_);
        mask[i] = counts(i) && !dropped;
      }
    });
  }

 private:
  Key key(int64_t i) const { return magnitude(static_cast<compute_t<T>>(x_[i])); }
  bool counts(int64_t i) const { return kept_ == nullptr || kept_[i]; }

  // Leaves the largest key that is dropped in threshold_, and in count_ how many of that key are.
  void select() {
    constexpr int kBits = static_cast<int>(sizeof(Key)) * 8;
    if (count_ == 0) return;  // threshold 0, of which none
    Key known = 0;
    int shift = kBits;
    while (shift > 0) {
      const int width = shift < kDigit ? shift : kDigit;
      shift -= width;
      std::vector<std::atomic<int64_t>> total(size_t{1} << width);
      parallel_for(n_, kChunk, [&](int64_t begin, int64_t end) {
        std::vector<int32_t> own(size_t{1} << width);
        for (int64_t i = begin; i < end; ++i) {
          const Key k = key(i);
          if (counts(i) && (k & known_mask(shift + width)) == known)
            ++own[static_cast<size_t>(k >> shift) & (own.size() - 1)];
        }
        for (size_t d = 0; d < own.size(); ++d)
          if (own[d] != 0) total[d].fetch_add(own[d], std::memory_order_relaxed);
      });
      Key digit = 0;
      while (total[digit].load(std::memory_order_relaxed) < count_) count_ -= total[digit++];
      known |= digit << shift;
    }
    threshold_ = known;
  }

  static Key known_mask(int shift) {
    return shift >= static_cast<int>(sizeof(Key)) * 8 ? 0 : ~Key{0} << shift;
  }

  // The number of elements equal to the threshold before each chunk.
  std::vector<int64_t> ties_before() const {
    std::vector<int64_t> before(static_cast<size_t>(ceil_div(n_, kChunk)) + 1);
    parallel_for(n_, kChunk, [&](int64_t begin, int64_t end) {
      int64_t ties = 0;
      for (int64_t i = begin; i < end; ++i) ties += counts(i) && key(i) == threshold_;
      before[static_cast<size_t>(begin / kChunk) + 1] = ties;
    });
    for (size_t c = 1; c < before.size(); ++c) before[c] += before[c - 1];
    return before;
  }

  const T* x_;
  const bool* kept_;
  int64_t n_, count_;
  Key threshold_ = 0;
};

template <class T>
void nm_mask(const T* x, bool* mask, int64_t n, int64_t m, int64_t inner) {
  for (int64_t i = 0; i < inner; ++i) {
    for (int64_t j = 0; j < m; ++j) {
      const auto own = magnitude(static_cast<compute_t<T>>(x[j * inner + i]));
      int64_t above = 0;
      for (int64_t other = 0; other < m; ++other) {
        const auto its = magnitude(static_cast<compute_t<T>>(x[other * inner + i]));
        above += its > own || (its == own && other < j);
      }
      mask[j * inner + i] = above < n;
    }
  }
}

}  // namespace

void magnitude_mask_cpu(KernelArgs& args) {
  const View& x = args.inputs[0];
  const bool* kept = args.has(1) ? args.inputs[1].as<bool>() : nullptr;
  const int64_t n = x.numel();
  int64_t count = args.attrs.integer("count");
  if (kept != nullptr) {
    int64_t alive = 0;
    for (int64_t i = 0; i < n; ++i) alive += kept[i];
    if (count > alive)
      fail(ErrorCode::argument, count, " elements cannot be dropped of ", alive, " kept ones");
  }
  TG_DISPATCH_FLOAT(x.dtype, T,
                    { Selection<T>(x.as<T>(), kept, n, count).write(args.outputs[0].as<bool>()); });
}

void nm_mask_cpu(KernelArgs& args) {
  const View& x = args.inputs[0];
  const Shape& shape = x.shape();
  const int64_t n = args.attrs.integer("n"), m = args.attrs.integer("m");
  int64_t dim = args.attrs.integer("dim"), inner = 1;
  if (dim < 0) dim += shape.rank;
  for (int d = static_cast<int>(dim) + 1; d < shape.rank; ++d) inner *= shape[d];
  const int64_t group = m * inner;
  TG_DISPATCH_FLOAT(x.dtype, T, {
    parallel_for(x.numel() / group, grain_for(group * m), [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g)
        nm_mask(x.as<T>() + g * group, args.outputs[0].as<bool>() + g * group, n, m, inner);
    });
  });
}

}  // namespace tilegrad
