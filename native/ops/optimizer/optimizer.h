// What the update ops share. Inputs of each: all parameters, then all of the first state, of the second and so on, and
// all gradients at the end.
#pragma once

#include "core/op.h"
#include "ops/optimizer/updates.h"

namespace tilegrad::optimizer {

/// The rule that the attributes ask for, its number of arrays and its coefficients.
struct Call {
  Rule rule;
  int arrays;
  double coefficients[kMaxCoefficients];
};
using Prepare = Call (*)(const Attrs&);

/// Throws unless the inputs are `arrays` lists of float tensors, equal in shape and dtype from list to list, and no
/// written one is expanded or given twice.
void check_lists(InferContext& ctx, int arrays);

void update_cpu(KernelArgs& args, const Call& call);
void update_cuda(KernelArgs& args, const Call& call);

/// What an OpDef names: the three functions of the op whose attributes `prepare` reads.
template <Prepare prepare>
struct Update {
  static void infer(InferContext& ctx) { check_lists(ctx, prepare(ctx.attrs).arrays); }
  static void cpu(KernelArgs& args) { update_cpu(args, prepare(args.attrs)); }
  static void cuda(KernelArgs& args) { update_cuda(args, prepare(args.attrs)); }
};

}  // namespace tilegrad::optimizer
