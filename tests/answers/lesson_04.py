"""Answers to the exercises of lesson 04."""

import re
from itertools import pairwise

import torch
import torchvision
from torch import nn

import resnet_lessons
from answers import right, wrong
from resnet_lessons import BasicBlock, PlainBlock

# --- mismatches ---


@right("mismatches", "neighbours in pairs")
def _():
    return lambda blocks: [
        n for n, ((_, gives), (takes, _)) in enumerate(pairwise(blocks), 1) if gives != takes
    ]


@right("mismatches", "a walk that remembers, a tuple")
def _():
    def find(blocks):
        found, channels = (), blocks[0][0]
        for position, (takes, gives) in enumerate(blocks):
            if takes != channels:
                found += (position,)
            channels = gives
        return found

    return find


def finding(bad=lambda before, block: before[1] != block[0], shift=0, end=None):
    def find(blocks):
        pairs = enumerate(pairwise(blocks), 1)
        return [n + shift for n, (before, block) in pairs if bad(before, block)][:end]

    return find


FIT, ONE, SEVERAL = "blocks that fit", "one joint that does not fit", "several"


@wrong("mismatches", "blocks that change channels", FIT, "which is allowed")
def _():
    return lambda blocks: [n for n, (takes, gives) in enumerate(blocks) if takes != gives]


@wrong("mismatches", "inputs compared", FIT, "differs from the input")
def _():
    return finding(lambda before, block: before[0] != block[0])


@wrong("mismatches", "True", FIT, "is `True`")
def _():
    inner = finding()
    return lambda blocks: not inner(blocks)


@wrong("mismatches", "the block in front", ONE, "asked for is the one that complains")
def _():
    return finding(shift=-1)


@wrong("mismatches", "counted from 1", ONE, "Python counts from 0")
def _():
    return finding(shift=1)


@wrong("mismatches", "a number, not a list", ONE, "a list is asked for")
def _():
    inner = finding()
    return lambda blocks: (inner(blocks) or [[]])[0]


@wrong("mismatches", "growing channels only", ONE, "is `()`; expected is `(1,)`")
def _():
    return finding(lambda before, block: before[1] < block[0])


@wrong("mismatches", "the first only", SEVERAL, "Only the first is named")
def _():
    return finding(end=1)


@wrong("mismatches", "goes on with what was meant", "other blocks", "expected is")
def _():
    def find(blocks):
        found, channels = [], blocks[0][1]
        for position, (takes, gives) in enumerate(blocks[1:], 1):
            if takes != channels:
                found.append(position)
            else:
                channels = gives
            channels = gives if len(found) < 3 else channels
        return found

    return find


@wrong("mismatches", "two blocks at least", "other blocks", "stops with IndexError")
def _():
    inner = finding()
    return lambda blocks: inner(blocks) if blocks[1] else []


# --- five_block_sizes ---


