import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

policy = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).to(DEVICE)
optimizer = torch.optim.Adam(policy.parameters())
for episode in range(2):
    state, logs, rewards = torch.zeros(4), [], []
    while len(rewards) < 5:
        choice = torch.distributions.Categorical(logits=policy(state.to(DEVICE)))
        action = choice.sample()
        logs.append(choice.log_prob(action))
        state = state + (0.1 if action.item() else -0.1)
        rewards.append(1.0)
    returns = torch.tensor(rewards).flip(0).cumsum(0).flip(0).to(DEVICE)
    returns = (returns - returns.mean()) / (returns.std() + 1e-6)
    loss = -(torch.stack(logs) * returns).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
