"""A training in fields: what is trained, and from which seed. Its name is made from them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training, planned or stored, or the network that came out of it.

    Attributes:
        kind: `"plain"`, `"residual"`, `"zero branches"`, `"from scratch"`, `"ResNeXt"`, …
        depth: layers with weights.
        seed: of the weights, the order of the images and the augmentation.
        change: what else sets it apart from others of its kind, in words; None where nothing does.
            Numbers that it names are in the recipe.
        x: the number that is varied, of images say; None where none is.
        unit: what `x` counts: `"images"`, `"million"` (of multiply-adds) or `"layers"`.
    """

    kind: str
    depth: int
    seed: int
    change: str | None = None
    x: float | None = None
    unit: str | None = None

    @property
    def key(self) -> tuple:
        """What tells it from the other trials of its experiment; keys can be sorted."""
        return self.kind, self.change or "", self.x or 0, self.depth, self.seed

    @property
    def label(self) -> str:
        """`"plain-20"`, `"zero branches"`, `"plain, warm-up, 44 layers"`, `"ResNeXt, 4.0 million"`.

        The seed is no part of it: trials that differ in nothing else share a row or a curve.
        """
        if self.kind in ("plain", "residual") and self.change is None and self.x is None:
            return f"{self.kind}-{self.depth}"
        number = None if self.x is None else f"{self.x} {self.unit}"
        return ", ".join(part for part in (self.kind, self.change, number) if part)
