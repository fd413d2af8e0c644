"""What layers such as dropout draw from while a network trains, apart from the caller's numbers."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor


def own_random_state(device: torch.device) -> AbstractContextManager:
    """Layers may draw random numbers inside; the caller's state stays as it is."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state now: of the CPU, and of `device` where it is a GPU."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(device: torch.device, state: dict[str, Tensor]) -> None:
    """Go on from a state, which may be of another device: then that part of it is left out."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def seed_layers(device: torch.device, seed: int) -> None:
    """Seed what layers draw from on `device`; `torch.manual_seed` would seed every GPU."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
