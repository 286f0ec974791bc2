// Activation functions. Gradients take a: the gradient of the output, b: the output or the input, as said.

TG_UNARY(relu, NUMBER, x < T(0) ? T(0) : x)
TG_BINARY(relu_input_grad, NUMBER, b > T(0) ? a : T(0))  // b: output

TG_UNARY(sigmoid, FLOAT, math::sigmoid(x))
TG_BINARY(sigmoid_input_grad, FLOAT, a*(b*(T(1) - b)))  // b: output
TG_BINARY(tanh_input_grad, FLOAT, a*(T(1) - b * b))     // b: output
