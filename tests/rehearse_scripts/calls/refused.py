"""Calls that CUDA refuses, one in each function: every function must be blamed."""

import copy
import torch
import numpy as np
from torch import nn
import torch.nn.functional as F

D = torch.device("cuda")
x = torch.randn(4, 5, device=D)
m = nn.Linear(5, 2).to(D)
lab = torch.randint(2, (4,))
idx = torch.tensor([0, 1])


def refused_1():
    x + torch.randn(4, 5)


def refused_2():
    F.cross_entropy(m(x), torch.randint(2, (4,)))


def refused_3():
    m(torch.randn(4, 5))


def refused_4():
    torch.cat([x, torch.zeros(1, 5)])


def refused_5():
    torch.stack([x[0], torch.zeros(5)])


def refused_6():
    torch.where(torch.ones(4, 5) > 0, x, x)


def refused_7():
    x.masked_fill(torch.ones(4, 5) > 0, 0.0)


def refused_8():
    x.gather(1, torch.zeros(4, 1, dtype=torch.long))


def refused_9():
    torch.zeros(3)[torch.tensor([0, 1], device=D)]


def refused_10():
    nn.Embedding(3, 2).to(D)(torch.tensor([0, 1]))


def refused_11():
    np.asarray(m(x).detach())


def refused_12():
    m(x).detach().numpy()


def refused_13():
    a = torch.zeros(4, 2)
    a += m(x).detach()


def refused_14():
    torch.matmul(x, torch.randn(5, 3))


def refused_15():
    F.mse_loss(m(x), torch.zeros(4, 2))


def refused_16():
    F.binary_cross_entropy_with_logits(m(x), torch.ones(4, 2))


def refused_17():
    F.binary_cross_entropy_with_logits(m(x), torch.ones(4, 2, device=D), pos_weight=torch.ones(2))


def refused_18():
    torch.zeros(4, 2).copy_(m(x)) + m(x)


def refused_19():
    nn.BatchNorm1d(5)(x)


def refused_20():
    nn.LSTM(5, 3).to(D)(x[None], (torch.zeros(1, 4, 3), torch.zeros(1, 4, 3)))


def refused_21():
    nn.MultiheadAttention(5, 1).to(D)(x[:, None], x[:, None], x[:, None], attn_mask=torch.zeros(4, 4))


def refused_22():
    F.scaled_dot_product_attention(x[None], x[None], x[None], attn_mask=torch.ones(4, 4) > 0)


def refused_23():
    torch.einsum("ij,kj->ik", x, torch.ones(2, 5))


def refused_24():
    x.index_select(0, torch.tensor([0]))


def refused_25():
    torch.equal(x, torch.ones(4, 5))


def refused_26():
    torch.allclose(x, torch.ones(4, 5))


def refused_27():
    (m(x).argmax(1) == torch.zeros(4)).sum()


def refused_28():
    x[0:1].add_(torch.zeros(5))


def refused_29():
    torch.distributions.Normal(torch.zeros(4, 5), torch.ones(4, 5)).log_prob(x)


def refused_30():
    F.embedding(torch.tensor([0], device=D), torch.ones(3, 2))


def refused_31():
    F.grid_sample(torch.ones(1, 1, 4, 4, device=D), torch.zeros(1, 2, 2, 2), align_corners=False)


def refused_32():
    torch.nn.utils.rnn.pack_padded_sequence(
        torch.ones(2, 3, 4, device=D), torch.tensor([3, 2], device=D), batch_first=True
    )


def refused_33():
    torch.scatter(torch.zeros(4, 5), 1, torch.zeros(4, 1, dtype=torch.long, device=D), 1.0)


def refused_34():
    a = torch.zeros(4)
    a[lab.to(D) > 5] = 1.0


def refused_35():
    x[x > 0] = torch.zeros(int((x > 0).sum()))


def refused_36():
    torch.bucketize(x, torch.tensor([0.0, 1.0]))


def refused_37():
    torch.cdist(x, torch.ones(2, 5))


