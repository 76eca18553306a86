"""Chance that repeats itself: the same seed gives the same numbers."""

import random

import numpy as np
import torch


def set_seed(seed):
    """Start every source of random numbers at the same place: Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # also for the GPUs


def seed_worker(worker_id):
    """Each worker of a DataLoader is a process of its own, and PyTorch has given it a seed.

    NumPy and Python don't know of that seed. Without this, all workers may draw the same numbers.
    """
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)
