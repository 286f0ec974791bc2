// The update ops: what their attributes mean for the rules of updates.h. Everything that depends on the step number is
// computed here, in f64, as PyTorch does.
#include <cmath>

#include "ops/optimizer/optimizer.h"

namespace tilegrad {

namespace {

using optimizer::Call;
using optimizer::Rule;
using optimizer::Update;

#define TG_COMMON_ATTRS \
  {"lr", AttrType::number}, {"weightDecay", AttrType::number}, { "maximize", AttrType::boolean }
#define TG_STEP_ATTR \
  { "step", AttrType::integer }

double lr_of(const Attrs& attrs) { return attrs.number("lr"); }
double decay_of(const Attrs& attrs) { return attrs.number("weightDecay"); }
double sign_of(const Attrs& attrs) { return attrs.boolean("maximize") ? -1 : 1; }
// 1 - beta^step.
double correction(const Attrs& attrs, const char* beta) {
  return 1 - std::pow(attrs.number(beta), static_cast<double>(attrs.integer("step")));
}

Call sgd_call(const Attrs& a) {
  const double momentum = a.number("momentum");
  if (momentum == 0) return {Rule::sgd, 2, {lr_of(a), decay_of(a), sign_of(a)}};
  return {Rule::sgd_momentum,
          3,
          {lr_of(a), decay_of(a), sign_of(a), momentum, 1 - a.number("dampening"),
           double(a.boolean("nesterov")), double(a.boolean("first"))}};
}

Call adam_call(const Attrs& a) {
  const bool amsgrad = a.boolean("amsgrad"), decoupled = a.boolean("decoupled");
  const double lr = lr_of(a), decay = decay_of(a);
  return {amsgrad ? Rule::adam_amsgrad : Rule::adam,
          amsgrad ? 5 : 4,
          {lr / correction(a, "beta1"), decoupled ? 0 : decay, sign_of(a), a.number("beta1"),
           a.number("beta2"), a.number("eps"), 1 / std::sqrt(correction(a, "beta2")),
           decoupled ? 1 - lr * decay : 1}};
}

Call rmsprop_call(const Attrs& a) {
  const bool centered = a.boolean("centered"), momentum = a.number("momentum") != 0;
  const Rule rule = centered   ? momentum ? Rule::rmsprop_centered_momentum : Rule::rmsprop_centered
                    : momentum ? Rule::rmsprop_momentum
                               : Rule::rmsprop;
  return {rule,
          3 + centered + momentum,
          {lr_of(a), decay_of(a), sign_of(a), a.number("alpha"), a.number("eps"),
           a.number("momentum")}};
}

Call adagrad_call(const Attrs& a) {
  const double steps = static_cast<double>(a.integer("step") - 1);
  return {Rule::adagrad,
          3,
          {lr_of(a) / (1 + steps * a.number("lrDecay")), decay_of(a), sign_of(a), a.number("eps")}};
}

Call adadelta_call(const Attrs& a) {
  return {Rule::adadelta, 4, {lr_of(a), decay_of(a), sign_of(a), a.number("rho"), a.number("eps")}};
}

Call adamax_call(const Attrs& a) {
  return {Rule::adamax,
          4,
          {lr_of(a) / correction(a, "beta1"), decay_of(a), sign_of(a), a.number("beta1"),
           a.number("beta2"), a.number("eps")}};
}

// muProduct is the product of the momenta mu of all steps so far, this one included. The next step's product holds mu
// of this step twice, as in the PyTorch releases (up to 1.13) that the reference values come from.
Call nadam_call(const Attrs& a) {
  const double decay = a.number("momentumDecay"), step = static_cast<double>(a.integer("step"));
  const auto mu = [&](double t) {
    return a.number("beta1") * (1 - 0.5 * std::pow(0.96, t * decay));
  };
  const double product = a.number("muProduct"), lr = lr_of(a);
  return {Rule::nadam,
          4,
          {lr, decay_of(a), sign_of(a), a.number("beta1"), a.number("beta2"), a.number("eps"),
           1 / correction(a, "beta2"), lr * (1 - mu(step)) / (1 - product),
           lr * mu(step + 1) / (1 - product * mu(step) * mu(step + 1))}};
}

Call radam_call(const Attrs& a) {
  const double step = static_cast<double>(a.integer("step")), second = correction(a, "beta2");
  const double limit = 2 / (1 - a.number("beta2")) - 1;
  const double length = limit - 2 * step * (1 - second) / second;
  const double rectified =
      length > 5
          ? std::sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) *
                std::sqrt(second)
          : 0;
  return {Rule::radam,
          4,
          {lr_of(a) / correction(a, "beta1"), decay_of(a), sign_of(a), a.number("beta1"),
           a.number("beta2"), a.number("eps"), rectified}};
}

Call rprop_call(const Attrs& a) {
  return {Rule::rprop,
          4,
          {0, 0, sign_of(a), a.number("shrink"), a.number("grow"), a.number("least"),
           a.number("most")}};
}

// Step t uses the eta of step t - 1; the average starts at step t0.
Call asgd_call(const Attrs& a) {
  const double step = static_cast<double>(a.integer("step")), lambd = a.number("lambd");
  const double eta =
      step <= 1 ? lr_of(a)
                : lr_of(a) / std::pow(1 + lambd * lr_of(a) * (step - 1), a.number("alpha"));
  const double mu = step <= 1 ? 1 : 1 / std::fmax(1.0, step - 1 - a.number("t0"));
  return {Rule::asgd, 3, {eta, decay_of(a), sign_of(a), 1 - lambd * eta, mu}};
}

}  // namespace

