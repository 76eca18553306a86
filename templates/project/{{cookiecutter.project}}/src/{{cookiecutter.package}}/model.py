"""The network: two convolutions look for edges and corners, one linear layer decides."""

from torch import nn

from {{ cookiecutter.package }}.data import NAMES, SIZE


class ShapeNet(nn.Module):
    """From a batch of pictures to one score for each shape. The highest score wins."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        side = SIZE // 4  # each MaxPool2d(2) halves the picture
        self.decide = nn.Linear(16 * side * side, len(NAMES))

    def forward(self, pictures):
        return self.decide(self.features(pictures).flatten(start_dim=1))