@right("five_block_sizes", "halves, rounded up")
def _():
    def sizes(size):
        first = (size - 7) // 2 + 1
        pooled = (first + 1) // 2
        result = [first, pooled, pooled]
        for _ in range(3):
            result.append((result[-1] + 1) // 2)
        return (*result, result[-1] // 3)

    return sizes


@right("five_block_sizes", "by running layers on no memory")
def _():
    def sizes(size):
        def conv(stride):
            return nn.Conv2d(1, 1, 3, stride, 1, device="meta")

        layers = [nn.Conv2d(1, 1, 7, 2, device="meta"), nn.MaxPool2d(3, 2, 1), conv(1)]
        layers += [conv(2), conv(2), conv(2), nn.AvgPool2d(3)]
        x, result = torch.empty(1, 1, size, size, device="meta"), []
        for layer in layers:
            x = layer(x)
            result.append(x.shape[-1])
        return result

    return sizes


def sizing(stem=0, pool=1, block=1, after=lambda sizes: sizes, start=None):
    def sizes(size):
        size, result = start or size, []
        steps = [(7, 2, stem), (3, 2, pool), (3, 1, 1), *[(3, 2, block)] * 3, (3, 3, 0)]
        for kernel, stride, padding in steps:
            size = (size + 2 * padding - kernel) // stride + 1
            result.append(size)
        return after(result)

    return sizes


FIRST, OTHERS, ENDS = "96 pixels", "images of other sizes", "the smallest and the largest"


@wrong("five_block_sizes", "padding in the stem", FIRST, "The convolution of the stem has no")
def _():
    return sizing(stem=3)


@wrong("five_block_sizes", "no padding in the pool", FIRST, "The max-pool has a padding of 1")
def _():
    return sizing(pool=0)


@wrong("five_block_sizes", "no padding in the blocks", FIRST, "blocks 3 to 5 have a padding of 1")
def _():
    return sizing(block=0)


@wrong("five_block_sizes", "block 2 left out", FIRST, "Block 2 is missing")
def _():
    return sizing(after=lambda sizes: sizes[:2] + sizes[3:])


@wrong("five_block_sizes", "last pool left out", FIRST, "The last pool is missing")
def _():
    return sizing(after=lambda sizes: sizes[:-1])


@wrong("five_block_sizes", "the last size only", FIRST, "all seven are asked for")
def _():
    return sizing(after=lambda sizes: sizes[-1])


@wrong("five_block_sizes", "the image too", FIRST, "does not belong to the seven")
def _():
    return lambda size: [size, *sizing()(size)]


@wrong("five_block_sizes", "rounded down", FIRST, "halves and rounds *up*")
def _():
    def sizes(size):
        first = (size - 7) // 2 + 1
        result = [first, first // 2, first // 2]
        for _ in range(3):
            result.append(result[-1] // 2)
        return [*result, result[-1] // 3]

    return sizes


@wrong("five_block_sizes", "96 by heart", OTHERS, "`five_block_sizes(128)` is")
def _():
    return sizing(start=96)


@wrong("five_block_sizes", "always one pixel left", ENDS, "expected is")
def _():
    return sizing(after=lambda sizes: [*sizes[:-1], 1])


@wrong("five_block_sizes", "refuses odd sizes", OTHERS, "stops with AssertionError")
def _():
    def sizes(size):
        assert size % 2 == 0
        return sizing()(size)

    return sizes


# --- make_stages ---


@right("make_stages", "a class with an in_channels of its own")
def _():
    class Stages(nn.Module):
        def __init__(self, in_channels, widths, blocks):
            super().__init__()
            self.in_channels = in_channels
            self.parts = nn.ModuleList()
            for width, number in zip(widths, blocks, strict=True):
                self.make_layer(width, number, 2 if len(self.parts) else 1)

        def make_layer(self, width, number, stride):
            layers = []
            for step in [stride] + [1] * (number - 1):
                layers.append(BasicBlock(self.in_channels, width, step))
                self.in_channels = width
            self.parts.append(nn.Sequential(*layers))

        def forward(self, x):
            for part in self.parts:
                x = part(x)
            return x

    return Stages


class OwnBlock(nn.Module):
    """A residual block that is not the course's."""

    def __init__(self, i, o, stride=1, project=False):
        super().__init__()
        self.a = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.b = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(o), nn.BatchNorm2d(o)])
        self.around = nn.Identity()
        if project or stride != 1 or i != o:
            self.around = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.norms[1](self.b(torch.relu(self.norms[0](self.a(x)))))
        return torch.relu(y + self.around(x))


@right("make_stages", "a flat row of blocks of its own")
def _():
    def make(in_channels, widths, blocks):
        channels = [w for w, n in zip(widths, blocks, strict=True) for _ in range(n)]
        starts = {sum(blocks[:n]) for n in range(1, len(blocks))}
        return nn.Sequential(
            *(
                OwnBlock(i, o, 2 if n in starts else 1)
                for n, (i, o) in enumerate(zip([in_channels, *channels], channels, strict=False))
            )
        )

    return make


def staging(
    block=BasicBlock,
    stride=lambda stage, place: 2 if stage and not place else 1,
    number=lambda n: n,
    width=lambda w, stage, first: w,
    between=(),
    wrap=lambda stages: nn.Sequential(*stages),
):
    def make(in_channels, widths, blocks):
        stages, channels = [], in_channels
        for stage, (w, n) in enumerate(zip(widths, blocks, strict=True)):
            w = width(w, stage, widths[0])
            for place in range(number(n)):
                stages.append(block(channels, w, stride(stage, place)))
                channels = w
            stages += between
        return wrap(stages)

    return make


OUT, JOINTS = "the shape that comes out", "the shape at every joint"


@wrong("make_stages", "in_channels never set anew", OUT, "stops with ValueError")
def _():
    def make(in_channels, widths, blocks):
        return nn.Sequential(
            *(
                nn.Sequential(
                    BasicBlock(in_channels, w, 2 if n else 1),
                    *(BasicBlock(w, w) for _ in range(blocks[n] - 1)),
                )
                for n, w in enumerate(widths)
            )
        )

    return make


@wrong("make_stages", "in_channels read before it is set", OUT, "stops with AttributeError")
def _():
    class Stages(nn.Module):
        def __init__(self, in_channels, widths, blocks):
            super().__init__()
            self.layer = nn.Sequential(BasicBlock(self.inplanes, widths[0]))

    return Stages


@wrong("make_stages", "all blocks get what the first gets", OUT, "stops with ValueError")
def _():
    def make(in_channels, widths, blocks):
        layers, channels = [], in_channels
        for n, w in enumerate(widths):
            layers += [BasicBlock(channels, w, 2 if n and not k else 1) for k in range(blocks[n])]
            channels = w
        return nn.Sequential(*layers)

    return make


@wrong("make_stages", "never smaller", OUT, "2×14×16×16; expected is 2×14×4×4")
def _():
    return staging(stride=lambda stage, place: 1)


@wrong("make_stages", "the first stage halves too", OUT, "2×14×2×2; expected is 2×14×4×4")
def _():
    return staging(stride=lambda stage, place: 1 if place else 2)


@wrong("make_stages", "every block halves", OUT, "2×14×1×1; expected is 2×14×4×4")
def _():
    return staging(stride=lambda stage, place: 2 if stage else 1)


@wrong("make_stages", "a list of blocks", OUT, "an `nn.Module` is asked for")
def _():
    return staging(wrap=list)


@wrong("make_stages", "another block of the course's", OUT, "LessonNineBlock")
def _():
    from resnet_lessons.networks.lesson_nine import LessonNineBlock

    return staging(block=lambda i, o, s: LessonNineBlock(i, o, s, i != o or s != 1))


@wrong("make_stages", "plain blocks", OUT, "PlainBlock")
def _():
    return staging(block=PlainBlock)


@wrong("make_stages", "last block of a stage halves", JOINTS, "Convolution 3 (those of 1×1")
def _():
    return staging(stride=lambda stage, place: 2 if stage < 2 and place == 1 else 1)


@wrong("make_stages", "a block too many", JOINTS, "is `20`; expected is `14`")
def _():
    return staging(number=lambda n: n + 1)


@wrong("make_stages", "two blocks by heart", JOINTS, "is `12`; expected is `14`")
def _():
    return staging(number=lambda n: 2)


@wrong("make_stages", "one block several times", "its parameters", "One and the same block")
def _():
    def make(in_channels, widths, blocks):
        layers, channels = [], in_channels
        for n, w in enumerate(widths):
            layers += [BasicBlock(channels, w, 2 if n else 1)] + [BasicBlock(w, w)] * (
                blocks[n] - 1
            )
            channels = w
        return nn.Sequential(*layers)

    return make


@wrong("make_stages", "a projection where none is due", "its parameters", "no projection")
def _():
    count = iter(range(10**6))

    def block(i, o, stride):
        return OwnBlock(i, o, stride, project=(i, o, stride) == (6, 6, 1) and not next(count) % 2)

    return staging(block=block)


@wrong("make_stages", "blocks in a Python list", JOINTS, "in a plain Python list")
def _():
    class Stages(nn.Module):
        def __init__(self, *arguments):
            super().__init__()
            self.blocks = staging(wrap=list)(*arguments)

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return x

    return Stages


@wrong("make_stages", "something in between", "what they compute", "differs from the expected")
def _():
    return staging(between=[nn.Dropout(0.5), nn.Hardtanh(0, 0.5)])


@wrong("make_stages", "no last ReLU in the block", "what they compute", "differs from the expected")
def _():
    class Block(OwnBlock):
        def forward(self, x):
            y = self.norms[1](self.b(torch.relu(self.norms[0](self.a(x)))))
            return y + self.around(x)

    return staging(block=Block)


@wrong("make_stages", "widths by heart", "other numbers", "should have (4, 9, 3, 3)")
def _():
    return staging(width=lambda w, stage, first: first + 4 * stage)


@wrong("make_stages", "the first stage keeps channels", "other numbers", "stops with")
def _():
    def make(in_channels, widths, blocks):
        return staging()(widths[0], widths, blocks)

    return make


# --- translate ---


@right("translate", "regular expressions")
def _():
    rules = [
        (r"^conv1", "stem.0"),
        (r"^bn1", "stem.1"),
        (r"^fc", "head"),
        (r"\.conv1", ".branch.0"),
        (r"\.bn1", ".branch.1"),
        (r"\.conv2", ".branch.3"),
        (r"\.bn2", ".branch.4"),
        (r"downsample", "shortcut"),
        (r"^layer(\d)", lambda found: f"stages.{int(found[1]) - 1}"),
    ]

    def translate(state):
        result = {}
        for name, value in state.items():
            for pattern, new in rules:
                name = re.sub(pattern, new, name)
            result[name] = value
        return result

    return translate


@right("translate", "changed in place, popped one by one")
def _():
    def translate(state):
        for name in list(state):
            value = state.pop(name)
            head, _, tail = name.partition(".")
            if head.startswith("layer"):
                block, part, tail = tail.split(".", 2)
                new = {"conv1": "branch.0", "bn1": "branch.1", "downsample": "shortcut"}
                new |= {"conv2": "branch.3", "bn2": "branch.4"}
                head = f"stages.{'1234'.index(head[-1])}.{block}.{new[part]}"
            else:
                head = {"conv1": "stem.0", "bn1": "stem.1", "fc": "head"}[head]
            state[f"{head}.{tail}"] = value
        return state

    return translate


def translating(
    outside=(("conv1", "stem.0"), ("bn1", "stem.1"), ("fc", "head")),
    inside=(
        ("conv1", "branch.0"),
        ("bn1", "branch.1"),
        ("conv2", "branch.3"),
        ("bn2", "branch.4"),
        ("downsample", "shortcut"),
    ),
    stage=lambda number: number - 1,
    keep=lambda name: True,
    value=lambda tensor: tensor,
):
    def translate(state):
        result = {}
        for name, tensor in state.items():
            if not keep(name):
                continue
            first, *rest = name.split(".")
            if first.startswith("layer"):
                block, part, *rest = rest
                part = dict(inside).get(part, part)
                first = f"stages.{stage(int(first[-1]))}.{block}.{part}"
            else:
                first = dict(outside).get(first, first)
            result[".".join([first, *rest])] = value(tensor)
        return result

    return translate


ENDS_OF_IT, BRANCHES, SHORTCUTS = "stem and head", "the branches", "the shortcuts"


@wrong("translate", "nothing renamed", ENDS_OF_IT, "stands under `conv1.weight`")
def _():
    return lambda state: state


@wrong("translate", "stem without numbers", ENDS_OF_IT, "expected is `stem.0.weight`")
def _():
    return translating(outside=(("conv1", "stem.conv"), ("bn1", "stem.bn"), ("fc", "head")))


@wrong("translate", "the head forgotten", ENDS_OF_IT, "stands under `fc.weight`")
def _():
    return translating(outside=(("conv1", "stem.0"), ("bn1", "stem.1")))


@wrong("translate", "stem counted from 1", ENDS_OF_IT, "stands under `stem.1.weight`")
def _():
    return translating(outside=(("conv1", "stem.1"), ("bn1", "stem.2"), ("fc", "head")))


@wrong("translate", "names only", ENDS_OF_IT, "A dictionary is asked for")
def _():
    return lambda state: list(translating()(state))


@wrong("translate", "new tensors", ENDS_OF_IT, "is lost: another tensor stands there")
def _():
    return translating(value=torch.zeros_like)


@wrong("translate", "replace hits the blocks too", BRANCHES, "stem.0")
def _():
    def translate(state):
        result = {}
        for name, tensor in state.items():
            name = name.replace("conv1", "stem.0").replace("bn1", "stem.1").replace("fc", "head")
            name = name.replace("conv2", "branch.3").replace("bn2", "branch.4")
            name = name.replace("downsample", "shortcut")
            for number in "1234":
                name = name.replace(f"layer{number}", f"stages.{int(number) - 1}")
            result[name] = tensor
        return result

    return translate


@wrong("translate", "stages counted from 1", BRANCHES, "stands under `stages.1.0.branch.0.weight`")
def _():
    return translating(stage=lambda number: number)


@wrong("translate", "the ReLU not counted", BRANCHES, "expected is `stages.0.0.branch.3.weight`")
def _():
    parts = ("conv1", "bn1", "conv2", "bn2")
    inside = tuple((part, f"branch.{place}") for place, part in enumerate(parts))
    return translating(inside=(*inside, ("downsample", "shortcut")))


@wrong("translate", "convolutions and normalisations swapped", BRANCHES, "expected is")
def _():
    return translating(
        inside=(
            ("bn1", "branch.0"),
            ("conv1", "branch.1"),
            ("bn2", "branch.3"),
            ("conv2", "branch.4"),
            ("downsample", "shortcut"),
        )
    )


@wrong("translate", "shortcuts forgotten", SHORTCUTS, "is missing")
def _():
    return translating(keep=lambda name: "downsample" not in name)


@wrong("translate", "shortcuts under their old name", SHORTCUTS, ".downsample.0.weight`; expected")
def _():
    return translating(
        inside=(
            ("conv1", "branch.0"),
            ("bn1", "branch.1"),
            ("conv2", "branch.3"),
            ("bn2", "branch.4"),
        )
    )


@wrong("translate", "no statistics", "the statistics", "`bn1.running_mean` is missing")
def _():
    return translating(keep=lambda name: name.endswith(("weight", "bias")))


@wrong("translate", "old names too", "the statistics", "There is a name too many")
def _():
    return lambda state: {**state, **translating()(state)}


@wrong("translate", "two blocks a stage by heart", "a deeper network", "is missing")
def _():
    return translating(keep=lambda name: not re.match(r"layer\d\.[2-9]", name))


# --- resnet18 ---


@right("resnet18", "torchvision's names, its own blocks, lazy head")
def _():
    class ResNet18(nn.Module):
        def __init__(self, num_classes=1000, width=64):
            super().__init__()
            self.fc = nn.LazyLinear(num_classes)
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.inplanes = width
            self.layer1 = self.make_layer(width, 1)
            self.layer2 = self.make_layer(2 * width, 2)
            self.layer3 = self.make_layer(4 * width, 2)
            self.layer4 = self.make_layer(8 * width, 2)

        def make_layer(self, planes, stride):
            first = OwnBlock(self.inplanes, planes, stride)
            self.inplanes = planes
            return nn.Sequential(first, OwnBlock(planes, planes))

        def forward(self, x):
            x = nn.functional.relu(self.bn1(self.conv1(x)), inplace=True)
            x = nn.functional.max_pool2d(x, 3, 2, 1)
            for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
                x = layer(x)
            return self.fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))

    return ResNet18


@right("resnet18", "a function that returns one row of modules")
def _():
    return netting()


def netting(
    stem=lambda w: [
        nn.Conv2d(3, w, 7, 2, 3, bias=False),
        nn.BatchNorm2d(w),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ],
    stages=lambda w: [staging()(w, [w, 2 * w, 4 * w, 8 * w], [2, 2, 2, 2])],
    head=lambda c, n: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, n)],
    end=(),
    fixed=None,
    default=1000,
):
    def net(num_classes=default, width=64):
        width = fixed or width
        return nn.Sequential(*stem(width), *stages(width), *head(8 * width, num_classes), *end)

    return net


