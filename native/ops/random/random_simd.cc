// Philox4x32-10 on vectors: 16 blocks at a time, each 32-bit word in the low half of a 64-bit lane, so
// that a multiplication gives both halves at once and no lane moves between rounds. The distributions
// are the scalar functions of core/random.h in loops over the 64 words, which the compiler vectorises.
#include "ops/random/random_simd.h"

#include "core/cpu/half.h"
#include "core/cpu/simd.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace tilegrad::TILEGRAD_ISA {

namespace {

typedef uint64_t VecU64 __attribute__((vector_size(kVectorBytes)));

// The full products of the low halves.
TG_SIMD VecU64 multiply_low(VecU64 a, VecU64 b) {
#if defined(TILEGRAD_ISA_AVX512)
  return (VecU64)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)b);
#elif defined(TILEGRAD_ISA_AVX2)
  return (VecU64)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (VecU64)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

// Words of blocks `first` + lane, lane < 2 * kVectorBytes / 8: lane 2 i in the low half of element i of
// `even`, lane 2 i + 1 in that of `odd`. `first` is even, and no lane carries into its upper word.
struct VectorState {
  VecU64 even[4], odd[4];
};

TG_SIMD void philox_round(VecU64 (&c)[4], VecU64 k0, VecU64 k1) {
  const VecU64 p0 = multiply_low(c[0], VecU64{} + random::kMultiplier0);
  const VecU64 p1 = multiply_low(c[2], VecU64{} + random::kMultiplier1);
  c[0] = (p1 >> 32) ^ c[1] ^ k0;
  c[1] = p1;
  c[2] = (p0 >> 32) ^ c[3] ^ k1;
  c[3] = p0;
}

TG_SIMD void philox_vector(const random::Sequence& sequence, uint64_t index, uint32_t* words) {
  constexpr int kPairs = kVectorBytes / 8;
  VecU64 lane;
  for (int i = 0; i < kPairs; ++i) lane[i] = static_cast<uint64_t>(2 * i);
  const uint64_t counter = sequence.offset + index;
  VectorState state = {{VecU64{} + (counter & 0xffffffffu) + lane, VecU64{} + (counter >> 32)},
                       {VecU64{} + (counter & 0xffffffffu) + lane + 1, VecU64{} + (counter >> 32)}};
  uint32_t k0 = sequence.key[0], k1 = sequence.key[1];
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    philox_round(state.even, VecU64{} + k0, VecU64{} + k1);
    philox_round(state.odd, VecU64{} + k0, VecU64{} + k1);
    k0 += random::kWeyl0;
    k1 += random::kWeyl1;
  }
#pragma GCC unroll 4
  for (int w = 0; w < 4; ++w) {
    const VecU64 both = (state.even[w] & 0xffffffffu) | (state.odd[w] << 32);
    __builtin_memcpy(words + w * random::kLanes, &both, sizeof both);
  }
}

}  // namespace

void random_group(const random::Sequence& sequence, int64_t group, uint32_t* words) {
  constexpr int kStep = kVectorBytes / 4;
  for (int lane = 0; lane < random::kLanes; lane += kStep)
    philox_vector(sequence, static_cast<uint64_t>(group * random::kLanes + lane), words + lane);
}

