"""An exercise, and the probes that judge an answer to it, from coarse to subtle."""

import contextlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from resnet_lessons.checks.answers import Answer, Broke
from resnet_lessons.checks.verdict import NotAttempted, Verdict, Wrong


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that is known, and named where it is met.

    Attributes:
        says: the sentence that names it to the learner; `{0}` stands for a case's first argument.
        variant: the solution with the mistake in it, an answer like a learner's.
    """

    says: str
    variant: Callable[..., object]

    def told(self, *args: object) -> str:
        """The sentence, for a case with these arguments."""
        return self.says.format(*args) if "{" in self.says else self.says

    @property
    def words(self) -> str:
        """What of the sentence is the same whatever the arguments are."""
        return max(re.split(r"\{.*?\}", self.says), key=len)


Mistakes = Mapping[str, Callable[..., object] | tuple[Callable[..., object], ...]]


@dataclass(frozen=True)
class Probe:
    """One look at an answer.

    Attributes:
        name: what is looked at, in a few words: "the input is added".
        idea: why it must be so, in a sentence.
        hint: where to look if it is not.
        look: raises `Wrong` with what it saw.
        hidden: whether it is kept for grading.
        mistakes: those that it is the first to meet: to each sentence a variant, or several.
    """

    name: str
    idea: str
    hint: str
    look: Callable[[Answer], None]
    hidden: bool = False
    mistakes: Mistakes = field(default_factory=dict)

    def of(self, exercise: "Exercise") -> "Probe":
        """The probe, for this exercise."""
        return self


class Form(Protocol):
    """What becomes a probe once it knows its exercise; see `resnet_lessons.checks.forms`."""

    def of(self, exercise: "Exercise") -> Probe: ...


@dataclass
class Exercise:
    """A task of a lesson. Calling it with an answer gives a `Verdict`.

    Attributes:
        name: how it is called in `checks`.
        number: lesson and place in it: "3.1".
        title: as the notebook has it.
        difficulty: 1 to 3.
        minutes: a learner needs about that long.
        points: of the exercise as a whole; the share of probes that are passed in a row counts.
        why: what it is for, in a sentence.
        answer: what the sheet's check line judges, a name as a rule; "" if it is `name`.
        solution: a right answer, from which the cases take what they expect.
        cases: become the probes, in their order.
        what: what cases see, in words, where they do not say it; or a function of their arguments.
    """

    name: str
    number: str
    title: str
    difficulty: int
    minutes: int
    points: int
    why: str
    answer: str = ""
    solution: Callable[..., object] | None = None
    cases: Sequence[Form] = ()
    what: str | Callable[..., str] = ""

    def __post_init__(self) -> None:
        self.probes = [case.of(self) for case in self.cases]

    @property
    def mistakes(self) -> list[tuple[str, Mistake]]:
        """The known mistakes, each with the name of the first probe that must meet it."""
        return [
            (probe.name, Mistake(says, variant))
            for probe in self.probes
            for says, variants in probe.mistakes.items()
            for variant in (variants if isinstance(variants, tuple) else (variants,))
        ]

    def __call__(self, answer: object) -> Verdict:
        """Judge a learner's answer by the probes that are not hidden."""
        return self.judge(Answer(answer), [probe for probe in self.probes if not probe.hidden])

    def grade(self, answer: object, seed: int = 0) -> float:
        """Points for an answer, judged by all probes; prints the verdict where it is not right."""
        verdict = self.judge(Answer(answer), self.probes, seed)
        if not verdict.right:
            print(verdict)
        return round(self.points * verdict.share, 2)

    def require(self, answer: object, passed: int, seed: int = 0) -> None:
        """Let the first `passed` of all probes judge an answer, as a test does.

        Raises:
            AssertionError: it does not pass them; the message is the verdict.
        """
        verdict = self.judge(Answer(answer), self.probes[:passed], seed)
        if not verdict.right:
            raise AssertionError(str(verdict))

    def judge(self, answer: Answer, probes: list[Probe], seed: int = 0) -> Verdict:
        """Let `probes` look at the answer, one after the other, until one fails.

        The random numbers of a probe are determined by `seed` and its place; the caller's random
        state stays as it is. What the answer writes to stderr is dropped.
        """
        heading = f"{self.number} {self.title}"
        for place, probe in enumerate(probes):
            told = (heading, "wrong", place, len(probes), probe.name)
            try:
                # A warning on stderr is no verdict, but nbgrader would take it for a failure.
                with torch.random.fork_rng([]), contextlib.redirect_stderr(io.StringIO()):
                    torch.manual_seed(1000 * seed + self.probes.index(probe))
                    probe.look(answer)
            except NotAttempted as error:
                return Verdict(heading, "not attempted", place, len(probes), seen=str(error))
            except Wrong as error:
                return Verdict(*told, seen=str(error), idea=probe.idea, hint=probe.hint)
            except Broke as error:
                return Verdict(*told, seen=str(error), hint=probe.hint)
            except Exception as error:  # an answer so odd that the probe itself stumbled
                seen = f"The answer is of a kind that the check cannot look at ({error!r})."
                return Verdict(*told, seen=seen, hint=probe.hint)
        return Verdict(heading, "right", len(probes), len(probes))
