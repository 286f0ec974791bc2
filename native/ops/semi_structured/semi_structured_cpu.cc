// 2:4 matrices on the CPU: rows are spread over the threads. The product is the dense one of an unpacked copy: CPUs have
// no instruction that skips. Bytes moved by the others: each matrix once; the product moves the unpacked copy besides.
#include <memory>

#include "core/cpu/gemm.h"
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

// 16-bit floats are widened, multiplied in f32 and rounded once.
template <class T>
void multiply(const View& x, const View& values, const View& indices, const View* bias,
              const View& out) {
  using C = compute_t<T>;
  const int64_t n = values.shape()[0], k = values.shape()[1] * 2;
  const int64_t m = n > 0 ? out.numel() / n : 0;
  const auto wide = [](const T* from, int64_t count, std::unique_ptr<C[]>* kept) -> const C* {
    if constexpr (std::is_same_v<T, C>) return from;
    kept->reset(new C[static_cast<size_t>(count)]);
    for (int64_t i = 0; i < count; ++i) (*kept)[i] = static_cast<C>(from[i]);
    return kept->get();
  };
  const std::unique_ptr<C[]> weight(new C[static_cast<size_t>(n * k)]);
  unpack<T>(values, indices, weight.get());
  std::unique_ptr<C[]> wide_x, wide_bias, result;
  Gemm<C> g;
  g.m = m, g.n = n, g.k = k;
  g.a = wide(x.as<T>(), m * k, &wide_x), g.a_row = k, g.a_col = 1;
  g.b = weight.get(), g.b_row = 1, g.b_col = k;
  g.c_row = n;
  if (bias != nullptr) {
    g.bias_axis = BiasAxis::col;
    g.bias = wide(bias->as<T>(), n, &wide_bias);
  }
  if constexpr (std::is_same_v<T, C>) {
    g.c = out.as<T>();
    gemm(g);
  } else {
    result.reset(new C[static_cast<size_t>(m * n)]);
    g.c = result.get();
    gemm(g);
    for (int64_t i = 0; i < m * n; ++i) out.as<T>()[i] = static_cast<T>(result[i]);
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