def stem(bias=False, norm=True, relu=True, pool=None, kernel=7, stride=2, padding=3, eps=1e-5):
    def make(w):
        layers = [nn.Conv2d(3, w, kernel, stride, padding, bias=bias)]
        layers += [nn.BatchNorm2d(w, eps)] if norm else []
        layers += [nn.ReLU()] if relu else []
        return [*layers, nn.MaxPool2d(3, 2, 1) if pool is None else pool]

    return make


SCORES, COUNT = "scores, by your own network", "11,689,512 parameters"
COMPUTES, SIZES = "what it computes", "images of any size"


@wrong("resnet18", "torchvision's", SCORES, "torchvision")
def _():
    def net(num_classes=1000, width=64):
        inner = torchvision.models.ResNet(
            torchvision.models.resnet.BasicBlock, [2, 2, 2, 2], num_classes
        )
        return inner

    return net


@wrong("resnet18", "the course's", SCORES, "resnet_lessons.networks.resnet.ResNet")
def _():
    return lambda num_classes=1000, width=64: resnet_lessons.resnet18(num_classes)


@wrong("resnet18", "not flattened", SCORES, "stops with RuntimeError")
def _():
    return netting(head=lambda c, n: [nn.AdaptiveAvgPool2d(1), nn.Linear(c, n)])


