"""Mixed precision: what autocast computes in half, what it keeps in float32, and how far the results may be apart.

bfloat16 carries 8 bits (relative rounding 4e-3), float16 carries 11 (5e-4, and nothing below 6e-8). Two layers lose a
few roundings: 3e-2 and 4e-3 of the size of the result are allowed.
"""

import math
import warnings

from harness import Failure, Skip, Test, expect

ALLOWED = {"bfloat16": 3e-2, "float16": 4e-3}


def network(torch, device):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 8))
        return model.to(device), torch.randn(32, 64).to(device), torch.randn(32, 8).to(device)


def step(torch, device, dtype):
    """The scores and the gradients of one training step under autocast (without it where the type is None)."""
    model, inputs, targets = network(torch, device)
    kind = str(device).split(":")[0]
    with torch.autocast(kind, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        scores = model(inputs)
    loss = torch.nn.functional.mse_loss(scores.float(), targets)
    scaler = scaler_of(torch, kind) if dtype == torch.float16 else None
    (loss if scaler is None else scaler.scale(loss)).backward()
    if scaler is not None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler.unscale_(optimizer)
    return scores, [parameter.grad for parameter in model.parameters()]


def scaler_of(torch, kind):
    """The scaler that keeps small float16 gradients from becoming zero."""
    if hasattr(torch.amp, "GradScaler"):
        return torch.amp.GradScaler(kind, init_scale=1024.0)
    if kind != "cuda":
        raise Skip("torch %s has no gradient scaler for %s" % (torch.__version__, kind))
    return torch.cuda.amp.GradScaler(init_scale=1024.0)


def relative(found, wanted):
    error = ((found.float() - wanted.float()).norm() / wanted.float().norm()).item()
    return float("inf") if math.isnan(error) else error


def compare(context, device, dtype):
    torch = context.torch
    name = str(dtype).split(".")[1]
    scores, gradients = step(torch, device, dtype)
    wanted, wanted_gradients = step(torch, device, None)
    expect(scores.dtype == dtype, "autocast on %s computed in %s, not in %s" % (device, scores.dtype, name))
    expect(wanted.dtype == torch.float32, "without autocast %s computes in %s" % (device, wanted.dtype))
    errors = [relative(*pair) for pair in zip([scores] + gradients, [wanted] + wanted_gradients)]
    worst = max(errors)
    context.evidence["%s error on %s" % (name, device)] = (
        float("%.2g" % worst) if math.isfinite(worst) else "not a number"
    )
    expect(
        worst <= ALLOWED[name],
        "%s on %s is off by %.2g of the result's size; %g is allowed" % (name, device, worst, ALLOWED[name]),
    )


def bfloat16(context):
    torch = context.torch
    compare(context, "cpu", torch.bfloat16)
    for device in context.accelerators:
        if device.startswith("cuda") and torch.cuda.is_bf16_supported():
            compare(context, device, torch.bfloat16)
    return "products in bfloat16, and the result agrees with float32"


def float16(context):
    torch = context.torch
    if not context.accelerators:
        raise Skip("no GPU is under test; on a CPU the half precision is bfloat16")
    for device in context.accelerators:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                compare(context, device, torch.float16)
            except RuntimeError as error:
                if "autocast" in str(error) and "support" in str(error):
                    raise Skip("torch %s has no float16 autocast on %s" % (torch.__version__, device))
                raise
            except Failure:
                if any("not supported" in str(warning.message) for warning in said):
                    raise Skip("torch %s has no float16 autocast on %s" % (torch.__version__, device))
                raise
    return "float16 with scaled gradients agrees with float32"


MEND = "Train in float32 (leave autocast out) until it works; `envtool install` repairs the environment."
TESTS = (
    Test(
        code="precision-bfloat16",
        family="precision",
        sentence="Autocast computes products in half precision, and the training step stays the same.",
        mend=MEND,
        run=bfloat16,
        quick=True,
    ),
    Test(
        code="precision-float16",
        family="precision",
        sentence="float16 needs scaled gradients, and then gives the same training step.",
        mend=MEND,
        run=float16,
        limit=60.0,
    ),
)
