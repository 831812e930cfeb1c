"""CRATE in PyTorch against the compiler's ONNX graphs: one process, variants in turn. `npm run bench -- --torch PYTHON` runs it.

python torch_compare.py CASE.json: {kind: "inference" | "training", sizes, batch, threads, rounds, models: {variant: file}}; prints JSON.
{kind: "machine", threads, product: file} gives versions, and how fast both multiply: MKL is slow on some processors until it is told otherwise.
With `alone: variant` it gives that variant's memory, with `only: variant` that variant's times.
The network follows Yu et al. 2023, equations 11 to 14, as its authors' program arranges it (torch.nn layers, heads by reshape).
"""
import json, sys, tempfile, time, warnings

import numpy as np
import onnxruntime as ort
import torch
from torch import nn
import torch.nn.functional as F

warnings.filterwarnings("ignore")


class Subspaces(nn.Module):
    """Multi-head subspace self-attention: one projection serves as query, key and value."""

    def __init__(self, d, heads, p):
        super().__init__()
        self.heads, self.scale = heads, p ** -0.5
        self.norm = nn.LayerNorm(d)
        self.project = nn.Linear(d, heads * p, bias=False)
        self.out = nn.Linear(heads * p, d)

    def forward(self, x):
        b, n, _ = x.shape
        w = self.project(self.norm(x)).reshape(b, n, self.heads, -1).transpose(1, 2)
        mixed = torch.matmul((torch.matmul(w, w.transpose(-1, -2)) * self.scale).softmax(dim=-1), w)
        return self.out(mixed.transpose(1, 2).reshape(b, n, -1)) + x


class Sparsify(nn.Module):
    """One step of ISTA in a square dictionary."""

    def __init__(self, d, eta=0.1, lam=0.1):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.weight = nn.Parameter(nn.init.kaiming_uniform_(torch.empty(d, d)))
        self.eta, self.lam = eta, lam

    def forward(self, x):
        x = self.norm(x)
        back = F.linear(F.linear(x, self.weight), self.weight.t())
        step = self.eta * (F.linear(x, self.weight.t()) - back) - self.eta * self.lam
        return F.relu(x + step)


class Crate(nn.Module):
    def __init__(self, d, K, p, L, H, P, C, channels):
        super().__init__()
        self.patch, self.side = P, H // P
        self.embed = nn.Sequential(nn.LayerNorm(channels * P * P), nn.Linear(channels * P * P, d), nn.LayerNorm(d))
        self.cls = nn.Parameter(torch.randn(1, 1, d))
        self.pos = nn.Parameter(torch.randn(1, self.side ** 2 + 1, d))
        self.blocks = nn.ModuleList(nn.ModuleList([Subspaces(d, K, p), Sparsify(d)]) for _ in range(L))
        self.head = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, C))

    def forward(self, image):
        b, c, _, _ = image.shape
        x = image.reshape(b, c, self.side, self.patch, self.side, self.patch).permute(0, 2, 4, 3, 5, 1).reshape(b, self.side ** 2, -1)
        x = torch.cat([self.cls.expand(b, -1, -1), self.embed(x)], dim=1) + self.pos
        for compress, sparsify in self.blocks:
            x = sparsify(compress(x))
        return self.head(x[:, 0])


def session(path, threads, memory_pattern):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level, options.enable_mem_pattern = threads, 3, memory_pattern
    # Without this a variant's idle threads spin on the cores that the next variant runs on.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def inference(case, sizes):
    batch = case["batch"]
    image = np.sin(np.arange(batch * sizes["channels"] * sizes["H"] ** 2) * 12.9898).astype(np.float32).reshape(batch, sizes["channels"], sizes["H"], sizes["H"]) * 1.5
    model = Crate(**sizes).eval()
    def exported(name, **how):
        path = f"{tempfile.mkdtemp()}/{name}.onnx"
        torch.onnx.export(model, (torch.from_numpy(image),), path, input_names=["image"], verbose=False, **how)
        own = session(path, case["threads"], True)
        return lambda: own.run(None, {"image": image})
    def ours(path):
        own = session(path, case["threads"], True)
        return lambda: own.run(None, {"image": image})
    compiled = torch.compile(model)
    def run(m):
        with torch.inference_mode():
            return m(torch.from_numpy(image))
    makers = {
        "torch eager": lambda: lambda: run(model),
        "torch compiled": lambda: lambda: run(compiled),
        "torch.onnx (dynamo)": lambda: exported("dynamo", dynamo=True),
        "torch.onnx (trace)": lambda: exported("trace", dynamo=False, dynamic_axes={"image": {0: "batch"}}),
        **{name: (lambda path: lambda: ours(path))(path) for name, path in case["models"].items()},
    }
    return makers


