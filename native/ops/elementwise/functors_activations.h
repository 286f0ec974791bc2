// Activation functions; those that take more than an expression are in core/math_activations.h. Gradients take a: the
// gradient of the output, b: the input, or where it is said the output.

TG_UNARY(relu, NUMBER, x < T(0) ? T(0) : x)
// At NaN relu's gradient passes and those of bounds are 0, as in torch.
TG_BINARY(relu_input_grad, NUMBER, b <= T(0) ? T(0) : a)  // b: output
TG_UNARY_P(hardtanh, NUMBER, (min_val, max_val), clamped(x, min_val, max_val))
TG_BINARY_P(hardtanh_input_grad, FLOAT, (min_val, max_val),
            (b > min_val) & (b < max_val) ? a : T(0))
TG_UNARY_P(leaky_relu, FLOAT, (negative_slope), x > T(0) ? x : x * negative_slope)
TG_BINARY_P(leaky_relu_input_grad, FLOAT, (negative_slope), b > T(0) ? a : a * negative_slope)
TG_BINARY(prelu, FLOAT, a > T(0) ? a : a * b)              // a: input, b: slope
TG_TERNARY(prelu_input_grad, FLOAT, b > T(0) ? a : a * c)  // c: slope
TG_BINARY(prelu_weight_grad, FLOAT, b > T(0) ? T(0) : a * b)
TG_UNARY_P(elu, FLOAT, (alpha, scale, input_scale), elu(x, alpha, scale, input_scale))
TG_BINARY_P(elu_input_grad, FLOAT, (alpha, scale, input_scale),
            a* elu_slope(b, alpha, scale, input_scale))

TG_UNARY(sigmoid, FLOAT, math::sigmoid(x))
TG_BINARY(sigmoid_input_grad, FLOAT, a*(b*(T(1) - b)))  // b: output
TG_UNARY(logsigmoid, FLOAT, logsigmoid(x))
TG_UNARY_P(softplus, FLOAT, (beta, threshold), softplus(x, beta, threshold))
TG_BINARY_P(softplus_input_grad, FLOAT, (beta, threshold),
            b* beta > threshold ? a : a * math::sigmoid(b * beta))

TG_UNARY(gelu, FLOAT, gelu(x))
TG_BINARY(gelu_input_grad, FLOAT, a* gelu_slope(b))
TG_UNARY(gelu_tanh, FLOAT, gelu_tanh(x))
TG_BINARY(gelu_tanh_input_grad, FLOAT, a* gelu_tanh_slope(b))
TG_UNARY(silu, FLOAT, silu(x))
TG_BINARY(silu_input_grad, FLOAT, a* silu_slope(b))
TG_UNARY(mish, FLOAT, mish(x))
TG_BINARY(mish_input_grad, FLOAT, a* mish_slope(b))

TG_UNARY(hardsigmoid, FLOAT, clamped(x + T(3), T(0), T(6)) / T(6))
TG_BINARY(hardsigmoid_input_grad, FLOAT, (b > T(-3)) & (b < T(3)) ? a / T(6) : T(0))
TG_UNARY(hardswish, FLOAT, x*(clamped(x + T(3), T(0), T(6)) / T(6)))
TG_BINARY(hardswish_input_grad, FLOAT, b < T(-3) ? T(0) : (b >= T(3) ? a : a * (b / T(3) + T(0.5))))
TG_UNARY(softsign, FLOAT, x / (T(1) + math::fabs(x)))
