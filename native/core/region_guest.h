// How a thread that waits for the results of regions takes part in them, instead of looking on.
#pragma once

#include <cstdint>

namespace tilegrad {

// While one exists its thread counts as running: regions hold the place of their last helper for it.
class RegionGuest {
 public:
  RegionGuest();
  ~RegionGuest();
  RegionGuest(const RegionGuest&) = delete;
  RegionGuest& operator=(const RegionGuest&) = delete;

  // True where the threads and other askers need all cores.
  bool unwanted() const;

  // Computes chunks of the open region until none are left or `done`, which is asked behind each. False
  // where there is no region that it has not helped yet, or no place in it.
  bool help(bool (*done)(void*), void* context);

 private:
  const int before_;   // those that were there already
  uint64_t seen_ = 0;  // the epoch of the last region that it was in
};

}  // namespace tilegrad
