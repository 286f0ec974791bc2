"""The PyTorch side of bench/gpu: one JSON request per line on stdin, one answer per line on stdout.

A request names a case, how often it runs per sample, samples and the number of sets of inputs, which take turns so that
the second-level cache does not hold them. The answer holds seconds per run. --cpu runs on the CPU, for the script's tests.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

DEVICE = "cpu" if "--cpu" in sys.argv else "cuda"
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32, "tf32": torch.float32,
          "tf32x3": torch.float32}


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def draw(shape, precision):
    if precision == "int8":
        return torch.randint(-127, 128, tuple(shape), dtype=torch.int8, device=DEVICE)
    return torch.randn(*shape, dtype=DTYPES[precision], device=DEVICE)


def matmul(m, n, k, batch, precision):
    lead = [batch] if batch > 1 else []
    a, b = draw([*lead, m, k], precision), draw([*lead, k, n], precision)
    if precision == "int8":
        # cuBLASLt wants the second operand by columns.
        b = b.t().contiguous().t()
        return lambda: torch._int_mm(a, b)
    return lambda: torch.matmul(a, b)


def conv2d(direction, x, w, stride, padding, precision):
    # Channels last is what cuDNN is fastest with.
    images = draw(x, precision).to(memory_format=torch.channels_last)
    weight = draw(w, precision).to(memory_format=torch.channels_last)
    if direction == "forward":
        return lambda: F.conv2d(images, weight, stride=stride, padding=padding)
    dout = torch.randn_like(F.conv2d(images, weight, stride=stride, padding=padding))
    mask = [direction == "input gradient", direction == "weight gradient", False]
    pairs = [[stride] * 2, [padding] * 2, [1, 1]]
    return lambda: torch.ops.aten.convolution_backward(dout, images, weight, None, *pairs, False, [0, 0], 1, mask)


def memory(name, shape, precision):
    x, y = draw(shape, precision), draw(shape, precision)
    weight, bias = draw(shape[-1:], precision), draw(shape[-1:], precision)
    ids = torch.randint(0, shape[0], (shape[0],), device=DEVICE)
    return {
        "copy": lambda: torch.clone(x),
        "add": lambda: torch.add(x, y),
        "relu": lambda: torch.relu(x),
        "gelu": lambda: F.gelu(x),
        "sum": lambda: torch.sum(x),
        "sum of rows": lambda: torch.sum(x, 1),
        "sum of columns": lambda: torch.sum(x, 0),
        "softmax": lambda: torch.softmax(x, -1),
        "cast to bf16": lambda: x.to(torch.bfloat16),
        "transpose": lambda: x.t().contiguous(),
        "max_pool2d": lambda: F.max_pool2d(x, 2),
        "layer_norm": lambda: F.layer_norm(x, shape[-1:], weight, bias),
        "batch_norm": lambda: F.batch_norm(x, None, None, training=True),
        "embedding": lambda: F.embedding(ids, x),
    }[name]


def lenet5(batch):
    nn = torch.nn
    layers = [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    model = nn.Sequential(*layers).to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x, target = torch.randn(batch, 1, 28, 28, device=DEVICE), torch.randint(0, 10, (batch,), device=DEVICE)

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(x), target).backward()
        optimizer.step()

    return step


CASES = {"matmul": matmul, "conv2d": conv2d, "memory": memory, "lenet5": lenet5}
prepared = {}


def timed(request):
    case = dict(request["case"])
    tf32 = case.get("precision") == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    key = json.dumps(request["case"])
    if key not in prepared:
        prepared.clear()
        if DEVICE == "cuda":
            torch.cuda.empty_cache()
        kind = case.pop("kind")
        prepared[key] = [CASES[kind](**case) for _ in range(request["sets"])]
        for run in prepared[key]:
            run()
    sets, seconds = prepared[key], []
    for _ in range(3):
        sets[0]()
    for _ in range(request["samples"]):
        wait()
        start = time.perf_counter()
        for i in range(request["runs"]):
            sets[i % len(sets)]()
        wait()
        seconds.append((time.perf_counter() - start) / request["runs"])
    return {"seconds": seconds}


for line in sys.stdin:
    try:
        answer = timed(json.loads(line))
    except Exception as error:  # a case that this version or device cannot do is a row without PyTorch
        prepared.clear()
        answer = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
    print(json.dumps(answer), flush=True)
