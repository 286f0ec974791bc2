// What the environment chooses. Read once, at the first use of the emulator.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tilegrad::emulator {

enum class Schedule { fifo, random, priority };
// eager: work runs at the call. lazy: nothing runs before something waits for it. random: a mix.
// background: a thread runs work as it arrives, as a device does (the default).
enum class StreamMode { eager, lazy, random, background };
enum class Fault { none, no_driver, old_driver, no_device };

struct Options {
  Schedule schedule = Schedule::fifo;           // TILEGRAD_EMULATOR_SCHEDULE
  StreamMode streams = StreamMode::background;  // TILEGRAD_EMULATOR_STREAMS
  uint64_t seed = 1;                            // TILEGRAD_EMULATOR_SEED
  int resident_blocks = 2;                      // TILEGRAD_EMULATOR_RESIDENT, 1 to 8
  int devices = 1;                              // TILEGRAD_EMULATOR_DEVICES
  size_t memory = size_t{4} << 30;              // TILEGRAD_EMULATOR_MEMORY, bytes per device
  int capability = 90;                          // TILEGRAD_EMULATOR_CAPABILITY, 75 to 120
  Fault fault = Fault::none;                    // TILEGRAD_EMULATOR_FAULT
  uint64_t failing_kernel = 0;                  // TILEGRAD_EMULATOR_FAILING_KERNEL, 1 is the first
};

const Options& options();

// The schedulers' random numbers (xorshift64*), seeded by the option.
uint32_t next_random();
inline bool shuffled() { return options().schedule != Schedule::fifo; }

}  // namespace tilegrad::emulator