@wrong("resnet18", "no head", SCORES, "3×64×2×2; expected is 3×10")
def _():
    return netting(head=lambda c, n: [])


@wrong("resnet18", "no max-pool", "the shape at every joint", "2×8×32×32; expected is 2×8×16×16")
def _():
    return netting(stem=stem(pool=nn.Identity()))


@wrong("resnet18", "stem without padding", "the shape at every joint", "2×8×29×29")
def _():
    return netting(stem=stem(padding=0))


@wrong("resnet18", "stem for small images", "the shape at every joint", "2×8×64×64")
def _():
    return netting(stem=stem(kernel=3, stride=1, padding=1, pool=nn.Identity()))


@wrong("resnet18", "first stage halves too", "the shape at every joint", "Convolution 2")
def _():
    halving = staging(stride=lambda stage, place: 1 if place else 2)
    return netting(stages=lambda w: [halving(w, [w, 2 * w, 4 * w, 8 * w], [2] * 4)])


@wrong("resnet18", "stages that never get smaller", "the shape at every joint", "2×16×16×16")
def _():
    flat = staging(stride=lambda stage, place: 2 if stage == 3 and not place else 1)
    return netting(stages=lambda w: [flat(w, [w, 2 * w, 4 * w, 8 * w], [2] * 4)])


