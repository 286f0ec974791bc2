// Positions that come from a tensor: read and checked on the stream, since only there their values are known.
#pragma once

#include <cstring>
#include <string>

#include "core/cpu/copy.h"
#include "core/cpu/half.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/tensor.h"
#include "core/view_bytes.h"
#include "core/workspace.h"

namespace tilegrad {

/// The dtypes of index tensors.
inline bool is_index(DType d) { return d == DType::i64 || d == DType::i32; }

// Runs `statement` with I bound to the C++ type of an index tensor's elements.
#define TG_DISPATCH_INDEX(DTYPE, I, ...)   \
  if ((DTYPE) == ::tilegrad::DType::i32) { \
    using I = int32_t;                     \
    __VA_ARGS__;                           \
  } else {                                 \
    using I = int64_t;                     \
    __VA_ARGS__;                           \
  }

/// What is wrong with a position `index` that stands at `at` of the index tensor: it means a place of dimension `dim` of
/// `size` places, or one of `size` rows where dim is -1.
std::string index_message(int64_t index, int64_t at, int64_t size, int dim);
[[noreturn]] void fail_index(int64_t index, int64_t at, int64_t rows);

/// Throws ERR_ARGUMENT unless all positions in the index are from 0 to rows - 1.
void check_index(const View& index, int64_t rows);

inline bool is_16_bit_float(DType d) { return d == DType::f16 || d == DType::bf16; }

inline void fill_with_zeros(void* out, int64_t bytes) {
  constexpr int64_t kGrain = 65536;
  parallel_for(bytes, kGrain, [out](int64_t begin, int64_t end) {
    std::memset(static_cast<char*>(out) + begin, 0, static_cast<size_t>(end - begin));
  });
}

/// Fills the call's output with `base` (none: with 0) and lets `add` add to it: add.operator()<T>(values) for elements of T.
/// 16-bit floats are summed in f32, in a workspace of as many elements, and rounded once.
template <class Add>
void add_indexed(const KernelArgs& args, const View& base, const Add& add) {
  const View& out = args.outputs[0];
  const int64_t numel = out.numel();
  if (is_16_bit_float(out.dtype)) {
    float* wide = workspace(args);
    if (base) {
      widen(out.dtype, base.as<uint16_t>(), wide, numel);
    } else {
      fill_with_zeros(wide, numel * int64_t{sizeof(float)});
    }
    if (out.dtype == DType::f16) {
      add.template operator()<f16>(wide);
    } else {
      add.template operator()<bf16>(wide);
    }
    return narrow(out.dtype, wide, out.as<uint16_t>(), numel);
  }
  if (base) {
    copy_strided_cpu(base, out);
  } else {
    fill_with_zeros(out.data, numel * static_cast<int64_t>(dtype_size(out.dtype)));
  }
  switch (out.dtype) {
    TG_CASE(f32, float, T, add.template operator()<T>(out.as<T>()))
    TG_CASE(f64, double, T, add.template operator()<T>(out.as<T>()))
    TG_CASES_INTEGER(T, add.template operator()<T>(out.as<T>()))
    default:
      __builtin_unreachable();
  }
}

/// source (outer, rows, inner) to out (outer, n, inner) by the n positions of index, `bytes` per row of inner elements.
/// Throws ERR_ARGUMENT for a position that is none.
void copy_indexed_rows(const void* source, const View& index, void* out, int64_t outer,
                       int64_t rows, int64_t bytes);

}  // namespace tilegrad