namespace {

// values(words, out, at) writes the `kCount` values of a group, which stand at `at` in the tensor.
template <int kCount, class T, class Values>
TG_SIMD void fill_groups(const GroupRange& range, T* out, Values values) {
  alignas(64) uint32_t words[random::kWords];
  for (int64_t group = range.begin; group < range.end; ++group) {
    random_group(range.sequence, group, words);
    const int64_t at = group * kCount;
    if (at + kCount <= range.n) {
      values(words, out + at, at);
    } else {
      T last[kCount];
      values(words, last, at);
      for (int64_t i = at; i < range.n; ++i) out[i] = last[i - at];
    }
  }
}

// One value for each word, from convert(word).
template <class T, class Convert>
TG_SIMD void fill_words(const GroupRange& range, T* out, Convert convert) {
  fill_groups<random::kWords>(
      range, out, [=](const uint32_t* words, T* to, int64_t) __attribute__((always_inline)) {
        for (int i = 0; i < random::kWords; ++i) to[i] = convert(words[i]);
      });
}

// One value for each pair of words, from convert(low, high).
template <class T, class Convert>
TG_SIMD void fill_pairs(const GroupRange& range, T* out, Convert convert) {
  fill_groups<random::kDoubles>(
      range, out, [=](const uint32_t* words, T* to, int64_t) __attribute__((always_inline)) {
        for (int half = 0; half < 2; ++half) {
          const uint32_t* low = words + 32 * half;
          for (int i = 0; i < 16; ++i) to[16 * half + i] = convert(low[i], low[16 + i]);
        }
      });
}

// n elements as floats and back, on vectors for the 16-bit types.
template <class T>
TG_SIMD void widen(const T* from, float* to, int n) {
  (dtype_of<T>::value == DType::f16 ? widen_f16 : widen_bf16)(
      reinterpret_cast<const uint16_t*>(from), to, n);
}
template <class T>
TG_SIMD void narrow(const float* from, T* to, int n) {
  (dtype_of<T>::value == DType::f16 ? narrow_f16 : narrow_bf16)(from,
                                                                reinterpret_cast<uint16_t*>(to), n);
}

template <class T>
constexpr int kUnitBits = 24;
template <>
constexpr int kUnitBits<f16> = 11;
template <>
constexpr int kUnitBits<bf16> = 8;

template <class T>
void uniform(const GroupRange& range, double low_value, double high_value, double most_value,
             void* out) {
  using C = compute_t<T>;
  const C low = static_cast<C>(low_value), most = static_cast<C>(most_value);
  const C span = static_cast<C>(high_value) - low;
  if constexpr (sizeof(T) == 8) {
    fill_pairs(
        range, static_cast<T*>(out), [=](uint32_t a, uint32_t b) __attribute__((always_inline)) {
          const C value = random::unit_f64(a, b) * span + low;
          return value > most ? most : value;
        });
  } else {
    fill_groups<random::kWords>(
        range, static_cast<T*>(out),
        [=](const uint32_t* words, T* to, int64_t) __attribute__((always_inline)) {
          alignas(64) float values[random::kWords];
          for (int i = 0; i < random::kWords; ++i) {
            const float value = random::unit_f32(words[i], kUnitBits<T>) * span + low;
            values[i] = value > most ? most : value;
          }
          if constexpr (sizeof(T) == 4)
            __builtin_memcpy(to, values, sizeof values);
          else
            narrow(values, to, random::kWords);
        });
  }
}

TG_SIMD void normal_words(const uint32_t* words, float mean, float std, float* to) {
  for (int half = 0; half < 64; half += 32) {
    for (int i = half; i < half + 16; ++i) {
      float first, second;
      random::normal_pair(words[i], words[i + 16], &first, &second);
      to[i] = first * std + mean;
      to[i + 16] = second * std + mean;
    }
  }
}

template <class T>
void normal(const GroupRange& range, double mean_value, double std_value, void* out) {
  using C = compute_t<T>;
  const C mean = static_cast<C>(mean_value), std = static_cast<C>(std_value);
  if constexpr (sizeof(T) == 8) {
    fill_groups<random::kDoubles>(
        range, static_cast<T*>(out),
        [=](const uint32_t* words, T* to, int64_t) __attribute__((always_inline)) {
          for (int i = 0; i < 16; ++i) {
            const uint32_t four[4] = {words[i], words[16 + i], words[32 + i], words[48 + i]};
            C first, second;
            random::normal_pair(four, &first, &second);
            to[i] = first * std + mean;
            to[16 + i] = second * std + mean;
          }
        });
  } else {
    fill_groups<random::kWords>(
        range, static_cast<T*>(out),
        [=](const uint32_t* words, T* to, int64_t) __attribute__((always_inline)) {
          if constexpr (sizeof(T) == 4) {
            normal_words(words, mean, std, to);
          } else {
            alignas(64) float wide[random::kWords];
            normal_words(words, mean, std, wide);
            narrow(wide, to, random::kWords);
          }
        });
  }
}

template <class T>
void bernoulli(const GroupRange& range, uint64_t threshold, void* out) {
  using C = compute_t<T>;
  const T yes = static_cast<T>(static_cast<C>(1)), no = static_cast<T>(static_cast<C>(0));
  if (threshold > 0xffffffffu)
    return fill_words(
        range, static_cast<T*>(out), [=](uint32_t) __attribute__((always_inline)) { return yes; });
  const uint32_t limit = static_cast<uint32_t>(threshold);
  fill_words(
      range, static_cast<T*>(out), [=](uint32_t word) __attribute__((always_inline)) {
        return word < limit ? yes : no;
      });
}

template <class T>
void bernoulli_each(const GroupRange& range, const void* p, void* out) {
  using C = compute_t<T>;
  fill_groups<random::kWords>(
      range, static_cast<T*>(out),
      [=](const uint32_t* words, T* to, int64_t at) __attribute__((always_inline)) {
        const T* chance = static_cast<const T*>(p) + at;
        const int count = static_cast<int>(range.n - at < 64 ? range.n - at : 64);
        for (int i = 0; i < count; ++i)
          to[i] = static_cast<T>(static_cast<C>(static_cast<C>(random::unit_f32(words[i], 24)) <
                                                static_cast<C>(chance[i])));
      });
}

template <class T>
void integers(const GroupRange& range, int64_t low, uint64_t span, void* out) {
  using C = compute_t<T>;
  if (random::fits_word(span)) {
    fill_words(
        range, static_cast<T*>(out), [=](uint32_t word) __attribute__((always_inline)) {
          return static_cast<T>(
              static_cast<C>(low + static_cast<int64_t>(random::below_32(word, span))));
        });
  } else {
    fill_pairs(
        range, static_cast<T*>(out), [=](uint32_t a, uint32_t b) __attribute__((always_inline)) {
          return static_cast<T>(static_cast<C>(
              low + static_cast<int64_t>(random::below_64(random::join(a, b), span))));
        });
  }
}

template <class T>
void dropout(const GroupRange& range, uint64_t threshold, double scale_value, const void* x_data,
             void* out) {
  using C = compute_t<T>;
  const C scale = static_cast<C>(scale_value);
  const uint32_t limit = static_cast<uint32_t>(threshold);
  fill_groups<random::kWords>(
      range, static_cast<T*>(out),
      [=](const uint32_t* words, T* to, int64_t at) __attribute__((always_inline)) {
        const T* x = static_cast<const T*>(x_data) + at;
        const int count = static_cast<int>(range.n - at < 64 ? range.n - at : 64);
        if constexpr (sizeof(T) == 2) {
          alignas(64) float wide[random::kWords];
          widen(x, wide, count);
          for (int i = 0; i < count; ++i) wide[i] *= words[i] < limit ? C(0) : scale;
          narrow(wide, to, count);
        } else {
          for (int i = 0; i < count; ++i) to[i] = x[i] * (words[i] < limit ? C(0) : scale);
        }
      });
}

}  // namespace

