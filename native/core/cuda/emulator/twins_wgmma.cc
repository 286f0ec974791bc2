// Twins of wgmma. Jobs run at their wait, each under a TSan fiber of its own: acquired from the issuer, released into the
// wait.
#include <bit>

#include "core/cuda/emulator/scheduler.h"
#include "core/cuda/emulator/tensor_map.h"
#include "core/cuda/emulator/twins.h"

namespace tilegrad::emulator {
namespace {

// Alone instrumented: the sanitizers look at the shared memory, not at the emulator's own scratch.
template <class Raw>
__attribute__((noinline)) Raw load(const char* address) {
  return *reinterpret_cast<const Raw*>(address);
}

// Reads one operand tile of a wgmma through its descriptor: rows of 128 bytes along K, or, transposed, along 64 rows of
// the operand, whose blocks are `block_stride` apart.
template <class Raw, int K>
TILEGRAD_NO_TSAN void read_tile(const WgmmaJob& job, uint64_t descriptor, bool transposed, int rows,
                                Raw (*out)[K]) {
  const auto block_stride = static_cast<uint32_t>(descriptor >> 16 & 0x3fff) << 4;
  const auto start = static_cast<uint32_t>(descriptor & 0x3fff) << 4;
  const auto group_stride = static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4;
  if (descriptor >> 62 != 1) fail("wgmma descriptor: only the 128-byte swizzle is emulated");
  for (int row = 0; row < rows; row++) {
    for (int k = 0; k < K; k++) {
      const auto line = static_cast<uint32_t>(transposed ? k : row);
      const auto place = static_cast<uint32_t>(transposed ? row % 64 : k);
      const uint32_t block = transposed ? static_cast<uint32_t>(row / 64) * block_stride : 0;
      const uint32_t offset = start + block + line / 8 * group_stride + line % 8 * 128 +
                              place * static_cast<uint32_t>(sizeof(Raw));
      out[row][k] = load<Raw>(job.shared + swizzled(offset));
    }
  }
}

template <class Acc, class Raw, int K>
TILEGRAD_NO_TSAN void accumulate(const WgmmaJob& job, const Raw (*a)[K], const Raw (*b)[K],
                                 Acc (*value_a)(Raw), Acc (*value_b)(Raw)) {
  static Acc left[64][K], right[256][K];
  for (int i = 0; i < 64 * K; i++) left[i / K][i % K] = value_a(a[i / K][i % K]);
  for (int i = 0; i < job.n * K; i++) right[i / K][i % K] = value_b(b[i / K][i % K]);
  for (int thread = 0; thread < 128; thread++) {
    auto* d = static_cast<Acc*>(job.accumulators[thread]);
    const int warp = thread / 32, lane = thread % 32;
    for (int i = 0; i < job.n / 2; i++) {
      const int row = warp * 16 + lane / 4 + 8 * (i % 4 / 2),
                column = i / 4 * 8 + lane % 4 * 2 + i % 2;
      Acc sum = 0;
      for (int k = 0; k < K; k++) sum += left[row][k] * right[column][k];
      d[i] = (job.scale_d ? d[i] : Acc{0}) + sum;
    }
  }
}

template <class Acc, class Raw, int K, Acc (*ValueA)(Raw), Acc (*ValueB)(Raw) = ValueA>
void run_wgmma(const WgmmaJob& job) {
  static Raw a[64][K], b[256][K];
  read_tile<Raw, K>(job, job.a, job.a_transposed, 64, a);
  read_tile<Raw, K>(job, job.b, job.b_transposed, job.n, b);
  accumulate<Acc, Raw, K>(job, a, b, ValueA, ValueB);
}

// A's fragments as the registers hold them now, not at the issue.
TILEGRAD_NO_TSAN void read_fragments(const WgmmaJob& job, uint32_t (*out)[8]) {
  for (int thread = 0; thread < 128; thread++) {
    const int row = thread / 32 * 16 + thread % 32 / 4, k = thread % 4;
    for (int i = 0; i < 4; i++) out[row + i % 2 * 8][k + i / 2 * 4] = job.a_words[thread][i];
  }
}

// The kept elements of A, back at their places among 32: lanes 4 g and 4 g + 1 have the indices of columns 0 to 15 and 16
// to 31, those of row g in the low half.
template <float (*Value)(uint16_t)>
TILEGRAD_NO_TSAN void run_wgmma_sparse(const WgmmaJob& job) {
  static uint16_t kept[64][16], a[64][32], b[256][32];
  read_tile<uint16_t, 16>(job, job.a, false, 64, kept);
  read_tile<uint16_t, 32>(job, job.b, false, job.n, b);
  for (int row = 0; row < 64; row++) {
    for (uint16_t& x : a[row]) x = 0;
    for (int i = 0; i < 16; i++) {
      const int group = i / 2, thread = row / 16 * 32 + row % 8 * 4 + group / 4;
      const uint32_t place =
          job.indices[thread] >> (row % 16 / 8 * 16 + group % 4 * 4 + i % 2 * 2) & 3;
      a[row][group * 4 + place] = kept[row][i];
    }
  }
  accumulate<float, uint16_t, 32>(job, a, b, Value, Value);
}

TILEGRAD_NO_TSAN float bf16_value(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}
TILEGRAD_NO_TSAN float f16_value(uint16_t bits) { return __half2float(__half(__half_raw{bits})); }
TILEGRAD_NO_TSAN float tf32_value(uint32_t bits) { return std::bit_cast<float>(bits & ~0x1fffu); }
TILEGRAD_NO_TSAN int s8_value(uint8_t x) { return static_cast<int8_t>(x); }
TILEGRAD_NO_TSAN int u8_value(uint8_t x) { return x; }

void run_wgmma_registers(const WgmmaJob& job) {
  static uint32_t a[64][8], b[256][8];
  read_fragments(job, a);
  read_tile<uint32_t, 8>(job, job.b, false, job.n, b);
  accumulate<float, uint32_t, 8>(job, a, b, tf32_value, tf32_value);
}

struct WgmmaOperand {
  void* d;
  int n;
  uint64_t a, b;
  int scale_d;
  bool a_transposed, b_transposed;
  void (*run)(const WgmmaJob&);
  const uint32_t* a_words = nullptr;  // instead of a
  uint32_t indices = 0;
};

WgmmaQueue& queue_of(const Thread& t) { return t.block->wgmma[t.linear / 128]; }

TILEGRAD_NO_TSAN void issue(void** operands, unsigned) {
  const auto& first = *static_cast<WgmmaOperand*>(operands[0]);
  WgmmaQueue& queue = queue_of(*current());
  if (queue.count == 64) fail("more than 64 wgmma of one warpgroup in flight");
  WgmmaJob& job = queue.jobs[queue.count++];
  for (int i = 0; i < 128; i++) {
    const auto& x = *static_cast<WgmmaOperand*>(operands[i]);
    if (x.a != first.a || x.b != first.b || x.scale_d != first.scale_d) {
      fail("the operands of wgmma differ across the warpgroup");
    }
    job.accumulators[i] = x.d;
    job.a_words[i] = x.a_words;
    job.indices[i] = x.indices;
  }
  job.run = first.run;
  job.a = first.a;
  job.b = first.b;
  job.n = first.n;
  job.scale_d = first.scale_d;
  job.a_transposed = first.a_transposed;
  job.b_transposed = first.b_transposed;
  job.shared = shared_base();
  job.group = current()->wgmma_groups;
}

TILEGRAD_NO_TSAN void enqueue_wgmma(WgmmaOperand operand, const Site& site) {
  release(&queue_of(*current()).sync);
  warpgroup_collective(&operand, issue, site);
}

TILEGRAD_NO_TSAN void run_finished(WgmmaQueue& queue, unsigned groups) {
  if (kTsan && !queue.tsan) queue.tsan = tsan_fiber();
  void* back = tsan_current();
  int done = 0;
  while (done < queue.count && static_cast<int>(queue.jobs[done].group - groups) < 0) {
    tsan_switch(queue.tsan);
    acquire(&queue.sync);
    queue.jobs[done].run(queue.jobs[done]);
    release(&queue.sync);
    tsan_switch(back);
    done++;
  }
  for (int i = done; i < queue.count; i++) queue.jobs[i - done] = queue.jobs[i];
  queue.count -= done;
}

}  // namespace

TILEGRAD_NO_TSAN void wgmma_commit() { current()->wgmma_groups++; }

TILEGRAD_NO_TSAN void wgmma_wait(int groups, const Site& site) {
  WgmmaQueue& queue = queue_of(*current());
  run_finished(queue, current()->wgmma_groups - static_cast<unsigned>(groups));
  warp_collective(~0u, nullptr, nullptr, site);
  acquire(&queue.sync);
}

void wgmma_bf16(float* d, int n, uint64_t a, uint64_t b, int scale_d, bool a_transposed,
                bool b_transposed, const Site& site) {
  auto* run = run_wgmma<float, uint16_t, 16, bf16_value>;
  enqueue_wgmma({d, n, a, b, scale_d, a_transposed, b_transposed, run}, site);
}
void wgmma_f16(float* d, int n, uint64_t a, uint64_t b, int scale_d, bool a_transposed,
               bool b_transposed, const Site& site) {
  auto* run = run_wgmma<float, uint16_t, 16, f16_value>;
  enqueue_wgmma({d, n, a, b, scale_d, a_transposed, b_transposed, run}, site);
}
void wgmma_tf32(float* d, int n, uint64_t a, uint64_t b, int scale_d, const Site& site) {
  auto* run = run_wgmma<float, uint32_t, 8, tf32_value>;
  enqueue_wgmma({d, n, a, b, scale_d, false, false, run}, site);
}
void wgmma_tf32_registers(float* d, int n, const uint32_t* a, uint64_t b, int scale_d,
                          const Site& site) {
  enqueue_wgmma({d, n, 0, b, scale_d, false, false, run_wgmma_registers, a}, site);
}
void wgmma_sparse_16bit(float* d, int n, uint64_t a, uint64_t b, uint32_t indices, int scale_d,
                        bool bf16, const Site& site) {
  auto* run = bf16 ? run_wgmma_sparse<bf16_value> : run_wgmma_sparse<f16_value>;
  enqueue_wgmma({d, n, a, b, scale_d, false, false, run, nullptr, indices}, site);
}
void wgmma_8bit(int* d, int n, uint64_t a, uint64_t b, int scale_d, bool a_signed, bool b_signed,
                const Site& site) {
  auto* run = a_signed ? (b_signed ? run_wgmma<int, uint8_t, 32, s8_value>
                                   : run_wgmma<int, uint8_t, 32, s8_value, u8_value>)
                       : (b_signed ? run_wgmma<int, uint8_t, 32, u8_value, s8_value>
                                   : run_wgmma<int, uint8_t, 32, u8_value>);
  enqueue_wgmma({d, n, a, b, scale_d, false, false, run}, site);
}

}  // namespace tilegrad::emulator
