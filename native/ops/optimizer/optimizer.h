// What the update ops share. Inputs of each: all parameters, then all of the first state, of the second and so on, then
// all gradients, and where the call is masked a bool mask or none for each parameter: outside of it parameter and states
// become 0.
#pragma once

#include "core/op.h"
#include "ops/optimizer/updates.h"

namespace tilegrad::optimizer {

/// The rule that the attributes ask for, its number of arrays and its coefficients.
struct Call {
  Rule rule;
  int arrays;  // of a parameter, without its mask
  double coefficients[kMaxCoefficients];
  bool masked = false;
  int lists() const { return arrays + masked; }
};
using Prepare = Call (*)(const Attrs&);

/// What `prepare` reads, and the attribute of every update.
template <Prepare prepare>
Call call_of(const Attrs& attrs) {
  Call call = prepare(attrs);
  call.masked = attrs.boolean("masked");
  return call;
}

/// Throws unless the inputs are lists of float tensors, equal in shape and dtype from list to list, with masks of the same
/// shapes, and no written one is expanded or given twice.
void check_lists(InferContext& ctx, const Call& call);

void update_cpu(KernelArgs& args, const Call& call);
void update_cuda(KernelArgs& args, const Call& call);

/// What an OpDef names: the three functions of the op whose attributes `prepare` reads.
template <Prepare prepare>
struct Update {
  static void infer(InferContext& ctx) { check_lists(ctx, call_of<prepare>(ctx.attrs)); }
  static void cpu(KernelArgs& args) { update_cpu(args, call_of<prepare>(args.attrs)); }
  static void cuda(KernelArgs& args) { update_cuda(args, call_of<prepare>(args.attrs)); }
};

}  // namespace tilegrad::optimizer
