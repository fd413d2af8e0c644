"""What a trained network can do without: its error after random lesions.

After A. Veit, M. Wilber, S. Belongie, "Residual Networks Behave Like Ensembles of Relatively
Shallow Networks", 2016 (arXiv:1605.06431), §4; but for the recalibration, which is ours.
"""

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from torch import nn
from tqdm import tqdm

from resnet_lessons._arguments import one_of, whole_number
from resnet_lessons.data import Dataset
from resnet_lessons.measure.blocks import distinct
from resnet_lessons.measure.lesions import removed, reordered, same_kind
from resnet_lessons.measure.normalisation import settled
from resnet_lessons.training import evaluate


@dataclass(frozen=True)
class Lesion:
    """What a network did after a lesion.

    Attributes:
        kind: `"removed"` or `"swapped"`.
        count: how many blocks were removed, or how many pairs swapped one after the other.
        blocks: names of the places concerned; those of a pair stand together.
        error: on the test images, in percent.
        loss: mean cross-entropy on them.
    """

    kind: str
    count: int
    blocks: tuple[str, ...]
    error: float
    loss: float


def lesion_errors(
    model: nn.Module,
    data: Dataset,
    names: Iterable[str],
    counts: Iterable[int],
    kind: str = "removed",
    draws: int = 5,
    seed: int = 0,
    recalibration: int = 0,
) -> list[Lesion]:
    """The error on the test images after random lesions, several of each size.

    Two networks whose blocks have the same names suffer the same lesions from the same seed.

    Args:
        model: on the device of the images; stays as it was.
        names: the blocks to choose among.
        counts: how many blocks to remove, or how many times in a row to swap two random blocks of
            one shape; 0 is the network as it is.
        kind: `"removed"` or `"swapped"`.
        draws: random choices of each count. Where there are no more ways than that to remove so
            many blocks, each way is measured once: `counts=[1], draws=len(names)` removes each
            block in turn.
        recalibration: how many training images to measure the batch normalisations' statistics
            with after the lesion, as `settled` does; 0 keeps those of the whole network.

    Raises:
        TypeError, ValueError: an argument is out of its range, or a lesion is not possible: see
            `removed` and `reordered`.
    """
    listed = distinct(names)
    one_of("kind", kind, ("removed", "swapped"))
    whole_number("draws", draws)
    whole_number("seed", seed, minimum=0)
    whole_number("recalibration", recalibration, minimum=0)
    groups = [group for group in same_kind(model, listed) if len(group) > 1]
    chosen = []
    for count in counts:
        draw = random.Random(f"{seed} {kind} {count}")
        _check_count(count, kind, listed, groups)
        if kind == "removed":
            chosen += [(count, blocks) for blocks in _subsets(listed, count, draws, draw)]
        else:
            chosen += [(count, _pairs(groups, count, draw)) for _ in range(draws if count else 1)]
    batch = data.normalize(data.take(train=recalibration or 1).train.images)
    lesions = []
    for count, blocks in tqdm(chosen, desc=f"blocks {kind}", disable=None, leave=False):
        trial = removed(model, blocks) if kind == "removed" else _swap(model, blocks)
        if recalibration:
            trial = settled(trial, batch)
        result = evaluate(trial, data)
        lesions.append(Lesion(kind, count, blocks, result.error, result.loss))
    return lesions


def _check_count(count: object, kind: str, names: list[str], groups: list[list[str]]) -> None:
    whole_number("counts", count, minimum=0)
    if kind == "removed" and count > len(names):
        raise ValueError(
            f"counts holds {count}, but there are only {len(names)} blocks to choose among; "
            f"remove at most {len(names)}."
        )
    if kind == "swapped" and count and not groups:
        raise ValueError(
            f"names is {names!r}, but no two of these blocks have one shape; name some that can "
            "be swapped."
        )


def _subsets(
    names: list[str], count: int, draws: int, draw: random.Random
) -> Iterator[tuple[str, ...]]:
    if math.comb(len(names), count) <= draws:
        yield from combinations(names, count)
    else:
        yield from (tuple(draw.sample(names, count)) for _ in range(draws))


def _pairs(groups: list[list[str]], count: int, draw: random.Random) -> tuple[str, ...]:
    """`count` random pairs of blocks of one shape, every such pair being equally likely."""
    pairs = [pair for group in groups for pair in combinations(group, 2)]
    return tuple(name for _ in range(count) for name in draw.choice(pairs))


def _swap(model: nn.Module, blocks: tuple[str, ...]) -> nn.Module:
    """The copy in which what stands at the first two places is swapped, then at the next two, …"""
    places = list(dict.fromkeys(blocks))
    order = list(range(len(places)))
    for one, other in zip(blocks[::2], blocks[1::2], strict=True):
        i, j = places.index(one), places.index(other)
        order[i], order[j] = order[j], order[i]
    return reordered(model, places, order)
