"""How an exercise is written.

An exercise names a solution, cases, and the mistakes that are known. What a case expects comes from
the solution, and what a mistake gives comes from a variant of the solution, so no result is written
down. A small one, whole:

    def kind(in_channels, out_channels, stride):
        same = stride == 1 and in_channels == out_channels
        return "identity" if same else "projection"

    shortcut_kind = Exercise(
        name="shortcut_kind", number="3.1", title="Which shortcut does it need?",
        difficulty=1, minutes=5, points=2, why="…",
        solution=kind,
        cases=[
            Case(
                "a block that changes the channels",
                [(64, 128, 1), (128, 64, 1)],
                idea="The addition goes channel by channel, so their numbers must agree.",
                hint="Compare `in_channels` with `out_channels`.",
                mistakes={
                    "It looks at the stride only.": (
                        lambda i, o, s: "identity" if s == 1 else "projection"
                    ),
                },
            ),
            …
        ],
    )

**The solution** is written as a learner would write it, in the lesson's file, out of torch's parts,
or of those of the course that the sheet allows. It is a right answer of the bank.

**A case** becomes a probe. The answer and the solution are called with each of its arguments, and
what they give is compared. Arguments are tuples, or `call(x, stride=2)`; where tensors or random
numbers are among them, write a function that draws them: `given=lambda: [call(torch.randn(3))]`.
Nothing may be drawn later: answer, solution and mistakes must be given the same. Cases go from
coarse to subtle, and at least the last is `hidden`.

- What is looked at, if it is not the result: `see(answer, *args, **kwargs)`. It is used for the
  answer, the solution and the mistakes alike, and knows them by the window `Answer` alone:

      def after(answer, x):
          block = answer.make("BasicBlock", 8, 8)
          answer(block)
          return block.run(x, training=True).output

  Where the tensors that are given must keep their values: `see=keeping("The series")`.
- How it is called: `what`, a text, or a function of the arguments that makes it, here or for all
  cases in the exercise; without one it is the call.
- How it is compared: `compare(seen, right, what, wrong=None)`; without one `expect.close`, `near`
  or `equal`, as the expected value is a tensor, a float or anything else.
- `own_work=True`, in one case of an exercise, where the course or torchvision has such a thing.

**Networks** have cases of their own: `Shapes`, `Parameters`, `Joints` (the shape behind each
layer), `Outputs` (both modes, with the weights of the solution) and `Gradients`. Each is given
pairs: the arguments that make the module, and the shape of its input (or a function that draws such
pairs, with tensors).

    Outputs("what it computes", [((12, 20, 1), (3, 12, 7, 10)), ((12, 20, 2), (3, 12, 7, 10))], …)

**Pictures** have `Lines` and `Axes`, in `picture_forms`.

**A known mistake** is a sentence and a variant of the solution. It stands in the case that meets it
first, which the bank asserts, and every other case names it too where it sees what the variant
gives. A variant is an answer: a function, or a class made from the solution's by `variant` (other
methods), `replaced` (another part) or `edited`. Two of one sentence are a tuple. `{0}` in a
sentence stands for the case's first argument. Each is a wrong answer of the bank by construction;
`tests/answers` keeps by hand what has no sentence.

**What has no form** is a named function of the answer in a `Probe(name, idea, hint, look)` among
the cases. It raises `Wrong` with what it saw. Its known mistakes stand in `Probe(mistakes=…)`.

**The bank**, a file a lesson in `tests/answers`, has right answers that are written differently
(`accepted`), wrong ones without a sentence (`rejected`, `all_rejected`) and frauds. `learner` gives
it the lesson's solution and variants as a learner's own. `python tools/kill_table.py shortcut_kind`
shows what becomes of every answer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from itertools import islice

import torch
from torch import Tensor, nn

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, ModuleView
from resnet_lessons.checks.copying import copy_weights
from resnet_lessons.checks.exercise import Exercise, Mistake, Mistakes, Probe
from resnet_lessons.checks.verdict import Wrong

Sight = tuple[str, object]  # what is looked at, in words, and what is seen


@dataclass(frozen=True)
class Call:
    """Arguments of one call."""

    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)


def call(*args: object, **kwargs: object) -> Call:
    """What an answer is called with."""
    return Call(args, kwargs)


def called(answer: Answer, *args: object, **kwargs: object) -> object:
    """What an answer gives."""
    return answer(*args, **kwargs)


def keeping(what: str) -> Callable[..., object]:
    """See what an answer gives, if it leaves the tensors alone that it is given: `what`."""

    def see(answer: Answer, *args: object, **kwargs: object) -> object:
        if not answer.keeps(*args, **kwargs):
            raise Wrong(f"{what} has other values after the call.")
        return answer(*args, **kwargs)

    return see


def alike(
    seen: object, right: object, what: str, wrong: Mapping[str, object] | None = None
) -> None:
    """Equal, or up to rounding where the expected value is a tensor or a float."""
    compare = expect.equal
    if isinstance(right, Tensor):
        compare = expect.close
    elif isinstance(right, float):
        compare = expect.near
    compare(seen, right, what, wrong=wrong)


@dataclass(frozen=True)
class Case:
    """Calls of an answer, compared with those of the solution; see the top of this file.

    Attributes:
        given: the arguments of each call, or a function that draws them.
        idea, hint, hidden: as of a `Probe`.
        mistakes: known ones that no earlier case meets, by the sentences that name them.
        what: what is seen, in words, or a function of the arguments that says it.
        see: what to look at.
        compare: raises `Wrong` where two values are not alike.
        own_work: whether the answer must not be, or contain, what the course has already;
            `allowed` names what it may.
    """

    name: str
    given: Sequence[Call | tuple] | Callable[[], Sequence[Call | tuple]]
    idea: str
    hint: str
    _: KW_ONLY
    mistakes: Mistakes = field(default_factory=dict)
    hidden: bool = False
    what: str | Callable[..., str] = ""
    see: Callable[..., object] = called
    compare: Callable[..., None] = alike
    own_work: bool = False
    allowed: tuple[str, ...] = ()

    def of(self, exercise: Exercise) -> Probe:
        """The probe that looks at an answer with these calls."""
        look = partial(self.look, exercise)
        return Probe(self.name, self.idea, self.hint, look, self.hidden, self.mistakes)

    def look(self, exercise: Exercise, answer: Answer) -> None:
        """Compare an answer with the solution, call by call.

        Raises:
            Wrong: they differ.
        """
        for given in self.calls():
            prepared = self.prepared(exercise, given)
            expected = self.sights(exercise, Answer(exercise.solution), prepared)
            for place, (what, seen) in enumerate(self.sights(exercise, answer, prepared)):
                _, right = next(expected)
                try:
                    self.compare(seen, right, what)
                except Wrong:
                    named = self.named(exercise, prepared, place, seen)
                    self.compare(seen, right, what, wrong=named)
        if self.own_work:
            self.check_own_work(answer, prepared)

    def calls(self) -> list[Call]:
        """The arguments of each call."""
        given = self.given() if callable(self.given) else self.given
        return [each if isinstance(each, Call) else Call(each) for each in given]

    def prepared(self, exercise: Exercise, given: Call) -> Call:
        """What answer, solution and mistakes are called with."""
        return given

    def sights(self, exercise: Exercise, answer: Answer, given: Call) -> Iterator[Sight]:
        """Look at an answer (the learner's, the solution, a mistake), step by step."""
        yield self.words(exercise, given), self.see(answer, *given.args, **given.kwargs)

    def words(self, exercise: Exercise, given: Call) -> str:
        """What is looked at."""
        what = self.what or exercise.what
        if callable(what):
            return what(*given.args, **given.kwargs)
        args = [repr(value) for value in given.args]
        args += [f"{name}={value!r}" for name, value in given.kwargs.items()]
        return what or f"`{exercise.answer or exercise.name}({', '.join(args)})`"

    def named(self, exercise: Exercise, given: Call, place: int, seen: object) -> dict[str, object]:
        """The first known mistake that gives what was seen: its sentence, and what it gives."""
        own_first = sorted(exercise.mistakes, key=lambda known: known[0] != self.name)
        for _, mistake in own_first:
            sights = self.sights(exercise, Answer(mistake.variant), given)
            try:
                what, value = next(islice(sights, place, None))
                self.compare(seen, value, what)
            except Exception:  # it is another mistake, or one that stops here
                continue
            return {self.told(mistake, given): value}
        return {}

    def told(self, mistake: Mistake, given: Call) -> str:
        return mistake.told(*given.args)

    def check_own_work(self, answer: Answer, given: Call) -> None:
        expect.own_work(answer, allowed=self.allowed)


# --- networks ---


def built(answer: Answer, *arguments: object, example: tuple[int, ...]) -> ModuleView:
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


@dataclass(frozen=True, kw_only=True)
class Network(Case):
    """What is common to cases of modules: `given` has pairs of arguments and input."""

    what: str | Callable[..., str] = "the output"

    def prepared(self, exercise: Exercise, given: Call) -> Call:
        arguments, x = given.args
        return call(arguments, x if isinstance(x, Tensor) else torch.randn(*x))

    def made(self, answer: Answer, arguments: Sequence[object], x: Tensor) -> ModuleView:
        """The module, after a run that gives lazy layers their shape."""
        return built(answer, *arguments, example=tuple(x.shape))

    def words(self, exercise: Exercise, given: Call) -> str:
        return self.what(*given.args[0]) if callable(self.what) else self.what

    def told(self, mistake: Mistake, given: Call) -> str:
        return mistake.told(*given.args[0])

    def check_own_work(self, answer: Answer, given: Call) -> None:
        module = self.made(answer, *given.args[:2])
        module.run(given.args[1])
        expect.own_work(answer, module, self.allowed)


def same_shape(seen: object, right: Tensor, what: str, wrong: object = None) -> None:
    """The shapes of two tensors."""
    expect.shape(seen, tuple(right.shape), what)


def same_count(seen: int, right: int, what: str, wrong: Mapping[str, int] | None = None) -> None:
    """Numbers of parameters, and the mistake that gives the wrong one."""
    if seen != right:
        named = " ".join(wrong or ())
        raise Wrong(f"It has {seen:,} parameters; expected are {right:,}. {named}".rstrip())


@dataclass(frozen=True, kw_only=True)
class Shapes(Network):
    """The shape of the output."""

    compare: Callable[..., None] = same_shape

    def sights(self, exercise: Exercise, answer: Answer, given: Call) -> Iterator[Sight]:
        arguments, x = given.args
        yield self.words(exercise, given), self.made(answer, arguments, x).run(x).output


@dataclass(frozen=True, kw_only=True)
class Parameters(Network):
    """How many parameters there are."""

    compare: Callable[..., None] = same_count

    def sights(self, exercise: Exercise, answer: Answer, given: Call) -> Iterator[Sight]:
        module = self.made(answer, *given.args)
        yield "the number of parameters", sum(p.numel() for p in module.parameters().values())


def same_joints(seen: Sequence, right: Sequence, what: str, wrong: object = None) -> None:
    """The shapes behind layers, one after the other; `what` has a place for a layer's number."""
    expect.equal(len(seen), len(right), "the number of layers that run")
    for place, (one, other) in enumerate(zip(seen, right, strict=True), 1):
        if one != other:
            seen, right = expect.times(one), expect.times(other)
            raise Wrong(f"{what.format(place)} gives {seen}; expected is {right}.")


@dataclass(frozen=True, kw_only=True)
class Joints(Network):
    """The shapes behind layers, `kinds` of operation as `trace` names them."""

    kinds: tuple[str, ...] = ("conv2d",)
    what: str | Callable[..., str] = "Convolution {}"
    compare: Callable[..., None] = same_joints

    def sights(self, exercise: Exercise, answer: Answer, given: Call) -> Iterator[Sight]:
        operations = self.made(answer, *given.args).trace(given.args[1])
        shapes = [operation.shape for operation in operations if operation.name in self.kinds]
        yield self.words(exercise, given), shapes


@dataclass(frozen=True)
class Weighed(Network):
    """What is common to cases in which all modules have the weights of one stirred solution."""

    def prepared(self, exercise: Exercise, given: Call) -> Call:
        arguments, x = super().prepared(exercise, given).args
        return call(arguments, x, ModuleView(expect.stir(exercise.solution(*arguments))))

    def weighed(self, answer: Answer, given: Call) -> ModuleView:
        """The module, with the weights of the solution."""
        arguments, x, reference = given.args[:3]
        module = self.made(answer, arguments, x)
        copy_weights(module, reference, x)
        return module


@dataclass(frozen=True)
class Outputs(Weighed):
    """The outputs in both modes; the input is left alone."""

    def sights(self, exercise: Exercise, answer: Answer, given: Call) -> Iterator[Sight]:
        module, what = self.weighed(answer, given), self.words(exercise, given)
        for training in (False, True):
            run = module.run(given.args[1], training)
            yield f"{what} in {'train' if training else 'eval'} mode", run.output
            expect.unchanged(run)


@dataclass(frozen=True)
class Gradients(Weighed):
    """The gradient of the input; and every parameter gets one."""

    def prepared(self, exercise: Exercise, given: Call) -> Call:
        arguments, x, reference = super().prepared(exercise, given).args
        return call(arguments, x, reference, torch.randn_like(reference.run(x).output))

    def sights(self, exercise: Exercise, answer: Answer, given: Call) -> Iterator[Sight]:
        _, x, _, gradient = given.args
        run = self.weighed(answer, given).run(x, True, gradient)
        yield "the gradient of the input", run.input_gradient
        missing = [name for name, value in run.gradients.items() if value is None]
        if missing:
            raise Wrong(f"The parameter `{missing[0]}` gets no gradient.")


def variant(kind: type[nn.Module], **methods: Callable) -> type[nn.Module]:
    """The class `kind` with other methods."""
    return type(kind.__name__, (kind,), {**methods, "__module__": kind.__module__})


def edited(kind: type[nn.Module], edit: Callable[[nn.Module], object]) -> type[nn.Module]:
    """The class `kind`, each of whose instances `edit` changes when it has been made."""

    def __init__(self: nn.Module, *args: object, **kwargs: object) -> None:
        kind.__init__(self, *args, **kwargs)
        edit(self)

    return variant(kind, __init__=__init__)


def replaced(
    kind: type[nn.Module], path: str, part: Callable[[nn.Module], nn.Module]
) -> type[nn.Module]:
    """The class `kind`, with what `part` makes of the module at `path` in its place."""

    def replace(net: nn.Module) -> None:
        parent, _, name = path.rpartition(".")
        setattr(net.get_submodule(parent), name, part(net.get_submodule(path)))

    return edited(kind, replace)


def nothing(layer: nn.Module) -> nn.Identity:
    """What `replaced` puts where a layer is to be missing."""
    return nn.Identity()


def biased(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer, with a bias."""
    layer.bias = nn.Parameter(torch.zeros(layer.out_channels))
    return layer
