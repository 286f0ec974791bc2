// The wall between the core and the CUDA backend: the only CUDA names that code outside core/cuda sees.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/device.h"

namespace tilegrad::cuda {

struct Discovery {
  std::vector<DeviceInfo> devices;  // in the driver's order
  std::string reason;               // why there is none, empty if there is one
};

/// Asks the driver on the first call; nothing touches it before. Never throws.
const Discovery& discover();

/// The device cuda:<ordinal>, at index 1 + ordinal. Throws ERR_CUDA if the driver refuses it.
std::unique_ptr<Device> make_device(int ordinal);

}  // namespace tilegrad::cuda
