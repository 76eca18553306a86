import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode, self.decode = nn.Linear(6, 4), nn.Linear(2, 6)

    def forward(self, x):
        mean, log_variance = self.encode(x).chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decode(z), mean, log_variance

    @torch.no_grad()
    def sample(self, count):
        return self.decode(torch.randn(count, 2, device=self.decode.weight.device)).sigmoid()


model = Vae().to(DEVICE)
optimizer = torch.optim.Adam(model.parameters())
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.rand(20, 6)), batch_size=5, shuffle=True)
for (x,) in data:
    x = x.to(DEVICE)
    y, mean, log_variance = model(x)
    loss = nn.functional.binary_cross_entropy_with_logits(y, x, reduction="sum")
    loss = loss - 0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
distribution = torch.distributions.Normal(mean, log_variance.exp())
print(loss.item(), model.sample(3).cpu().numpy().shape, distribution.rsample().shape)