def refused_38():
    F.kl_div(m(x).log_softmax(1), torch.full((4, 2), 0.5))


def refused_39():
    F.nll_loss(m(x).log_softmax(1), torch.zeros(4, dtype=torch.long), weight=torch.ones(2, device=D))


def refused_40():
    F.cosine_similarity(x, torch.ones(4, 5))


def refused_41():
    torch.cross(x[:, :3], torch.ones(4, 3), dim=1)


def refused_42():
    x @ torch.ones(5)


def refused_43():
    torch.addmm(torch.zeros(2), x, torch.ones(5, 2, device=D))


def refused_44():
    (torch.zeros(3, requires_grad=True) * torch.ones(3, device=D)).sum().backward()


def refused_45():
    list(torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), pin_memory=True))


def refused_46():
    torch.randn(3, device=D, generator=torch.Generator())


def refused_47():
    x.to("cuda:1")


def refused_48():
    np.mean([m(x).sum().detach()])


def refused_49():
    F.cross_entropy(m(x), torch.tensor([0, 1, 0, 1], device=D), weight=torch.ones(2))


def refused_50():
    torch.clamp(x, min=torch.tensor(0.0))


def refused_51():
    torch.lerp(x, torch.zeros(4, 5), 0.5)


def refused_52():
    torch.bmm(x[None], torch.ones(1, 5, 2))


def refused_53():
    F.conv2d(torch.ones(1, 1, 4, 4, device=D), torch.ones(1, 1, 2, 2))


def refused_54():
    F.linear(x, torch.ones(2, 5))


def refused_55():
    torch.take(x, torch.tensor([0]))


def refused_56():
    torch.index_add(x, 0, torch.tensor([0], device=D), torch.zeros(1, 5))


def refused_57():
    x.masked_select(torch.ones(4, 5) > 0)


def refused_58():
    torch.sparse.mm(torch.eye(4).to_sparse(), x)


def refused_59():
    torch.linalg.solve(torch.eye(4, device=D), torch.ones(4, 1))


def refused_60():
    torch.isin(lab.to(D), torch.tensor([1]))


def refused_61():
    torch.bincount(lab.to(D), weights=torch.ones(4))


def refused_62():
    torch.heaviside(x, torch.zeros(5))


def refused_63():
    torch.dist(x, torch.zeros(4, 5))


def refused_64():
    F.gumbel_softmax(x) + torch.zeros(4, 5)


def refused_65():
    torch.func.vmap(lambda a: a + torch.ones(5))(x)


def refused_66():
    nn.CTCLoss()(
        torch.randn(5, 1, 4).log_softmax(2), torch.tensor([[1, 2]], device=D), torch.tensor([5]), torch.tensor([2])
    )


def refused_67():
    F.cross_entropy(m(x), m(x).softmax(1).cpu())


def refused_68():
    torch.maximum(x, torch.zeros(4, 5))


def refused_69():
    torch.quantile(x, torch.tensor([0.5]))


def refused_70():
    torch.repeat_interleave(x, torch.tensor([1, 2, 1, 1]), dim=0)


def refused_71():
    a = copy.deepcopy(nn.Linear(5, 2))
    a(x)


def refused_73():
    nn.init.zeros_(m.weight)
    torch.outer(x[0], torch.ones(3))


def refused_74():
    torch.multinomial(torch.ones(3), 1) + torch.tensor([1], device=D)


def refused_75():
    torch.triplet_margin_loss(x, x, torch.zeros(4, 5))


def refused_76():
    F.layer_norm(x, (5,), torch.ones(5))


def refused_77():
    torch.baddbmm(torch.zeros(1, 4, 2), x[None], torch.ones(1, 5, 2, device=D))


def refused_79():
    torch.hstack([x, torch.zeros(4, 1)])


def refused_80():
    x.new_tensor([1.0, 2]).cpu() + x[0, :2]


for name, function in list(globals().items()):
    if name.startswith("refused_"):
        function()
