#include "core/cuda/emulator/options.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tilegrad::emulator {
namespace {

template <class E, size_t N>
E choice(const char* name, const char* const (&words)[N], E fallback) {
  const char* value = std::getenv(name);
  if (!value || !*value) return fallback;
  for (size_t i = 0; i < N; i++) {
    if (std::strcmp(value, words[i]) == 0) return static_cast<E>(i);
  }
  std::fprintf(stderr, "%s=%s is not one of:", name, value);
  for (const char* word : words) std::fprintf(stderr, " %s", word);
  std::fprintf(stderr, "\n");
  std::exit(2);
}

uint64_t number(const char* name, uint64_t low, uint64_t high, uint64_t fallback) {
  const char* value = std::getenv(name);
  if (!value || !*value) return fallback;
  char* end = nullptr;
  const uint64_t parsed = std::strtoull(value, &end, 10);
  if (*end != 0 || parsed < low || parsed > high) {
    std::fprintf(stderr, "%s=%s is not a number from %llu to %llu\n", name, value,
                 static_cast<unsigned long long>(low), static_cast<unsigned long long>(high));
    std::exit(2);
  }
  return parsed;
}

Options read() {
  static const char* const schedules[] = {"fifo", "random", "priority"};
  static const char* const modes[] = {"eager", "lazy", "random", "background"};
  static const char* const faults[] = {"none", "no-driver", "old-driver", "no-device"};
  Options o;
  o.schedule = choice("TILEGRAD_EMULATOR_SCHEDULE", schedules, o.schedule);
  o.streams = choice("TILEGRAD_EMULATOR_STREAMS", modes, o.streams);
  o.fault = choice("TILEGRAD_EMULATOR_FAULT", faults, o.fault);
  o.seed = number("TILEGRAD_EMULATOR_SEED", 0, UINT64_MAX, o.seed);
  o.resident_blocks = static_cast<int>(number("TILEGRAD_EMULATOR_RESIDENT", 1, 8, 2));
  o.devices = static_cast<int>(number("TILEGRAD_EMULATOR_DEVICES", 1, 8, 1));
  o.memory = number("TILEGRAD_EMULATOR_MEMORY", 1 << 20, uint64_t{1} << 40, o.memory);
  o.capability = static_cast<int>(number("TILEGRAD_EMULATOR_CAPABILITY", 75, 121, 90));
  o.failing_kernel = number("TILEGRAD_EMULATOR_FAILING_KERNEL", 1, UINT64_MAX, 0);
  return o;
}

}  // namespace

const Options& options() {
  static const Options value = read();
  return value;
}

uint32_t next_random() {
  static uint64_t state = options().seed * 0x9E3779B97F4A7C15ull + 0x2545F4914F6CDD1Dull;
  if (state == 0) state = 1;
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return static_cast<uint32_t>(state * 0x2545F4914F6CDD1Dull >> 32);
}

}  // namespace tilegrad::emulator
