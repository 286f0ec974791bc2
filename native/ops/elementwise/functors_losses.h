// Losses of two operands, a: prediction, b: target. Gradients take a: the gradient of the loss, b: prediction, c: target.

TG_BINARY(mse_loss, FLOAT, (a - b) * (a - b))
TG_TERNARY(mse_loss_input_grad, FLOAT, a*((b - c) * T(2)))
TG_BINARY(l1_loss, FLOAT, math::fabs(a - b))
TG_TERNARY(l1_loss_input_grad, FLOAT, a*(T(b > c) - T(b < c)))
// curve d^2 for d = |a - b| below delta, slope (d - delta / 2) from there on.
TG_BINARY_P(huber_loss, FLOAT, (delta, curve, slope), bent(math::fabs(a - b), delta, curve, slope))
TG_TERNARY_P(huber_loss_input_grad, FLOAT, (delta, curve, slope),
             a* bent_slope(b - c, delta, curve, slope))
// a: probability, b: that of the target. Logarithms stop at -100 and quotients at 1e12, as in torch; NaN stays.
TG_BINARY(bce_loss, FLOAT,
          (b - T(1)) * clamped(math::log1p(-a), T(-100), T(0)) -
              b * clamped(math::log(a), T(-100), T(0)))
TG_TERNARY(bce_loss_input_grad, FLOAT, a*((b - c) / clamped(b * (T(1) - b), T(1e-12), T(1))))
// a: logit, b: probability of the target. Neither term is negative, so none cancels the other.
TG_BINARY(bce_logits_loss, FLOAT,
          (a < T(0) ? -a * b : a * (T(1) - b)) + math::log1p(math::exp(-math::fabs(a))))
TG_TERNARY(bce_logits_loss_input_grad, FLOAT, a*(math::sigmoid(b) - c))
// a: logarithm of the rate, b: count.
TG_BINARY(poisson_loss, FLOAT, math::exp(a) - b * a)
TG_TERNARY(poisson_loss_input_grad, FLOAT, a*(math::exp(b) - c))
