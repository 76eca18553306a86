"""Calls that CUDA allows: each must run, and none may be blamed."""

import os, torch, math, copy, random
import numpy as np
from torch import nn
import torch.nn.functional as F

device = "cuda" if torch.cuda.is_available() else "cpu"
failed = []


def t(n, f):
    try:
        print(n, f())
    except Exception as error:
        failed.append((n, f"{type(error).__name__}: {error}"))


x = torch.randn(4, 5, device=device)
t("np scalar mul", lambda: (x * np.float32(2)).device)
t("np array idx", lambda: x[np.array([0, 1])].device)
t("list idx", lambda: x[[0, 2]].device)
t("np bool idx", lambda: x[np.array([True, False, True, False])].shape)
t("slice tensor", lambda: x[torch.tensor(1) :].shape)
t("int(tensor)", lambda: x[int(x.argmax()) % 4].device)
t("index by 0dim gpu", lambda: torch.arange(10)[x.argmax() % 4])
t("index by 0dim cpu", lambda: x[torch.tensor(1)].device)
t("range", lambda: list(range(x.argmax(1)[0]))[:1])
t("py list index by tensor", lambda: [1, 2, 3, 4, 5][x.argmax(1)[0]])
t("zip", lambda: [float(a.sum()) for a in x][:1])
t("sum()", lambda: sum([x.sum(), x.sum()]).device)
t("max()", lambda: max(x.sum(), torch.tensor(0.0)).device)
t("min py", lambda: min(x[0]).device)
t("sorted", lambda: len(sorted(x[0])))
t("torch.max(x, cpu0)", lambda: torch.max(x, torch.tensor(0.0)).device)
t("clamp min=tensor gpu", lambda: torch.clamp(x, min=torch.zeros(1, device=device)).device)
t("pow", lambda: (x ** torch.tensor(2.0)).device)
t("tensor scalar sub left", lambda: (torch.tensor(1.0) - x).device)
t("full like", lambda: torch.full_like(x, x[0, 0].item()).device)
t("full", lambda: torch.full((2,), 3.0, device=device).device)
t("linspace", lambda: torch.linspace(0, 1, 3, device=device).device)
t("lerp", lambda: torch.lerp(x, x, 0.5).device)
t("histc", lambda: torch.histc(x, 4).device)
t("bincount", lambda: torch.bincount(torch.randint(3, (5,), device=device)).device)
t(
    "scatter_add",
    lambda: (
        torch.zeros(5, device=device)
        .scatter_add(0, torch.tensor([0, 1], device=device), torch.ones(2, device=device))
        .device
    ),
)
t(
    "index_add",
    lambda: (
        torch.zeros(5, device=device)
        .index_add_(0, torch.tensor([0, 1], device=device), torch.ones(2, device=device))
        .device
    ),
)
t(
    "put_",
    lambda: (
        torch.zeros(5, device=device).put_(torch.tensor([0, 1], device=device), torch.ones(2, device=device)).device
    ),
)
t("setitem cpu tensor slice", lambda: x.__setitem__(slice(0, 1), torch.zeros(5)))
t("setitem list", lambda: x.__setitem__((0, slice(0, 2)), torch.tensor([1.0, 2.0])))
t("copy_", lambda: x.copy_(torch.zeros(4, 5)).device)
t("data=", lambda: setattr(nn.Linear(2, 2).weight, "data", torch.ones(2, 2, device=device)))
t("contig", lambda: x.t().contiguous().view(-1).device)
t("einops-like", lambda: x.unfold(1, 2, 1).permute(0, 2, 1).reshape(-1).device)
t("split/chunk", lambda: [a.device for a in x.split(2)] + [a.device for a in x.chunk(2)])
t("svd_lowrank", lambda: torch.svd_lowrank(x, 2)[0].device)
t("lstsq", lambda: torch.linalg.lstsq(x, x)[0].device)
t("inv", lambda: torch.inverse(torch.eye(3, device=device)).device)
t("cov", lambda: (torch.cov(x).device, torch.corrcoef(x).device))
t(
    "meshgrid",
    lambda: torch.meshgrid(torch.arange(2, device=device), torch.arange(2, device=device), indexing="ij")[0].device,
)
t("tri", lambda: torch.triu(x).device)
t("roll flip", lambda: x.roll(1).flip(0).device)
t("cumsum", lambda: x.cumsum(0).device)
t("median mode kth", lambda: (x.median().device, x.mode()[0].device, x.kthvalue(1)[0].device))
t("searchsorted", lambda: torch.searchsorted(x[0].sort()[0], x[0]).device)
t("unique cons", lambda: torch.unique_consecutive(x[0]).device)
t("combinations", lambda: torch.combinations(x[0]).device)
t("cartesian", lambda: torch.cartesian_prod(x[0], x[0]).device)
t("nan_to_num", lambda: x.nan_to_num().device)
t("pad", lambda: F.pad(x, (1, 1)).device)
t("unfold", lambda: F.unfold(torch.ones(1, 1, 4, 4, device=device), 2).device)
t("ada pool", lambda: F.adaptive_avg_pool2d(torch.ones(1, 1, 4, 4, device=device), 1).device)
t("gumbel", lambda: F.gumbel_softmax(x, hard=True).device)
t("triplet", lambda: F.triplet_margin_loss(x, x, x).device)
t("cosine emb", lambda: F.cosine_embedding_loss(x, x, torch.ones(4, device=device)).device)
t("margin", lambda: F.multi_margin_loss(x, torch.tensor([0, 1, 2, 3], device=device)).device)
t("multilabel", lambda: F.multilabel_soft_margin_loss(x, torch.ones(4, 5, device=device)).device)
t("kl", lambda: F.kl_div(x.log_softmax(1), x.softmax(1), reduction="batchmean").device)
t("nll", lambda: F.gaussian_nll_loss(x, x, torch.ones_like(x)).device)
t("huber", lambda: F.huber_loss(x, x).device)
t(
    "ls",
    lambda: (
        F.cross_entropy(
            x, torch.tensor([0, 1, 2, 3], device=device), weight=torch.ones(5, device=device), label_smoothing=0.1
        ).device
    ),
)
t("ce probs", lambda: F.cross_entropy(x, x.softmax(1)).device)
t("sdpa causal", lambda: F.scaled_dot_product_attention(x[None], x[None], x[None], is_causal=True).device)


