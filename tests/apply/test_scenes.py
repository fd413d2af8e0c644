"""Drawn pictures: the boxes are those of what is drawn, and the same seed draws the same."""

from itertools import combinations

import pytest
import torch

from resnet_lessons.apply.scenes import CLASS_NAMES, draw_scenes


@pytest.fixture(scope="module")
def scenes():
    return draw_scenes(150, size=48, objects=4, seed=3)


def test_a_scene_is_what_torchvisions_detectors_take(scenes):
    for scene in scenes:
        count = len(scene.labels)
        assert scene.image.shape == (3, 48, 48) and scene.image.dtype == torch.float32
        assert scene.boxes.shape == (count, 4) and scene.boxes.dtype == torch.float32
        assert scene.labels.dtype == scene.mask.dtype == torch.int64
        assert scene.image.min() >= 0 and scene.image.max() <= 1
        assert 1 <= count <= 4
        assert set(scene.labels.tolist()) <= {1, 2}
        assert scene.target.keys() == {"boxes", "labels"}
        assert scene.target["boxes"] is scene.boxes and scene.target["labels"] is scene.labels
    assert {len(scene.labels) for scene in scenes} == {1, 2, 3, 4}
    assert len(CLASS_NAMES) == 3


def test_each_box_is_the_tightest_around_its_pixels(scenes):
    for scene in scenes:
        rest = scene.mask.clone()
        for box, label in zip(scene.boxes, scene.labels, strict=True):
            left, top, right, bottom = box.long().tolist()
            inside = scene.mask[top:bottom, left:right] == label
            assert inside.any(0)[[0, -1]].all() and inside.any(1)[[0, -1]].all()
            assert 48 // 6 <= right - left <= 48 // 3 and 48 // 6 <= bottom - top <= 48 // 3
            rest[top:bottom, left:right] = 0
        assert not rest.any(), "something is drawn outside of all boxes"


def test_discs_are_round_and_rectangles_are_full(scenes):
    shares = {1: [], 2: []}
    for scene in scenes:
        for box, label in zip(scene.boxes.long().tolist(), scene.labels.tolist(), strict=True):
            left, top, right, bottom = box
            inside = scene.mask[top:bottom, left:right] == label
            shares[label].append(inside.float().mean().item())
            if label == 1:
                assert right - left == bottom - top and torch.equal(inside, inside.T)
    assert min(shares[2]) == 1
    assert sum(shares[1]) / len(shares[1]) == pytest.approx(torch.pi / 4, abs=0.03)


def test_objects_do_not_touch(scenes):
    for scene in scenes:
        for first, second in combinations(scene.boxes, 2):
            apart = torch.maximum(first[:2] - second[2:], second[:2] - first[2:]).max()
            assert apart >= 1


def test_an_object_differs_from_the_ground_more_than_the_noise(scenes):
    for scene in scenes:
        ground = scene.image[:, scene.mask == 0].median(dim=1).values
        for box, label in zip(scene.boxes.long().tolist(), scene.labels.tolist(), strict=True):
            left, top, right, bottom = box
            inside = scene.mask[top:bottom, left:right] == label
            colour = scene.image[:, top:bottom, left:right][:, inside].median(dim=1).values
            assert (colour - ground).abs().max() > 0.25
    noise = torch.stack([s.image[:, s.mask == 0].std(dim=1) for s in scenes])
    assert 0.02 < noise.median() < 0.06


def test_the_seed_decides_and_nothing_else():
    state = torch.get_rng_state()
    first, again, other = (draw_scenes(3, 40, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    for one, same in zip(first, again, strict=True):
        assert torch.equal(one.image, same.image) and torch.equal(one.boxes, same.boxes)
    assert not torch.equal(first[0].image, other[0].image)
    assert not torch.equal(first[0].image, first[1].image)
    longer = draw_scenes(5, 40, seed=5)
    assert torch.equal(longer[2].image, first[2].image)


@pytest.mark.parametrize(
    "change", [{"count": 0}, {"size": 31}, {"objects": 0}, {"seed": -1}, {"size": 64.0}]
)
def test_wrong_arguments_are_named(change):
    ((name, value),) = change.items()
    with pytest.raises((TypeError, ValueError), match=f"^{name} is {value}, but"):
        draw_scenes(**{"count": 1, **change})
