// 2:4 matrices on the CPU: rows are spread over the threads. The product is the dense one of an unpacked copy: CPUs have
// no instruction that skips. Bytes moved by the others: each matrix once; the product moves the unpacked copy besides.
#include <algorithm>
#include <memory>

#include "core/cpu/gemm.h"
#include "core/cpu/half.h"
#include "core/parallel.h"
#include "ops/semi_structured/semi_structured.h"
#include "ops/semi_structured/semi_structured_group.h"

namespace tilegrad {

namespace {

// Calls body(row) for each row of `columns` elements.
template <class Body>
void each_row(int64_t rows, int64_t columns, const Body& body) {
  parallel_for(rows, grain_for(columns * 4), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

template <class T, class Out>
void unpack(const View& values, const View& indices, Out* out) {
  const int64_t rows = values.shape()[0], kept = values.shape()[1];
  each_row(rows, kept * 2, [&](int64_t row) {
    const T* from = values.as<T>() + row * kept;
    const uint8_t* where = indices.as<uint8_t>() + row * (kept / 4);
    Out* to = out + row * kept * 2;
    for (int64_t i = 0; i < kept * 2; ++i) to[i] = Out(0.0f);
    for (int64_t g = 0; g < kept / 2; ++g) {
      const int bits = indices_of(where, g);
      to[g * kGroup + (bits & 3)] = static_cast<Out>(from[2 * g]);
      to[g * kGroup + (bits >> 2)] = static_cast<Out>(from[2 * g + 1]);
    }
  });
}

// 16-bit floats are widened, rows of x by groups, multiplied in f32 and rounded once.
template <class T>
void multiply(const View& x, const View& values, const View& indices, const View* bias,
              const View& out) {
  using C = compute_t<T>;
  const int64_t n = values.shape()[0], k = values.shape()[1] * 2;
  const int64_t m = n > 0 ? out.numel() / n : 0;
  const std::unique_ptr<C[]> weight(new C[static_cast<size_t>(n * k)]);
  unpack<T>(values, indices, weight.get());
  Gemm<C> g;
  g.m = m, g.n = n, g.k = k;
  g.a_row = k, g.a_col = 1;
  g.b = weight.get(), g.b_row = 1, g.b_col = k;
  g.c_row = n;
  if (bias != nullptr) g.bias_axis = BiasAxis::col;
  if constexpr (std::is_same_v<T, C>) {
    g.a = x.as<T>(), g.c = out.as<T>();
    if (bias != nullptr) g.bias = bias->as<T>();
    gemm(g);
  } else {
    constexpr int64_t kElements = 1 << 24, kLeastRows = 128;
    const int64_t rows = std::min(m, std::max(kElements / std::max<int64_t>(k + n, 1), kLeastRows));
    const std::unique_ptr<C[]> wide(new C[static_cast<size_t>(rows * (k + n) + n)]);
    C *wide_x = wide.get(), *result = wide_x + rows * k, *wide_bias = result + rows * n;
    if (bias != nullptr) widen(out.dtype, bias->as<T>(), wide_bias, n);
    g.a = wide_x, g.c = result, g.bias = wide_bias;
    for (int64_t row = 0; row < m; row += rows) {
      g.m = std::min(rows, m - row);
      widen(out.dtype, x.as<T>() + row * k, wide_x, g.m * k);
      gemm(g);
      narrow(out.dtype, result, out.as<T>() + row * n, g.m * n);
    }
  }
}

}  // namespace

void semi_structured_compress_cpu(KernelArgs& args) {
  const View &weight = args.inputs[0], &values = args.outputs[0], &indices = args.outputs[1];
  const int64_t rows = weight.shape()[0], columns = weight.shape()[1];
  TG_DISPATCH_FLOAT(weight.dtype, T, each_row(rows, columns, [&](int64_t row) {
                      const T* from = weight.as<T>() + row * columns;
                      T* to = values.as<T>() + row * (columns / 2);
                      uint8_t* where = indices.as<uint8_t>() + row * (columns / 8);
                      for (int64_t g = 0; g < columns / kGroup; ++g) {
                        const int bits = kept_indices(from + g * kGroup);
                        to[2 * g] = from[g * kGroup + (bits & 3)];
                        to[2 * g + 1] = from[g * kGroup + (bits >> 2)];
                        if (g % 2 == 0)
                          where[g / 2] = static_cast<uint8_t>(bits);
                        else
                          where[g / 2] = static_cast<uint8_t>(where[g / 2] | bits << 4);
                      }
                    }))
}

void semi_structured_pick_cpu(KernelArgs& args) {
  const View &weight = args.inputs[0], &indices = args.inputs[1], &values = args.outputs[0];
  const int64_t rows = weight.shape()[0], columns = weight.shape()[1];
  TG_DISPATCH_SIZE(weight.dtype, T, each_row(rows, columns, [&](int64_t row) {
                     const T* from = weight.as<T>() + row * columns;
                     T* to = values.as<T>() + row * (columns / 2);
                     const uint8_t* where = indices.as<uint8_t>() + row * (columns / 8);
                     for (int64_t g = 0; g < columns / kGroup; ++g) {
                       const int bits = indices_of(where, g);
                       to[2 * g] = from[g * kGroup + (bits & 3)];
                       to[2 * g + 1] = from[g * kGroup + (bits >> 2)];
                     }
                   }))
}

void semi_structured_dense_cpu(KernelArgs& args) {
  const View &values = args.inputs[0], &indices = args.inputs[1], &weight = args.outputs[0];
  TG_DISPATCH_FLOAT(values.dtype, T, unpack<T>(values, indices, weight.as<T>()))
}

void semi_structured_linear_cpu(KernelArgs& args) {
  const View* bias = args.has(3) ? &args.inputs[3] : nullptr;
  TG_DISPATCH_FLOAT(
      args.outputs[0].dtype, T,
      multiply<T>(args.inputs[0], args.inputs[1], args.inputs[2], bias, args.outputs[0]))
}

}  // namespace tilegrad