def bwd(f):
    y = torch.randn(3, 4, device=device, requires_grad=True)
    f(y).sum().backward()
    return y.grad.device


for n, f in dict(
    median=lambda y: y.median(1)[0],
    sort=lambda y: y.sort()[0],
    topk=lambda y: y.topk(2)[0],
    cummax=lambda y: y.cummax(1)[0],
    idx=lambda y: y[torch.tensor([0, 1])],
    gather=lambda y: y.gather(1, torch.zeros(3, 1, dtype=torch.long, device=device)),
    prod=lambda y: y.prod(1),
    norm=lambda y: y.norm(),
    cdist=lambda y: torch.cdist(y, y),
    svd=lambda y: torch.linalg.svdvals(y),
    std=lambda y: y.std(),
    lse=lambda y: y.logsumexp(1),
    clamp=lambda y: y.clamp(0, 1),
    where=lambda y: torch.where(y > 0, y, -y),
    masked=lambda y: y[y > 0],
    cumprod=lambda y: y.cumprod(1),
    sel=lambda y: y.select(1, 0),
    unf=lambda y: y.unfold(1, 2, 1),
    pow=lambda y: 2**y,
    max=lambda y: y.max(),
    amax=lambda y: y.amax(1),
    interp=lambda y: F.interpolate(y[None], scale_factor=2),
    drop=lambda y: F.alpha_dropout(y, 0.5, True),
    rrelu=lambda y: F.rrelu(y, training=True),
    prelu=lambda y: F.prelu(y, torch.ones(1, device=device) * 0.2),
    gn=lambda y: F.group_norm(y[..., None], 2),
    inorm=lambda y: F.instance_norm(y[..., None].expand(3, 4, 3)),
    bil=lambda y: nn.Bilinear(4, 4, 2).to(device)(y, y),
    det=lambda y: torch.det(y[:, :3]),
    diag=lambda y: torch.diag_embed(y),
    trapz=lambda y: torch.trapezoid(y),
    repeat=lambda y: y.repeat_interleave(2, 0),
    repi=lambda y: y.repeat_interleave(torch.tensor([1, 2, 1], device=device), 0),
    einsum=lambda y: torch.einsum("ij,kj->ik", y, y),
    take=lambda y: y.take(torch.tensor([0, 3], device=device)),
    kthv=lambda y: y.kthvalue(2)[0],
    nanm=lambda y: y.nanmean(),
    var=lambda y: torch.var_mean(y)[0],
    emb=lambda y: F.embedding(torch.tensor([0, 2], device=device), y),
    conv=lambda y: F.conv1d(y[None], torch.ones(2, 3, 2, device=device)),
    convt=lambda y: F.conv_transpose1d(y[None], torch.ones(3, 2, 2, device=device)),
    mp=lambda y: F.max_pool1d(y[None], 2),
    amp=lambda y: F.adaptive_max_pool1d(y[None], 2),
    lpp=lambda y: F.lp_pool1d(y[None], 2, 2),
    fft=lambda y: torch.fft.rfft(y).abs(),
    stft=lambda y: torch.stft(y.flatten(), 4, window=torch.hann_window(4, device=device), return_complex=True).abs(),
    sparse=lambda y: torch.sparse.mm(torch.eye(3, device=device).to_sparse(), y),
    chol=lambda y: torch.linalg.cholesky(y @ y.T + torch.eye(3, device=device)),
    solve=lambda y: torch.linalg.solve(y @ y.T + torch.eye(3, device=device), y),
    expm=lambda y: torch.matrix_exp(y[:, :3]),
    vm=lambda y: torch.func.vmap(torch.func.grad(lambda a: (a * a).sum()))(y),
).items():
    t("bw " + n, lambda: bwd(f))
