"""What several test files do to a network before they compare it."""

from torch import nn


def stir(model, shift=0.1):
    """Batch normalisations as training leaves them: no scale is 1 and no shift is 0."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
            for tensor in (module.bias, module.running_mean):
                nn.init.normal_(tensor, std=shift)
    return model
