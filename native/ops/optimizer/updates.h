// The update rules of the optimisers, for one element, compiled for every ISA and for CUDA from this one
// expression; PyTorch's definitions. v holds the parameter, its states and last the gradient, in the
// compute type C; all but the gradient are written back. Coefficients come as f64 from the op.
#pragma once

#include "core/math.h"

#if defined(__CUDACC__)
#define TG_MEMBER __host__ __device__ __forceinline__
#else
#define TG_MEMBER __attribute__((always_inline)) inline
#endif

namespace tilegrad::optimizer {

constexpr int kMaxArrays = 5;
constexpr int kMaxCoefficients = 9;

// A state that decays: 0 in place of a subnormal number. Where gradients stay 0 it would come to rest at one, and
// processors take many times as long for it.
template <class C>
TG_MEMBER C decayed(C state) {
  constexpr C least = sizeof(C) == 8 ? C(2.2250738585072014e-308) : C(1.17549435e-38);
  return math::fabs(state) < least ? C(0) : state;
}

// Every rule's first coefficients.
enum : int { kLr, kDecay, kSign, kOwn };  // kSign: -1 to maximise

template <class C>
struct Common {
  C lr, decay, sign;
  TG_MEMBER explicit Common(const double* c)
      : lr(static_cast<C>(c[kLr])),
        decay(static_cast<C>(c[kDecay])),
        sign(static_cast<C>(c[kSign])) {}
  // The gradient with weight decay as an L2 term.
  TG_MEMBER C gradient(C param, C grad) const {
    const C g = sign * grad;
    return decay != C(0) ? g + decay * param : g;
  }
};

template <class C>
struct sgd : Common<C> {
  static constexpr int kArrays = 2;
  TG_MEMBER explicit sgd(const double* c) : Common<C>(c) {}
  TG_MEMBER void operator()(C (&v)[2]) const {
    v[0] = v[0] - this->lr * this->gradient(v[0], v[1]);
  }
};

// Arrays: parameter, momentum buffer, gradient.
template <class C>
struct sgd_momentum : Common<C> {
  static constexpr int kArrays = 3;
  C momentum, fresh;  // fresh: 1 - dampening
  bool nesterov, first;
  TG_MEMBER explicit sgd_momentum(const double* c)
      : Common<C>(c),
        momentum(static_cast<C>(c[kOwn])),
        fresh(static_cast<C>(c[kOwn + 1])),
        nesterov(c[kOwn + 2] != 0),
        first(c[kOwn + 3] != 0) {}
  TG_MEMBER void operator()(C (&v)[3]) const {
    const C g = this->gradient(v[0], v[2]);
    const C buffer = decayed(first ? g : momentum * v[1] + fresh * g);
    v[1] = buffer;
    v[0] = v[0] - this->lr * (nesterov ? g + momentum * buffer : buffer);
  }
};

// Moving averages of the gradient and of its square, as Adam and what came of it keep them.
template <class C>
struct Moments : Common<C> {
  C beta1, fresh1, beta2, fresh2, eps;
  TG_MEMBER explicit Moments(const double* c)
      : Common<C>(c),
        beta1(static_cast<C>(c[kOwn])),
        fresh1(static_cast<C>(1 - c[kOwn])),
        beta2(static_cast<C>(c[kOwn + 1])),
        fresh2(static_cast<C>(1 - c[kOwn + 1])),
        eps(static_cast<C>(c[kOwn + 2])) {}
  TG_MEMBER C average(C before, C g) const { return decayed(beta1 * before + fresh1 * g); }
  TG_MEMBER C average_square(C before, C g) const {
    return decayed(beta2 * before + fresh2 * (g * g));
  }
};

// Arrays: parameter, exp_avg, exp_avg_sq, with amsgrad max_exp_avg_sq, gradient. lr is that of the step: divided by
// the first bias correction.
template <class C, bool kAmsgrad>
struct AdamRule : Moments<C> {
  static constexpr int kArrays = kAmsgrad ? 5 : 4;
  C scale, shrink;  // scale: 1 / sqrt of the second bias correction
  TG_MEMBER explicit AdamRule(const double* c)
      : Moments<C>(c), scale(static_cast<C>(c[kOwn + 3])), shrink(static_cast<C>(c[kOwn + 4])) {}
  TG_MEMBER void operator()(C (&v)[kArrays]) const {
    const C param = v[0] * shrink;  // decoupled weight decay
    const C g = this->gradient(param, v[kArrays - 1]);
    const C m = this->average(v[1], g), square = this->average_square(v[2], g);
    v[1] = m;
    v[2] = square;
    C most = square;
    if constexpr (kAmsgrad) {
      most = v[3] > square || v[3] != v[3] ? v[3] : square;
      v[3] = most;
    }
    v[0] = param - this->lr * (m / (math::sqrt(most) * scale + this->eps));
  }
};
template <class C>
using adam = AdamRule<C, false>;
template <class C>
using adam_amsgrad = AdamRule<C, true>;

// Arrays: parameter, square_avg, then grad_avg if centered, momentum_buffer if there is momentum, gradient.
template <class C, bool kCentered, bool kMomentum>
struct RmspropRule : Common<C> {
  static constexpr int kArrays = 3 + kCentered + kMomentum;
  C alpha, fresh, eps, momentum;
  TG_MEMBER explicit RmspropRule(const double* c)
      : Common<C>(c),
        alpha(static_cast<C>(c[kOwn])),
        fresh(static_cast<C>(1 - c[kOwn])),
        eps(static_cast<C>(c[kOwn + 1])),
        momentum(static_cast<C>(c[kOwn + 2])) {}
  TG_MEMBER void operator()(C (&v)[kArrays]) const {
    const C g = this->gradient(v[0], v[kArrays - 1]);
    C spread = decayed(alpha * v[1] + fresh * (g * g));
    v[1] = spread;
    if constexpr (kCentered) {
      v[2] = decayed(alpha * v[2] + fresh * g);
      spread = spread - v[2] * v[2];
    }
    C step = g / (math::sqrt(spread) + eps);
    if constexpr (kMomentum) {
      step = decayed(momentum * v[kArrays - 2] + step);
      v[kArrays - 2] = step;
    }
    v[0] = v[0] - this->lr * step;
  }
};
template <class C>
using rmsprop = RmspropRule<C, false, false>;
template <class C>
using rmsprop_momentum = RmspropRule<C, false, true>;
template <class C>
using rmsprop_centered = RmspropRule<C, true, false>;
template <class C>
using rmsprop_centered_momentum = RmspropRule<C, true, true>;

// Arrays: parameter, sum of squares, gradient. lr is that of the step, decayed.
template <class C>
struct adagrad : Common<C> {
  static constexpr int kArrays = 3;
  C eps;
  TG_MEMBER explicit adagrad(const double* c) : Common<C>(c), eps(static_cast<C>(c[kOwn])) {}
  TG_MEMBER void operator()(C (&v)[3]) const {
    const C g = this->gradient(v[0], v[2]);
    v[1] = v[1] + g * g;
    v[0] = v[0] - this->lr * (g / (math::sqrt(v[1]) + eps));
  }
};

// Arrays: parameter, square_avg, acc_delta, gradient.
template <class C>
struct adadelta : Common<C> {
  static constexpr int kArrays = 4;
  C rho, fresh, eps;
  TG_MEMBER explicit adadelta(const double* c)
      : Common<C>(c),
        rho(static_cast<C>(c[kOwn])),
        fresh(static_cast<C>(1 - c[kOwn])),
        eps(static_cast<C>(c[kOwn + 1])) {}
  TG_MEMBER void operator()(C (&v)[4]) const {
    const C g = this->gradient(v[0], v[3]);
    v[1] = decayed(rho * v[1] + fresh * (g * g));
    const C delta = math::sqrt(v[2] + eps) / math::sqrt(v[1] + eps) * g;
    v[2] = decayed(rho * v[2] + fresh * (delta * delta));
    v[0] = v[0] - this->lr * delta;
  }
};

// Arrays: parameter, exp_avg, exp_inf, gradient. lr is that of the step: divided by the bias correction.
template <class C>
struct adamax : Common<C> {
  static constexpr int kArrays = 4;
  C beta1, fresh, beta2, eps;
  TG_MEMBER explicit adamax(const double* c)
      : Common<C>(c),
        beta1(static_cast<C>(c[kOwn])),
        fresh(static_cast<C>(1 - c[kOwn])),
        beta2(static_cast<C>(c[kOwn + 1])),
        eps(static_cast<C>(c[kOwn + 2])) {}
  TG_MEMBER void operator()(C (&v)[4]) const {
    const C g = this->gradient(v[0], v[3]);
    v[1] = decayed(beta1 * v[1] + fresh * g);
    const C before = beta2 * v[2], now = math::fabs(g) + eps;
    v[2] = before > now || before != before ? before : now;
    v[0] = v[0] - this->lr * (v[1] / v[2]);
  }
};

// Arrays: parameter, exp_avg, exp_avg_sq, gradient. The step mixes gradient and average.
template <class C>
struct nadam : Moments<C> {
  static constexpr int kArrays = 4;
  C scale, of_grad, of_average;  // scale: 1 / bias correction
  TG_MEMBER explicit nadam(const double* c)
      : Moments<C>(c),
        scale(static_cast<C>(c[kOwn + 3])),
        of_grad(static_cast<C>(c[kOwn + 4])),
        of_average(static_cast<C>(c[kOwn + 5])) {}
  TG_MEMBER void operator()(C (&v)[4]) const {
    const C g = this->gradient(v[0], v[3]);
    v[1] = this->average(v[1], g);
    v[2] = this->average_square(v[2], g);
    const C spread = math::sqrt(v[2] * scale) + this->eps;
    v[0] = v[0] - (of_grad * g + of_average * v[1]) / spread;
  }
};

// Arrays: parameter, exp_avg, exp_avg_sq, gradient. `rectified` is 0 as long as the variance is unknown.
template <class C>
struct radam : Moments<C> {
  static constexpr int kArrays = 4;
  C rectified;
  TG_MEMBER explicit radam(const double* c)
      : Moments<C>(c), rectified(static_cast<C>(c[kOwn + 3])) {}
  TG_MEMBER void operator()(C (&v)[4]) const {
    const C g = this->gradient(v[0], v[3]);
    v[1] = this->average(v[1], g);
    v[2] = this->average_square(v[2], g);
    const C adapted = rectified != C(0) ? rectified / (math::sqrt(v[2]) + this->eps) : C(1);
    v[0] = v[0] - this->lr * v[1] * adapted;
  }
};

// Arrays: parameter, previous gradient, step size, gradient.
template <class C>
struct rprop : Common<C> {
  static constexpr int kArrays = 4;
  C shrink, grow, least, most;
  TG_MEMBER explicit rprop(const double* c)
      : Common<C>(c),
        shrink(static_cast<C>(c[kOwn])),
        grow(static_cast<C>(c[kOwn + 1])),
        least(static_cast<C>(c[kOwn + 2])),
        most(static_cast<C>(c[kOwn + 3])) {}
  TG_MEMBER void operator()(C (&v)[4]) const {
    const C g = this->gradient(v[0], v[3]);
    const C agreement = g * v[1];
    C size = v[2] * (agreement > C(0) ? grow : agreement < C(0) ? shrink : C(1));
    size = size < least ? least : size > most ? most : size;
    const C used = agreement < C(0) ? C(0) : g;
    v[1] = used;
    v[2] = size;
    v[0] = v[0] - (used > C(0) ? size : used < C(0) ? -size : used);
  }
};

// Arrays: parameter, average ax, gradient. lr is the eta of the step.
template <class C>
struct asgd : Common<C> {
  static constexpr int kArrays = 3;
  C shrink, mu;
  TG_MEMBER explicit asgd(const double* c)
      : Common<C>(c), shrink(static_cast<C>(c[kOwn])), mu(static_cast<C>(c[kOwn + 1])) {}
  TG_MEMBER void operator()(C (&v)[3]) const {
    const C g = this->gradient(v[0], v[2]);
    v[0] = v[0] * shrink - this->lr * g;
    v[1] = mu == C(1) ? v[0] : v[1] + (v[0] - v[1]) * mu;
  }
};

#define TG_UPDATES(X)          \
  X(sgd)                       \
  X(sgd_momentum)              \
  X(adam)                      \
  X(adam_amsgrad)              \
  X(rmsprop)                   \
  X(rmsprop_momentum)          \
  X(rmsprop_centered)          \
  X(rmsprop_centered_momentum) \
  X(adagrad)                   \
  X(adadelta)                  \
  X(adamax)                    \
  X(nadam)                     \
  X(radam)                     \
  X(rprop)                     \
  X(asgd)

enum class Rule : int {
#define TG_RULE(name) name,
  TG_UPDATES(TG_RULE)
#undef TG_RULE
};

}  // namespace tilegrad::optimizer