t("hess", lambda: torch.autograd.functional.hessian(lambda a: (a**3).sum(), torch.ones(3, device=device)).device)
t(
    "gradcheck",
    lambda: torch.autograd.gradcheck(
        lambda a: a * a, torch.ones(3, device=device, dtype=torch.float64, requires_grad=True)
    ),
)
t(
    "dist kl",
    lambda: (
        torch.distributions.kl_divergence(
            torch.distributions.Normal(x, 1 + x * x),
            torch.distributions.Normal(torch.zeros_like(x), torch.ones_like(x)),
        ).device
    ),
)
t(
    "mvn",
    lambda: (
        torch.distributions.MultivariateNormal(torch.zeros(3, device=device), torch.eye(3, device=device))
        .sample()
        .device
    ),
)
t("cat", lambda: torch.distributions.Categorical(x.softmax(1)).entropy().device)
t("beta", lambda: torch.distributions.Beta(torch.ones(3, device=device), torch.ones(3, device=device)).rsample().device)
t("params vec", lambda: nn.utils.parameters_to_vector(nn.Linear(2, 2).to(device).parameters()).device)
t(
    "prune",
    lambda: (
        __import__("torch.nn.utils.prune", fromlist=["x"])
        .l1_unstructured(nn.Linear(3, 3).to(device), "weight", 0.3)(torch.ones(1, 3, device=device))
        .device
    ),
)
t("wn", lambda: nn.utils.weight_norm(nn.Linear(3, 3)).to(device)(torch.ones(1, 3, device=device)).device)
t(
    "init",
    lambda: (
        nn.init.orthogonal_(torch.empty(3, 3, device=device)).device,
        nn.init.trunc_normal_(torch.empty(3, 3, device=device)).device,
        nn.init.xavier_uniform_(torch.empty(3, 3, device=device)).device,
    ),
)
t("lstm proj", lambda: nn.LSTM(5, 4, proj_size=2).to(device)(x[None])[0].device)
t("cell", lambda: nn.LSTMCell(5, 3).to(device)(x)[0].device)
t("mha", lambda: nn.MultiheadAttention(5, 1).to(device)(x[None], x[None], x[None])[0].device)
t(
    "trf full",
    lambda: (
        nn.Transformer(8, 2, 1, 1, 16)
        .to(device)(torch.ones(2, 1, 8, device=device), torch.ones(2, 1, 8, device=device))
        .device
    ),
)
t(
    "adaptive softmax",
    lambda: (
        nn.AdaptiveLogSoftmaxWithLoss(5, 8, [2, 4]).to(device)(x, torch.tensor([0, 3, 5, 7], device=device)).loss.device
    ),
)
t("syncbn", lambda: nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm1d(5)).to(device).eval()(x).device)
t("lazy", lambda: nn.LazyConv2d(2, 3).to(device)(torch.ones(1, 1, 5, 5, device=device)).device)
t("state_dict strict load", lambda: nn.Linear(2, 2).to(device).load_state_dict(nn.Linear(2, 2).state_dict()))
t("deepcopy model", lambda: copy.deepcopy(nn.Linear(2, 2).to(device)).weight.device)
t("share_memory", lambda: nn.Linear(2, 2).share_memory().to(device).weight.device)
t("apply", lambda: nn.Linear(2, 2).to(device).apply(lambda m: nn.init.zeros_(m.bias)).bias.device)
t(
    "half/float/bf16",
    lambda: (
        nn.Linear(2, 2)
        .to(device)
        .half()
        .float()
        .bfloat16()(torch.ones(1, 2, device=device, dtype=torch.bfloat16))
        .device
    ),
)
t("to(dtype=)", lambda: x.to(dtype=torch.float64).to(device="cpu", dtype=torch.float32, non_blocking=True).device)
t("to(int)", lambda: torch.zeros(1).to(0).device)
t("cuda(0)", lambda: torch.zeros(1).cuda(0).device)
t("requires_grad_ factory", lambda: torch.zeros(2, device=device, requires_grad=True).is_leaf)


