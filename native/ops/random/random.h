// What the ops of this room share: reading and checking attributes.
#pragma once

#include "core/op.h"
#include "core/random.h"

namespace tilegrad {

/// Every op that draws numbers has these attributes; a key is two 32-bit words.
#define TG_RANDOM_ATTRS \
  {"key", AttrType::integers}, { "offset", AttrType::integer }

/// Throws ERR_ARGUMENT unless key and offset are what random::Sequence holds.
void check_sequence(const InferContext& ctx);
random::Sequence sequence_of(const Attrs& attrs);

/// Throws ERR_ARGUMENT unless p is in [0, 1].
void check_chance(const InferContext& ctx, double p);
/// A 32-bit word is below the threshold with chance p.
inline uint64_t chance_threshold(double p) { return static_cast<uint64_t>(p * 4294967296.0); }

/// The value as `dtype` holds it.
double rounded_to(DType dtype, double value);
/// The largest value of `dtype` below `high`, or `low` if there is none between: u * (high - low) + low
/// can round to `high`, which is left out.
double below_high(DType dtype, double low, double high);

}  // namespace tilegrad