void random_uniform(DType dtype, const GroupRange& range, double low, double high, double most,
                    void* out) {
  TG_DISPATCH_FLOAT(dtype, T, uniform<T>(range, low, high, most, out))
}
void random_normal(DType dtype, const GroupRange& range, double mean, double std, void* out) {
  TG_DISPATCH_FLOAT(dtype, T, normal<T>(range, mean, std, out))
}
void random_bernoulli(DType dtype, const GroupRange& range, uint64_t threshold, void* out) {
  TG_DISPATCH_ALL(dtype, T, bernoulli<T>(range, threshold, out))
}
void random_bernoulli_each(DType dtype, const GroupRange& range, const void* p, void* out) {
  TG_DISPATCH_FLOAT(dtype, T, bernoulli_each<T>(range, p, out))
}
void random_integers(DType dtype, const GroupRange& range, int64_t low, uint64_t span, void* out) {
  TG_DISPATCH_ALL(dtype, T, integers<T>(range, low, span, out))
}
void random_dropout(DType dtype, const GroupRange& range, uint64_t threshold, double scale,
                    const void* x, void* out) {
  TG_DISPATCH_FLOAT(dtype, T, dropout<T>(range, threshold, scale, x, out))
}

}  // namespace tilegrad::TILEGRAD_ISA