def leaf():
    w = torch.randn(3, device=device, requires_grad=True)
    o = torch.optim.SGD([w], 0.1)
    (w * w).sum().backward()
    o.step()
    return w.grad.device


t("leaf", leaf)


def hook():
    y = torch.ones(3, device=device, requires_grad=True)
    g = []
    (y * 2).register_hook(lambda a: g.append(a.device))
    z = y * 2
    z.register_hook(lambda a: g.append(a.device))
    z.sum().backward()
    m = nn.Linear(3, 3).to(device)
    m.register_forward_hook(lambda m, i, o: g.append(o.device))
    m(y)
    return g


t("hook", hook)


def prof():
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as p:
        (x * 2).sum()
    return len(p.key_averages()) > 0


t("profiler", prof)


def inf():
    with torch.inference_mode():
        return (nn.Linear(5, 2).to(device)(x).cpu().numpy()).shape


t("inference", inf)
t("stat", lambda: (x.mean().item(), x.std().item(), round(x.max().item(), 2))[:0])
t(
    "dl gen",
    lambda: len(list(torch.utils.data.DataLoader(range(10), shuffle=True, generator=torch.Generator().manual_seed(1)))),
)
t("random_split", lambda: len(torch.utils.data.random_split(range(10), [7, 3])[0]))
t("to_dense", lambda: torch.eye(3, device=device).to_sparse().to_dense().device)
t("quantile", lambda: x.quantile(torch.tensor([0.1, 0.9], device=device)).device)
t("amp dec", lambda: torch.cuda.amp.autocast()(lambda: (nn.Linear(5, 2).to(device)(x)).dtype)())
t("bool()", lambda: bool((x.sum() > 0)))
t("tolist", lambda: len(x.tolist()))
t("swap", lambda: torch.utils.swap_tensors if hasattr(torch.utils, "swap_tensors") else None)
t("dlpack", lambda: torch.from_dlpack(torch.zeros(2, device=device)).shape)
t(
    "memory fmt",
    lambda: (
        torch.ones(1, 2, 3, 3)
        .to(device, memory_format=torch.channels_last)
        .is_contiguous(memory_format=torch.channels_last)
    ),
)
t("complex", lambda: torch.view_as_real(torch.ones(2, dtype=torch.cfloat, device=device)).device)
t("result types", lambda: torch.result_type(x, torch.ones(1)))
t("pinned to", lambda: torch.zeros(2).pin_memory().to(device, non_blocking=True).device)
t("isclose", lambda: torch.allclose(x, x.clone()))
t("assert_close", lambda: torch.testing.assert_close(x, x.clone()))
t(
    "current device",
    lambda: (
        torch.cuda.current_device(),
        torch.cuda.device_count(),
        torch.cuda.memory_allocated() / 1e6,
        torch.cuda.max_memory_allocated(),
    ),
)


def dev():
    with torch.cuda.device(0):
        return torch.zeros(1).cuda().device


t("with device", dev)
t("stream", lambda: torch.cuda.stream(torch.cuda.Stream()).__enter__() is not None)

assert not failed, failed
