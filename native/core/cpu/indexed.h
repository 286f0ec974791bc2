// Positions that come from a tensor: read and checked on the stream, since only there their values are known.
#pragma once

#include <cstring>
#include <memory>
#include <string>

#include "core/cpu/copy.h"
#include "core/cpu/half.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/tensor.h"
#include "core/view_bytes.h"

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

/// Fills `out` with `base` (none: with 0) and lets `add` add to it: add.operator()<T>(values) for elements of T. 16-bit floats
/// are summed in f32 and rounded once.
template <class Add>
void add_indexed(const View& base, const View& out, const Add& add) {
  const int64_t numel = out.numel();
  if (out.dtype == DType::f16 || out.dtype == DType::bf16) {
    const std::unique_ptr<float[]> wide(new float[static_cast<size_t>(numel)]());
    if (base) widen(out.dtype, base.as<uint16_t>(), wide.get(), numel);
    if (out.dtype == DType::f16) {
      add.template operator()<f16>(wide.get());
    } else {
      add.template operator()<bf16>(wide.get());
    }
    return narrow(out.dtype, wide.get(), out.as<uint16_t>(), numel);
  }
  if (base) {
    copy_strided_cpu(base, out);
  } else {
    constexpr int64_t kGrain = 65536;
    char* bytes = static_cast<char*>(out.data);
    parallel_for(numel * static_cast<int64_t>(dtype_size(out.dtype)), kGrain,
                 [=](int64_t begin, int64_t end) {
                   std::memset(bytes + begin, 0, static_cast<size_t>(end - begin));
                 });
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
