// The memory-access lint: the call-backs of -fsanitize=thread, linked instead of libtsan. The k-th access
// of one instruction by the 32 lanes of a warp is one request; shared requests are counted in wavefronts
// (32 banks of 4 bytes), global ones in sectors of 32 bytes. TILEGRAD_LINT=1 prints a line per
// instruction at exit, with an address that addr2line resolves.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <unordered_map>
#include <vector>

#include "core/cuda/emulator/runtime.h"
#include "core/cuda/emulator/scheduler.h"

extern char __executable_start;

namespace tilegrad::emulator {
namespace {

struct Request {
  uint64_t address[32];
  unsigned lanes = 0, bytes = 0;
};

struct Instruction {
  uint64_t requests = 0, cost = 0, ideal = 0;
  bool shared = false, write = false;
};

struct Key {
  const void* site;
  const Block* block;
  unsigned warp;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  size_t operator()(const Key& k) const {
    return (reinterpret_cast<size_t>(k.site) * 31 + reinterpret_cast<size_t>(k.block)) * 31 +
           k.warp;
  }
};
struct OpenRequests {
  std::vector<Request> requests;  // not yet complete, oldest first
  uint64_t dropped = 0;           // completed before those
  uint64_t next[32] = {};         // per lane, how often it has come by
};

struct Lint {
  std::map<const void*, Instruction> instructions;
  std::unordered_map<Key, OpenRequests, KeyHash> open;
};
Lint& lint = *new Lint();

void shared_cost(const Request& r, Instruction& i) {
  const unsigned words = std::max(1u, r.bytes / 4),
                 lanes = 32 / words;  // 8- and 16-byte accesses go in parts
  for (unsigned part = 0; part < words; part++) {
    std::vector<uint64_t> banks[32];
    for (unsigned lane = part * lanes; lane < (part + 1) * lanes; lane++) {
      for (unsigned w = 0; (r.lanes >> lane & 1) && w < words; w++) {
        const uint64_t word = r.address[lane] / 4 + w;
        auto& bank = banks[word % 32];
        if (std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
      }
    }
    size_t wavefronts = 1;
    for (const auto& bank : banks) wavefronts = std::max(wavefronts, bank.size());
    i.cost += wavefronts;
    i.ideal++;
  }
}

void global_cost(const Request& r, Instruction& i) {
  std::vector<uint64_t> sectors;
  for (int lane = 0; lane < 32; lane++) {
    if (!(r.lanes >> lane & 1)) continue;
    for (uint64_t s = r.address[lane] / 32; s <= (r.address[lane] + r.bytes - 1) / 32; s++)
      sectors.push_back(s);
  }
  std::sort(sectors.begin(), sectors.end());
  i.cost += static_cast<uint64_t>(std::unique(sectors.begin(), sectors.end()) - sectors.begin());
  i.ideal += (static_cast<unsigned>(std::popcount(r.lanes)) * r.bytes + 31) / 32;
}

void finish(const Request& r, Instruction& i) {
  i.requests++;
  i.shared ? shared_cost(r, i) : global_cost(r, i);
}

void record(const void* address, unsigned bytes, bool write, const void* site) {
  const Thread* t = current();
  if (!t) return;
  const char* p = static_cast<const char*>(address);
  if (p >= t->stack->base && p < t->stack->base + t->stack->bytes) return;
  const bool shared = p >= shared_base() && p < shared_base() + kArenaBytes;
  if (!shared && !in_device_memory(address, bytes)) return;
  Instruction& instruction = lint.instructions[site];
  instruction.shared = shared;
  instruction.write = write;
  OpenRequests& open = lint.open[Key{site, t->block, t->warp}];
  uint64_t& next = open.next[t->lane];
  next = std::max(next, open.dropped);
  const size_t at = next++ - open.dropped;
  if (at >= open.requests.size()) open.requests.resize(at + 1);
  Request& r = open.requests[at];
  r.address[t->lane] =
      static_cast<uint64_t>(shared ? p - shared_base() : p - static_cast<char*>(nullptr));
  r.bytes = bytes;
  r.lanes |= 1u << t->lane;
  if (r.lanes == ~0u && at == 0) {
    finish(r, instruction);
    open.requests.erase(open.requests.begin());
    open.dropped++;
  }
}

void print_report() {
  if (!std::getenv("TILEGRAD_LINT")) return;
  for (const auto& [site, i] : lint.instructions) {
    if (i.requests == 0) continue;
    const double cost = double(i.cost) / double(i.requests),
                 ideal = double(i.ideal) / double(i.requests);
    std::printf("lint 0x%zx %s %s: %llu requests, %.2f %s each (ideal %.2f)%s\n",
                static_cast<size_t>(static_cast<const char*>(site) - &__executable_start - 1),
                i.shared ? "shared" : "global", i.write ? "store" : "load",
                static_cast<unsigned long long>(i.requests), cost,
                i.shared ? "wavefronts" : "sectors", ideal, cost > 1.3 * ideal ? " <- look" : "");
  }
}

struct Install {
  Install() {
    access_hook = record;
    std::atexit(print_report);
  }
} install;

}  // namespace
}  // namespace tilegrad::emulator

#define TILEGRAD_ACCESS(bytes)                                                \
  void __tsan_read##bytes(void* p) {                                          \
    tilegrad::emulator::record(p, bytes, false, __builtin_return_address(0)); \
  }                                                                           \
  void __tsan_write##bytes(void* p) {                                         \
    tilegrad::emulator::record(p, bytes, true, __builtin_return_address(0));  \
  }                                                                           \
  void __tsan_unaligned_read##bytes(void* p) {                                \
    tilegrad::emulator::record(p, bytes, false, __builtin_return_address(0)); \
  }                                                                           \
  void __tsan_unaligned_write##bytes(void* p) {                               \
    tilegrad::emulator::record(p, bytes, true, __builtin_return_address(0));  \
  }                                                                           \
  void __tsan_volatile_read##bytes(void*) {}                                  \
  void __tsan_volatile_write##bytes(void*) {}

