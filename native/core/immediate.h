// When a call is computed by the thread that makes it, instead of being handed to the stream's thread.
#pragma once

#include <cstdint>

namespace tilegrad {

class Stream;

/// Elements of inputs and outputs up to which a call takes less time than handing it over: few while the stream's
/// thread looks for work, more where it would have to be woken, none while it computes. Ask after the call's last
/// allocation: a block may come from work that another thread has queued.
int64_t immediate_elements(const Stream& stream);

}  // namespace tilegrad