#define TG_UPDATE_OP(rule, ...)                                                            \
  extern const OpDef rule##_update_op;                                                     \
  const OpDef rule##_update_op = {.name = #rule "_update",                                 \
                                  .inputs = {0, -1},                                       \
                                  .attrs = {__VA_ARGS__, {"masked", AttrType::boolean}},   \
                                  .infer = Update<rule##_call>::infer,                     \
                                  .cpu = Update<rule##_call>::cpu,                         \
                                  .cuda = TILEGRAD_CUDA_KERNEL(Update<rule##_call>::cuda), \
                                  .in_place = true}

TG_UPDATE_OP(sgd, TG_COMMON_ATTRS, {"momentum", AttrType::number}, {"dampening", AttrType::number},
             {"nesterov", AttrType::boolean}, {"first", AttrType::boolean});
TG_UPDATE_OP(adam, TG_COMMON_ATTRS, {"beta1", AttrType::number}, {"beta2", AttrType::number},
             {"eps", AttrType::number}, {"amsgrad", AttrType::boolean},
             {"decoupled", AttrType::boolean}, TG_STEP_ATTR);
TG_UPDATE_OP(rmsprop, TG_COMMON_ATTRS, {"alpha", AttrType::number}, {"eps", AttrType::number},
             {"momentum", AttrType::number}, {"centered", AttrType::boolean});
TG_UPDATE_OP(adagrad, TG_COMMON_ATTRS, {"lrDecay", AttrType::number}, {"eps", AttrType::number},
             TG_STEP_ATTR);
TG_UPDATE_OP(adadelta, TG_COMMON_ATTRS, {"rho", AttrType::number}, {"eps", AttrType::number});
TG_UPDATE_OP(adamax, TG_COMMON_ATTRS, {"beta1", AttrType::number}, {"beta2", AttrType::number},
             {"eps", AttrType::number}, TG_STEP_ATTR);
TG_UPDATE_OP(nadam, TG_COMMON_ATTRS, {"beta1", AttrType::number}, {"beta2", AttrType::number},
             {"eps", AttrType::number}, {"momentumDecay", AttrType::number},
             {"muProduct", AttrType::number}, TG_STEP_ATTR);
TG_UPDATE_OP(radam, TG_COMMON_ATTRS, {"beta1", AttrType::number}, {"beta2", AttrType::number},
             {"eps", AttrType::number}, TG_STEP_ATTR);
TG_UPDATE_OP(rprop, {"maximize", AttrType::boolean}, {"shrink", AttrType::number},
             {"grow", AttrType::number}, {"least", AttrType::number}, {"most", AttrType::number});
TG_UPDATE_OP(asgd, TG_COMMON_ATTRS, {"lambd", AttrType::number}, {"alpha", AttrType::number},
             {"t0", AttrType::number}, TG_STEP_ATTR);

}  // namespace tilegrad
