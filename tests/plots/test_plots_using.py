"""Pictures of transfer, explanations and detection: each shows the numbers it was given."""

import matplotlib

matplotlib.use("Agg")  # no window, whatever the machine has

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from resnet_lessons import plots
from resnet_lessons.lab.results import Run
from resnet_lessons.plots.style import NAMES
from resnet_lessons.training.history import Ending, Epoch, History


def run(kind, x, *errors, seed=0):
    epochs = tuple(Epoch(n, 0.1, 1.0, e / 2, 1.0, e, 1.0) for n, e in enumerate(errors, 1))
    shared = {"data_set": "mini", "origin": {}, "ending": Ending.FINISHED}
    return Run(kind=kind, depth=14, seed=seed, x=x, unit="images", epochs=epochs, **shared)


def history(kind, x, *errors):
    return History("called as one likes", 0, list(run(kind, x, *errors).epochs), kind=kind, x=x)


# Error against the number of images


RUNS = [
    run("fine-tuned", 1280, 50, 10),
    run("fine-tuned", 20, 90, 40),
    run("fine-tuned", 20, 90, 46, seed=1),
    run("from scratch", 20, 90, 60),
    history("from scratch", 1280, 90, 30),
    history("from scratch", 320),
]


@pytest.mark.parametrize(("figure", "times"), [("test_error", 1), ("train_error", 0.5)])
def test_the_last_error_is_drawn_against_the_number_of_images(figure, times):
    (axes,) = plots.error_against_images(RUNS, figure, title="A title").axes
    assert axes.get_xscale() == "log" and axes.get_ylabel() == NAMES[figure]
    assert axes.figure.get_suptitle() == "A title"
    means = {line.get_label(): line for line in axes.lines if line.get_label()[0] != "_"}
    assert list(means) == ["fine-tuned", "from scratch"]
    assert list(means["fine-tuned"].get_xdata()) == [20, 1280]
    assert list(means["fine-tuned"].get_ydata()) == [43 * times, 10 * times]
    assert list(means["from scratch"].get_ydata()) == [60 * times, 30 * times]
    dots = {
        (x, y)
        for line in axes.lines
        if line.get_label()[0] == "_"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    assert dots == {
        (n, e * times) for n, e in ((20, 40), (20, 46), (1280, 10), (20, 60), (1280, 30))
    }
    heights = [y for x, y in axes.collections[0].get_paths()[0].vertices if x == 20]
    assert (min(heights), max(heights)) == (40 * times, 46 * times)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["20", "1,280"]
    assert axes.get_ylim()[0] == 0
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(means)
    looks = [(line.get_linestyle(), line.get_marker()) for line in means.values()]
    assert len(set(looks)) == 2, "told apart by colour alone"


def test_a_figure_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="figure is 'test_eror', but"):
        plots.error_against_images(RUNS, "test_eror")


# Heat maps


def test_a_map_veils_its_image_in_proportion():
    images = torch.randint(256, (2, 1, 6, 8), dtype=torch.uint8)
    maps = torch.tensor([[[0.0, 1.0], [2.0, -4.0]], [[0.0, 0.0], [0.0, 0.0]]]).requires_grad_()
    panels = [a for a in plots.heatmaps(images, maps, ("one", "two"), columns=1).axes if a.images]
    assert [axes.get_title() for axes in panels] == ["one", "two"]
    for axes, image in zip(panels, images, strict=True):
        picture, veil = axes.images
        assert np.array_equal(picture.get_array(), image[0]) and picture.get_clim() == (0, 255)
        assert list(veil.get_extent()) == list(picture.get_extent()) == [-0.5, 7.5, 5.5, -0.5]
        assert veil.get_zorder() >= picture.get_zorder()
    shown = panels[0].images[1].get_array()
    assert shown[..., 3].tolist() == pytest.approx(np.array([[0, 0.4], [0.8, 0]]))
    assert shown[0, 1, :3].tolist() == pytest.approx(to_rgb("#D55E00"))
    assert not panels[1].images[1].get_array()[..., 3].any(), "a map of zeros veils nothing"


def test_a_colour_image_keeps_its_colours():
    images = torch.randint(256, (1, 3, 4, 4), dtype=torch.uint8)
    (axes,) = (a for a in plots.heatmaps(images, torch.rand(1, 2, 2)).axes if a.images)
    assert np.array_equal(axes.images[0].get_array(), images[0].permute(1, 2, 0))


# Boxes

NAMES_OF_CLASSES = ("ground", "disc", "rectangle")
FOUND = {
    "boxes": torch.tensor([[1.0, 2.0, 5.0, 8.0], [0.0, 0.0, 3.0, 3.0], [4.0, 4.0, 6.0, 9.0]]),
    "labels": torch.tensor([1, 2, 2]),
    "scores": torch.tensor([0.9, 0.5, 0.49], requires_grad=True),
}
NOTHING = {key: value[:0] for key, value in FOUND.items()}
TRUTH = {"boxes": torch.tensor([[1.0, 1.0, 5.0, 7.0]])}


def test_found_boxes_are_drawn_with_name_and_score_and_true_ones_dashed():
    images = [torch.rand(3, 10, 12), torch.rand(3, 8, 8)]
    figure = plots.boxes(images, [FOUND, NOTHING], NAMES_OF_CLASSES, [TRUTH, TRUTH])
    first, second = (axes for axes in figure.axes if axes.images)
    assert np.allclose(first.images[0].get_array(), images[0].permute(1, 2, 0))
    true, *found = first.patches
    assert (true.get_linestyle(), [box.get_linestyle() for box in found]) == ("--", ["-", "-"])
    # A pixel's left edge, 0 for the leftmost, lies at -0.5 on the axes of a picture.
    assert true.get_bbox().extents.tolist() == [0.5, 0.5, 4.5, 6.5]
    assert found[0].get_bbox().extents.tolist() == [0.5, 1.5, 4.5, 7.5]
    assert [text.get_text() for text in first.texts] == ["disc 0.90", "rectangle 0.50"]
    assert len(second.patches) == 1 and not second.texts


def test_boxes_without_the_truth_and_with_another_threshold():
    grey = torch.rand(1, 9, 9)
    figure = plots.boxes([grey], [FOUND], NAMES_OF_CLASSES, threshold=0.1)
    (axes,) = (axes for axes in figure.axes if axes.images)
    assert len(axes.patches) == len(axes.texts) == 3
    assert np.allclose(axes.images[0].get_array(), grey[0])
