"""Batch normalisation taken out of a network, or given statistics before any training."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def without_batch_norm(model: nn.Module) -> nn.Module:
    """A copy of `model` with nothing in the place of each batch normalisation.

    The weights stay as they are. Where they were drawn as He et al. draw them (`blocks.he_init`)
    and nothing is trained yet, that is the network of He et al. 2015 "Delving Deep into
    Rectifiers" (arXiv:1502.01852), whose weights alone are to keep the signal at its size.
    """
    trial = copy.deepcopy(model)
    if isinstance(trial, _BatchNorm):
        return nn.Identity()
    for module in list(trial.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                setattr(module, name, nn.Identity())
    return trial


def settled(model: nn.Module, images: Tensor) -> nn.Module:
    """A copy of `model` whose batch normalisations have the statistics of `images`.

    A fresh network's running statistics are mean 0 and variance 1, whatever the data, so in
    evaluation mode it is as if it had no batch normalisation. After this, evaluation mode treats
    each image alone, and as training on a batch such as `images` would. The copy is in evaluation
    mode, on the device where the model is.

    Args:
        model: any network; what it learned stays as it is.
        images: float, N×C×H×W, scaled as in training; taken as one batch.
    """
    trial = copy.deepcopy(model)
    norms = [module for module in trial.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0  # the batch's statistics, and nothing of those before
    device = next((tensor.device for tensor in trial.parameters()), images.device)
    trial.eval()
    for norm in norms:
        norm.train()  # these alone, so that dropout stays at rest
    with torch.no_grad():
        trial(images.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return trial.eval()