#define TILEGRAD_ATOMIC(bits, type)                                                                \
  type __tsan_atomic##bits##_load(const volatile type* p, int) { return __atomic_load_n(p, 0); }   \
  void __tsan_atomic##bits##_store(volatile type* p, type v, int) { __atomic_store_n(p, v, 0); }   \
  type __tsan_atomic##bits##_exchange(volatile type* p, type v, int) {                             \
    return __atomic_exchange_n(p, v, 0);                                                           \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_add(volatile type* p, type v, int) {                            \
    return __atomic_fetch_add(p, v, 0);                                                            \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_sub(volatile type* p, type v, int) {                            \
    return __atomic_fetch_sub(p, v, 0);                                                            \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile type* p, type* c, type v, int, int) { \
    return __atomic_compare_exchange_n(p, c, v, false, 0, 0);                                      \
  }                                                                                                \
  type __tsan_atomic##bits##_compare_exchange_val(volatile type* p, type c, type v, int, int) {    \
    __atomic_compare_exchange_n(p, &c, v, false, 0, 0);                                            \
    return c;                                                                                      \
  }

extern "C" {
TILEGRAD_ACCESS(1)
TILEGRAD_ACCESS(2)
TILEGRAD_ACCESS(4)
TILEGRAD_ACCESS(8)
TILEGRAD_ACCESS(16)
TILEGRAD_ATOMIC(8, uint8_t)
TILEGRAD_ATOMIC(16, uint16_t)
TILEGRAD_ATOMIC(32, uint32_t)
TILEGRAD_ATOMIC(64, uint64_t)
void __tsan_read_range(void*, size_t) {}
void __tsan_write_range(void*, size_t) {}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}
}
