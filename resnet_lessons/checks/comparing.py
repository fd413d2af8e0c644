"""Whether a learner's module and a reference compute the same, weight for weight."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Module
from resnet_lessons.checks.copying import copy_weights
from resnet_lessons.checks.verdict import Wrong


def built(answer: Answer, *arguments: object, example: tuple[int, ...]) -> Module:
    """The module that the answer makes of `arguments`, after a run that gives lazy layers a shape.

    Args:
        example: shape of the input of that run.

    Raises:
        Wrong: it gives no module, or one with parameters that appear only in that run.
    """
    module = expect.as_module(answer(*arguments))
    late = module.prepare(*example)
    if late:
        raise Wrong(
            f"The parameter `{late[0]}` appears only when the module runs, so an optimizer made "
            "before would not know it."
        )
    return module


def same_outputs(
    module: Module, reference: nn.Module, x: Tensor, wrong: Mapping[str, Tensor] | None = None
) -> None:
    """With the weights of `reference`, the module gives its outputs in both modes.

    Args:
        wrong: outputs in evaluation mode that known mistakes give, see `expect.close`; computed by
            the caller after the reference has been stirred.
    """
    copy_weights(module, Module(reference), x)
    for training in (False, True):
        with torch.no_grad():
            right = reference.train(training)(x)
        run = module.run(x, training)
        mode = "train" if training else "eval"
        expect.close(run.output, right, f"the output in {mode} mode", {} if training else wrong)
        expect.unchanged(run)


def same_gradients(module: Module, reference: nn.Module, x: Tensor) -> None:
    """With the weights of `reference`, the input gets its gradient, and every weight gets one."""
    copy_weights(module, Module(reference), x)
    gradient = torch.randn_like(Module(reference).run(x).output)
    right = Module(reference).run(x, True, gradient)
    run = module.run(x, True, gradient)
    expect.close(run.input_gradient, right.input_gradient, "the gradient of the input")
    missing = [name for name, value in run.gradients.items() if value is None]
    if missing:
        raise Wrong(f"The parameter `{missing[0]}` gets no gradient.")
