#pragma once

#include <memory>

#include "core/device.h"

namespace tilegrad {

std::unique_ptr<Device> make_cpu_device();

}  // namespace tilegrad
