"""The PyTorch side of npm run bench: one JSON request per line on stdin, one answer per line on stdout.

A request names a case, threads and seconds; the answer holds the seconds per run of several batches.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F


def matmul(m, k, n, batch=None, transposed=False, dtype="f32"):
    kind = {"f32": torch.float32, "f64": torch.float64}[dtype]
    lead = [batch] if batch else []
    a = torch.randn(*lead, m, k, dtype=kind)
    b = torch.randn(*lead, n, k, dtype=kind).transpose(-1, -2) if transposed else torch.randn(*lead, k, n, dtype=kind)
    return lambda: torch.matmul(a, b)


def linear(rows, inputs, outputs, activation=None):
    x, w, b = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(outputs)
    if activation is None:
        return lambda: F.linear(x, w, b)
    behind = getattr(F, activation)
    return lambda: behind(F.linear(x, w, b))


def conv2d(direction, x, w, options):
    images, weight = torch.randn(*x), torch.randn(*w)
    if direction == "forward":
        return lambda: F.conv2d(images, weight, **options)
    settings = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, **options}
    pairs = [[settings[name]] * 2 for name in ("stride", "padding", "dilation")]
    dout = torch.randn_like(F.conv2d(images, weight, **options))
    mask = [direction == "input", direction == "weight", False]
    return lambda: torch.ops.aten.convolution_backward(
        dout, images, weight, None, *pairs, False, [0, 0], settings["groups"], mask
    )


def max_pool2d(x, kernel):
    images = torch.randn(*x)
    return lambda: F.max_pool2d(images, kernel)


def max_pool2d_backward(x, kernel):
    images = torch.randn(*x)
    pooled, indices = F.max_pool2d(images, kernel, return_indices=True)
    dout = torch.randn_like(pooled)
    pair = [kernel, kernel]
    return lambda: torch.ops.aten.max_pool2d_with_indices_backward(
        dout, images, pair, pair, [0, 0], [1, 1], False, indices
    )


def cross_entropy(rows, classes):
    x, target = torch.randn(rows, classes), torch.randint(0, classes, (rows,))
    return lambda: F.cross_entropy(x, target)


def cross_entropy_backward(rows, classes):
    x, target = torch.randn(rows, classes), torch.randint(0, classes, (rows,))
    log_p = F.log_softmax(x, 1)
    one = torch.ones(())
    total = torch.tensor(float(rows))

    def run():
        dlog = torch.ops.aten.nll_loss_backward(one, log_p, target, None, 1, -100, total)
        return torch.ops.aten._log_softmax_backward_data(dlog, log_p, 1, torch.float32)

    return run


def softmax_backward(rows, classes):
    y, dout = torch.softmax(torch.randn(rows, classes), 1), torch.randn(rows, classes)
    return lambda: torch.ops.aten._softmax_backward_data(dout, y, 1, torch.float32)


def layer_norm(rows, features, direction):
    x, weight, bias = torch.randn(rows, features), torch.randn(features), torch.randn(features)
    if direction == "forward":
        return lambda: F.layer_norm(x, [features], weight, bias)
    y, mean, rstd = torch.ops.aten.native_layer_norm(x, [features], weight, bias, 1e-5)
    dout = torch.randn_like(y)
    return lambda: torch.ops.aten.native_layer_norm_backward(
        dout, x, [features], mean, rstd, weight, bias, [True, True, True]
    )


def batch_norm(x, direction):
    channels = x[1]
    images, weight, bias = torch.randn(*x), torch.randn(channels), torch.randn(channels)
    running = torch.zeros(channels), torch.ones(channels)
    if direction == "forward":
        return lambda: F.batch_norm(images, *running, weight, bias, True, 0.1, 1e-5)
    y, mean, rstd = torch.ops.aten.native_batch_norm(images, weight, bias, *running, True, 0.1, 1e-5)
    dout = torch.randn_like(y)
    return lambda: torch.ops.aten.native_batch_norm_backward(
        dout, images, weight, *running, mean, rstd, True, 1e-5, [True, True, True]
    )


def function(name, shapes, args=()):
    """A function of torch or torch.nn.functional on random f32 tensors."""
    called = getattr(torch, name, None) or getattr(F, name)
    inputs = [torch.rand(*shape) for shape in shapes]
    return lambda: called(*inputs, *args)


def drawn(name, n, dtype):
    kind = {"f32": torch.float32, "f64": torch.float64, "bf16": torch.bfloat16}[dtype]
    if name == "dropout":
        x = torch.ones(n, dtype=kind)
        return lambda: F.dropout(x, 0.5)
    if name == "bernoulli":
        return lambda: torch.empty(n, dtype=kind).bernoulli_(0.5)
    if name == "randperm":
        return lambda: torch.randperm(n)
    called = getattr(torch, name)
    return lambda: called(n, dtype=kind)


def optimizer_step(name, shapes, options):
    params = [torch.randn(*shape, requires_grad=True) for shape in shapes]
    for param in params:
        param.grad = torch.randn_like(param)
    return getattr(torch.optim, name)(params, **options).step


def small_add(shape, grad, calls):
    a, b = torch.rand(*shape, requires_grad=grad), torch.rand(*shape)

    def run():
        for _ in range(calls):
            torch.add(a, b)

    return run


def training_step(model, inputs, classes, rate, momentum):
    model = torch.nn.Sequential(*model)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)
    x, target = torch.randn(*inputs), torch.randint(0, classes, (inputs[0],))

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()

    return step


def lenet5():
    nn = torch.nn
    layers = [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return layers


def lenet5_step(batch):
    return training_step(lenet5(), (batch, 1, 28, 28), 10, 0.01, 0.9)


class Residual(torch.nn.Module):
    """The basic block of a ResNet."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        nn = torch.nn
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skip = None
        if stride != 1 or inputs != outputs:
            self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.body(x) + (self.skip(x) if self.skip else x))


