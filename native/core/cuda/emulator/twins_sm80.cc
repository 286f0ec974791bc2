// Twins of ldmatrix, mma.sync and cp.async. Compiled with the sanitizer flags of the kernels, so that
// their accesses to shared and global memory are seen.
#include <bit>

#include "core/cuda/emulator/scheduler.h"
#include "core/cuda/emulator/twins.h"

namespace tilegrad::emulator {
namespace {

void need_all_lanes(unsigned mask, const char* what) {
  if (mask != ~0u) fail("%s needs all 32 lanes of the warp", what);
}

struct MatrixOperand {
  uint32_t* r;
  const char* row;
};

TILEGRAD_NO_TSAN void run_ldmatrix(void** operands, unsigned mask) {
  need_all_lanes(mask, "ldmatrix");
  for (int j = 0; j < 4; j++) {
    for (int lane = 0; lane < 32; lane++) {
      const char* row = static_cast<MatrixOperand*>(operands[8 * j + lane / 4])->row;
      std::memcpy(&static_cast<MatrixOperand*>(operands[lane])->r[j], row + 4 * (lane % 4), 4);
    }
  }
}

TILEGRAD_NO_TSAN void run_ldmatrix_transposed(void** operands, unsigned mask) {
  need_all_lanes(mask, "ldmatrix");
  for (int j = 0; j < 4; j++) {
    for (int lane = 0; lane < 32; lane++) {
      uint16_t pair[2];
      for (int h = 0; h < 2; h++) {
        const char* row = static_cast<MatrixOperand*>(operands[8 * j + 2 * (lane % 4) + h])->row;
        std::memcpy(&pair[h], row + 2 * (lane / 4), 2);
      }
      std::memcpy(&static_cast<MatrixOperand*>(operands[lane])->r[j], pair, 4);
    }
  }
}

template <class T>
struct MmaOperand {
  T* d;
  const uint32_t *a, *b;
};

template <bool Bf16>
float half_word(uint32_t word, int high) {
  const auto bits = static_cast<uint16_t>(high ? word >> 16 : word);
  if (Bf16) return std::bit_cast<float>(uint32_t{bits} << 16);
  return __half2float(__half(__half_raw{bits}));
}

template <class T, class In, int K>
TILEGRAD_NO_TSAN void multiply(void** operands, const In (&a)[16][K], const In (&b)[8][K]) {
  for (int lane = 0; lane < 32; lane++) {
    T* d = static_cast<MmaOperand<T>*>(operands[lane])->d;
    for (int c = 0; c < 4; c++) {
      const int row = lane / 4 + 8 * (c / 2), column = 2 * (lane % 4) + c % 2;
      T sum = 0;
      for (int k = 0; k < K; k++) sum += static_cast<T>(a[row][k]) * static_cast<T>(b[column][k]);
      d[c] += sum;
    }
  }
}

template <bool Bf16>
TILEGRAD_NO_TSAN void run_mma_16bit(void** operands, unsigned mask) {
  need_all_lanes(mask, "mma.sync");
  float a[16][16], b[8][16];
  for (int lane = 0; lane < 32; lane++) {
    const auto& x = *static_cast<MmaOperand<float>*>(operands[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int h = 0; h < 2; h++) {
      for (int i = 0; i < 4; i++)
        a[g + 8 * (i % 2)][2 * t + 8 * (i / 2) + h] = half_word<Bf16>(x.a[i], h);
      for (int i = 0; i < 2; i++) b[g][2 * t + 8 * i + h] = half_word<Bf16>(x.b[i], h);
    }
  }
  multiply<float>(operands, a, b);
}

TILEGRAD_NO_TSAN void run_mma_tf32(void** operands, unsigned mask) {
  need_all_lanes(mask, "mma.sync");
  float a[16][8], b[8][8];
  for (int lane = 0; lane < 32; lane++) {
    const auto& x = *static_cast<MmaOperand<float>*>(operands[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; i++)
      a[g + 8 * (i % 2)][t + 4 * (i / 2)] = std::bit_cast<float>(x.a[i] & ~0x1fffu);
    for (int i = 0; i < 2; i++) b[g][t + 4 * i] = std::bit_cast<float>(x.b[i] & ~0x1fffu);
  }
  multiply<float>(operands, a, b);
}

template <bool ASigned, bool BSigned>
TILEGRAD_NO_TSAN void run_mma_8bit(void** operands, unsigned mask) {
  need_all_lanes(mask, "mma.sync");
  int a[16][32], b[8][32];
  for (int lane = 0; lane < 32; lane++) {
    const auto& x = *static_cast<MmaOperand<int>*>(operands[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int e = 0; e < 4; e++) {
      for (int i = 0; i < 4; i++) {
        const auto byte = static_cast<uint8_t>(x.a[i] >> (8 * e));
        a[g + 8 * (i % 2)][4 * t + 16 * (i / 2) + e] = ASigned ? static_cast<int8_t>(byte) : byte;
      }
      for (int i = 0; i < 2; i++) {
        const auto byte = static_cast<uint8_t>(x.b[i] >> (8 * e));
        b[g][4 * t + 16 * i + e] = BSigned ? static_cast<int8_t>(byte) : byte;
      }
    }
  }
  multiply<int>(operands, a, b);
}

struct SparseOperand {
  float* d;
  const uint32_t *a, *b;
  uint32_t indices;
};

// A's kept elements are put back to their places, then it is an ordinary product.
template <bool Bf16>
TILEGRAD_NO_TSAN void run_mma_sparse(void** operands, unsigned mask) {
  need_all_lanes(mask, "mma.sp");
  float a[16][32] = {}, b[8][32];
  for (int lane = 0; lane < 32; lane++) {
    const auto& x = *static_cast<SparseOperand*>(operands[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int h = 0; h < 2; h++) {
      for (int i = 0; i < 4; i++) {
        const int row = g + 8 * (i % 2), kept = 2 * t + 8 * (i / 2) + h, group = kept / 2;
        const uint32_t word = static_cast<SparseOperand*>(operands[4 * g + group / 4])->indices;
        const uint32_t place = word >> (i % 2 * 16 + group % 4 * 4 + h * 2) & 3;
        a[row][group * 4 + place] = half_word<Bf16>(x.a[i], h);
        b[g][2 * t + 8 * i + h] = half_word<Bf16>(x.b[i], h);
      }
    }
  }
  for (int lane = 0; lane < 32; lane++) {
    float* d = static_cast<SparseOperand*>(operands[lane])->d;
    for (int c = 0; c < 4; c++) {
      float sum = 0;
      for (int k = 0; k < 32; k++)
        sum += a[lane / 4 + 8 * (c / 2)][k] * b[2 * (lane % 4) + c % 2][k];
      d[c] += sum;
    }
  }
}

// Plain 8- and 4-byte accesses, which TSan instruments.
void copy_words(const CpAsync& copy) {
  if (copy.bytes == 16) {
    const auto* from = static_cast<const uint64_t*>(copy.from);
    auto* to = static_cast<uint64_t*>(copy.to);
    const uint64_t low = copy.valid ? from[0] : 0, high = copy.valid ? from[1] : 0;
    to[0] = low;
    to[1] = high;
  } else {
    *static_cast<uint32_t*>(copy.to) = copy.valid ? *static_cast<const uint32_t*>(copy.from) : 0;
  }
}

}  // namespace

void ldmatrix(uint32_t (&r)[4], const void* row, bool transposed, const Site& site) {
  shared_offset(row);
  if (reinterpret_cast<uintptr_t>(row) & 15) {
    fail("%s:%d: ldmatrix row is not 16-byte aligned", site.file_name(),
         static_cast<int>(site.line()));
  }
  if (access_hook) access_hook(row, 16, false, __builtin_return_address(0));
  // Each lane reads its own row here, where the sanitizers look; the exchange itself is hidden from them.
  const auto* words = static_cast<const volatile uint64_t*>(row);
  (void)words[0];
  (void)words[1];
  MatrixOperand operand{r, static_cast<const char*>(row)};
  warp_collective(~0u, &operand, transposed ? run_ldmatrix_transposed : run_ldmatrix, site);
}

void mma_16bit(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool bf16,
               const Site& site) {
  MmaOperand<float> operand{d, a, b};
  warp_collective(~0u, &operand, bf16 ? run_mma_16bit<true> : run_mma_16bit<false>, site);
}

void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const Site& site) {
  MmaOperand<float> operand{d, a, b};
  warp_collective(~0u, &operand, run_mma_tf32, site);
}

void mma_8bit(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool a_signed,
              bool b_signed, const Site& site) {
  MmaOperand<int> operand{d, a, b};
  auto* run = a_signed ? (b_signed ? run_mma_8bit<true, true> : run_mma_8bit<true, false>)
                       : (b_signed ? run_mma_8bit<false, true> : run_mma_8bit<false, false>);
  warp_collective(~0u, &operand, run, site);
}

void mma_sparse_16bit(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[4],
                      uint32_t indices, bool bf16, const Site& site) {
  SparseOperand operand{d, a, b, indices};
  warp_collective(~0u, &operand, bf16 ? run_mma_sparse<true> : run_mma_sparse<false>, site);
}

uint32_t round_tf32(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7f800000) == 0x7f800000) return bits & ~0x1fffu;  // infinity and NaN
  return (bits + 0x1000) & ~0x1fffu;
}

void cp_async(void* to, const void* from, int bytes, int valid, const Site& site) {
  Thread& t = *current();
  shared_offset(to);
  const auto both = reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from);
  if (both & static_cast<uintptr_t>(bytes - 1)) {
    fail("%s:%d: cp.async operand is not %d-byte aligned", site.file_name(),
         static_cast<int>(site.line()), bytes);
  }
  if (t.copy_count == 128) fail("more than 128 cp.async of one thread in flight");
  if (access_hook) {
    access_hook(to, static_cast<unsigned>(bytes), true, __builtin_return_address(0));
    if (valid) access_hook(from, static_cast<unsigned>(bytes), false, __builtin_return_address(0));
  }
  fill_poison(to, static_cast<size_t>(bytes));
  t.copies[t.copy_count++] = {to, from, bytes, valid};
}

void cp_async_commit() {
  Thread& t = *current();
  if (t.group_count == 32) fail("more than 32 cp.async groups of one thread in flight");
  t.groups[t.group_count++] = t.copy_count;
}

void cp_async_wait(int groups) {
  Thread& t = *current();
  const int finished = t.group_count - groups;
  if (finished <= 0) return;
  const int landed = t.groups[finished - 1];
  for (int i = landed - 1; i >= 0; i--) copy_words(t.copies[i]);
  for (int i = landed; i < t.copy_count; i++) t.copies[i - landed] = t.copies[i];
  for (int i = finished; i < t.group_count; i++) t.groups[i - finished] = t.groups[i] - landed;
  t.copy_count -= landed;
  t.group_count -= finished;
  yield_point();
}

unsigned load_acquire(const unsigned* address) {
  yield_point();
  return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}

void store_release(unsigned* address, unsigned value) {
  note_progress();
  __atomic_store_n(address, value, __ATOMIC_RELEASE);
}

}  // namespace tilegrad::emulator
