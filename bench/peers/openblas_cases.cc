// The OpenBLAS side of npm run bench:peers.
#include <cblas.h>

#include <random>
#include <stdexcept>

#include "answer.h"

extern "C" void openblas_set_num_threads(int);

static std::vector<float> drawn(size_t n) {
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(n);
  for (float& value : values) value = uniform(engine);
  return values;
}

static std::function<void()> prepare(std::istringstream& words, int threads) {
  std::string kind;
  int m = 0, k = 0, n = 0;
  words >> kind >> m >> k >> n;
  if (kind != "matmul") throw std::invalid_argument("no such case: " + kind);
  openblas_set_num_threads(threads);
  auto size = [](int rows, int cols) {
    return static_cast<size_t>(rows) * static_cast<size_t>(cols);
  };
  return [m, k, n, a = drawn(size(m, k)), b = drawn(size(k, n)),
          c = std::vector<float>(size(m, n))]() mutable {
    // A product with one row is one with a vector, as every caller that looks for speed writes it.
    if (m == 1)
      cblas_sgemv(CblasRowMajor, CblasTrans, k, n, 1, b.data(), n, a.data(), 1, 0, c.data(), 1);
    else
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a.data(), k, b.data(), n,
                  0, c.data(), n);
  };
}

int main(int argc, char**) { return serve(argc, openblas_get_config(), prepare); }