@wrong("resnet18", "ResNet-34's stages", "the shape at every joint", "is `33`; expected is `17`")
def _():
    return netting(stages=lambda w: [staging()(w, [w, 2 * w, 4 * w, 8 * w], [3, 4, 6, 3])])


@wrong("resnet18", "bias in the stem", COUNT, "convolution of the stem has a bias")
def _():
    return netting(stem=stem(bias=True))


@wrong("resnet18", "stem not normalised", COUNT, "normalisation of the stem is missing")
def _():
    return netting(stem=stem(norm=False))


@wrong("resnet18", "ten classes by default", COUNT, "the default is 1,000")
def _():
    return netting(default=10)


@wrong("resnet18", "a projection in the first stage", COUNT, "where no shape changes")
def _():
    def stages(w):
        rest = staging(block=OwnBlock)(w, [w, 2 * w, 4 * w, 8 * w], [2, 2, 2, 2])
        rest[0] = OwnBlock(w, w, project=True)
        return [rest]

    return netting(stages=stages)


@wrong("resnet18", "no bias in the head", COUNT, "The linear layer has no bias")
def _():
    return netting(
        head=lambda c, n: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, n, bias=False)]
    )


@wrong("resnet18", "no ReLU in the stem", COMPUTES, "ReLU of the stem is missing")
def _():
    return netting(stem=stem(relu=False))


@wrong("resnet18", "means in the stem", COMPUTES, "pool of the stem takes means")
def _():
    return netting(stem=stem(pool=nn.AvgPool2d(3, 2, 1)))


@wrong("resnet18", "max-pool at the end", COMPUTES, "pool of the head takes the largest")
def _():
    return netting(head=lambda c, n: [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(c, n)])


@wrong("resnet18", "softmax", COMPUTES, "softmax at the end")
def _():
    return netting(end=[nn.Softmax(1)])


@wrong("resnet18", "eps of the article's stem", COMPUTES, "differs from the expected")
def _():
    return netting(stem=stem(eps=1e-3))


@wrong("resnet18", "pool of 2 at the end", SIZES, "stops with RuntimeError")
def _():
    return netting(head=lambda c, n: [nn.AvgPool2d(2), nn.Flatten(), nn.Linear(c, n)])


@wrong("resnet18", "classes by heart", "other numbers", "weights of shape (10, 48)")
def _():
    def net(num_classes=1000, width=64):
        return netting()(num_classes if num_classes == 1000 else 10, width)

    return net


@wrong("resnet18", "width by heart", "the shape at every joint", "2×64×32×32")
def _():
    return netting(fixed=64)