def training(case, sizes):
    batch, C = case["batch"], sizes["C"]
    rng = np.random.default_rng(1)
    image = rng.standard_normal((batch, sizes["channels"], sizes["H"], sizes["H"])).astype(np.float32)
    label = rng.integers(0, C, batch)
    def torch_step(compile):
        model = Crate(**sizes).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05)
        loss_of = lambda x, y: F.cross_entropy(model(x), y, label_smoothing=0.1)
        loss = torch.compile(loss_of) if compile else loss_of
        x, y = torch.from_numpy(image), torch.from_numpy(label)
        def step():
            optimizer.zero_grad()
            loss(x, y).backward()
            optimizer.step()
        return step
    def ours(path):
        own = session(path, case["threads"], False)
        given = {"image": image, "label": label, "learning_rate": np.float32(1e-4), "correction1": np.float32(1), "correction2": np.float32(1)}
        state = {i.name: (rng.standard_normal(i.shape) * 0.05 if not i.name.endswith(("/m", "/v")) else np.zeros(i.shape)).astype(np.float32) for i in own.get_inputs() if i.name not in given}
        names = [o.name for o in own.get_outputs()]
        held = {"state": {k: ort.OrtValue.ortvalue_from_numpy(v) for k, v in state.items()}}
        fixed = {k: ort.OrtValue.ortvalue_from_numpy(np.asarray(v)) for k, v in given.items()}
        def step():
            out = own.run_with_ort_values(None, {**fixed, **held["state"]})
            held["state"] = {n[: -len("/next")]: v for n, v in zip(names, out) if n.endswith("/next")}
        return step
    return {
        "torch eager": lambda: torch_step(False),
        "torch compiled": lambda: torch_step(True),
        **{name: (lambda path: lambda: ours(path))(path) for name, path in case["models"].items()},
    }


def machine(case):
    """GFLOP/s of a product of 1,024² by torch and by ONNX Runtime, the median of 20."""
    n = 1024
    a = torch.randn(n, n)
    own = session(case["product"], case["threads"], True)
    def rate(run):
        times = []
        for _ in range(25):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return 2 * n**3 / sorted(times[5:])[10] / 1e9
    return {"torch": torch.__version__, "onnxruntime": ort.__version__,
            "gflops": {"torch": rate(lambda: a @ a), "onnxruntime": rate(lambda: own.run(None, {"a": a.numpy(), "b": a.numpy()}))}}


case = json.load(open(sys.argv[1]))
torch.set_num_threads(case["threads"])
if case["kind"] == "machine":
    print(json.dumps(machine(case)))
    sys.exit()
makers = (inference if case["kind"] == "inference" else training)(case, case["sizes"])
def megabytes(field):
    """A figure of this process's memory: VmRSS is now, VmHWM the most since the last reset (Linux)."""
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field)) / 1024


if "alone" in case:  # the most memory that a variant takes, in a process of its own, beyond what the imports took
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = megabytes("VmRSS")
    run = makers[case["alone"]]()
    for _ in range(5):
        run()
    print(json.dumps({"megabytes": megabytes("VmHWM") - before}))
else:
    runners = {name: make() for name, make in makers.items() if case.get("only", name) == name}
    times = {name: [] for name in runners}
    for i in range(case["rounds"] + 3):
        for name, run in runners.items():
            start = time.perf_counter()
            run()
            if i >= 3:
                times[name].append((time.perf_counter() - start) * 1e3)
    print(json.dumps({"times": times}))
