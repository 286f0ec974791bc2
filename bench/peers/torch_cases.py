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


def linear(rows, inputs, outputs):
    x, w, b = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(outputs)
    return lambda: F.linear(x, w, b)


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


def lenet5_step(batch):
    nn = torch.nn
    layers = [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return training_step(layers, (batch, 1, 28, 28), 10, 0.01, 0.9)


def mlp_step(batch):
    nn = torch.nn
    return training_step([nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)], (batch, 784), 10, 0.01, 0.9)


CASES = [matmul, linear, conv2d, max_pool2d, max_pool2d_backward, cross_entropy, function, small_add, lenet5_step]
CASES = {case.__name__: case for case in [*CASES, mlp_step, drawn, optimizer_step]}
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