def resnet18():
    nn = torch.nn
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for outputs in (64, 128, 256, 512):
        layers += [Residual(inputs, outputs, 1 if outputs == 64 else 2), Residual(outputs, outputs, 1)]
        inputs = outputs
    return [*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)]


def inference(model, inputs):
    layers = {"lenet5": lenet5, "resnet18": resnet18}[model]()
    net = torch.nn.Sequential(*layers).eval()
    x = torch.randn(*inputs)

    def run():
        with torch.inference_mode():
            return net(x)

    return run


def mlp_step(batch):
    nn = torch.nn
    return training_step([nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)], (batch, 784), 10, 0.01, 0.9)


def recurrent(cell, steps, batch, inputs, hidden, training):
    layer = getattr(torch.nn, cell)(inputs, hidden)
    x = torch.randn(steps, batch, inputs, requires_grad=training)
    if not training:

        def run():
            with torch.inference_mode():
                return layer(x)

        return run
    dout = torch.randn(steps, batch, hidden)
    wanted = [x, *layer.parameters()]
    return lambda: torch.autograd.grad(layer(x)[0], wanted, dout)


CASES = [matmul, linear, conv2d, max_pool2d, max_pool2d_backward, cross_entropy, cross_entropy_backward, function]
CASES += [softmax_backward, layer_norm, batch_norm, small_add, lenet5_step, mlp_step, drawn, optimizer_step, inference]
CASES += [recurrent]
CASES = {case.__name__: case for case in CASES}
prepared = {}


def timed(request):
    torch.set_num_threads(request["threads"])
    key = json.dumps(request["case"])
    if key not in prepared:
        prepared.clear()
        arguments = dict(request["case"])
        prepared[key] = CASES[arguments.pop("kind")](**arguments)
        prepared[key]()
    run = prepared[key]
    for _ in range(3):
        run()
    start = time.perf_counter()
    run()
    runs = max(1, int(0.02 / max(time.perf_counter() - start, 1e-7)))
    seconds, cpu = [], []
    stop = time.perf_counter() + request["seconds"]
    while not seconds or time.perf_counter() < stop:
        start, start_cpu = time.perf_counter(), time.process_time()
        for _ in range(runs):
            run()
        seconds.append((time.perf_counter() - start) / runs)
        cpu.append((time.process_time() - start_cpu) / runs)
    return {"seconds": seconds, "cpu": cpu}


for line in sys.stdin:
    try:
        answer = timed(json.loads(line))
    except Exception as error:  # told to the other side, which fails the row in words
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
