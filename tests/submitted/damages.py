"""Notebooks of honest people, after some accident."""

import re

from submitted import (
    ALL,
    BLOCK,
    KIND,
    NONE,
    PADDING,
    PROJECTION,
    SETUP,
    SOLVED,
    K,
    P,
    damaged,
    right,
)

UNTOUCHED = [re.sub(r"### BEGIN.*?### END SOLUTION", "...", c, flags=re.S) for c in SOLVED]
STUB = re.sub(r"### BEGIN.*?### END SOLUTION", "...", KIND, flags=re.S)


@right("the solution", ALL)
def _():
    return SOLVED


@right("untouched", NONE)
def _():
    said = "Called, it gives nothing"
    return UNTOUCHED, {"shortcut_kind": said, "residual_block": said}


@right("under another name in the check line", K)
def _():
    return [STUB, KIND.replace("shortcut_kind", "mine"), "checks.shortcut_kind(mine)"]


# --- cells ---


@damaged("cells deleted: set-up and checks", {**K, **P, "projection_shortcut": 5})
def _():
    return [KIND, PADDING, PROJECTION], {"residual_block": "There is no `ResidualBlock`"}


@damaged("cells in reverse order", {**K, **P})
def _():
    return [SETUP, KIND, PADDING][::-1]


@damaged("a class above what it is made of", K)
def _():
    below = "from dataclasses import dataclass as remembered\nLIMIT = later"
    above = "@remembered\nclass Memory:\n    x: int = 1\nassert LIMIT"
    return [above, below, "later = 1", KIND]


@damaged("an answer deleted", P)
def _():
    return [SETUP, PADDING], {"shortcut_kind": "There is no `shortcut_kind`"}


@damaged("cells duplicated, the stub last", K)
def _():
    return [SETUP, KIND, STUB, STUB]


@damaged("cells duplicated, a wrong attempt before the right one", K)
def _():
    return [KIND.replace('"identity"', '"other"'), KIND, KIND]


@damaged("a cell split inside a function", P)
def _():
    head, tail = KIND[: KIND.index("    return")], KIND[KIND.index("    return") :]
    return [head.replace('        return "identity"\n', ""), tail, PADDING], {
        "": "IndentationError"
    }


@damaged("all cells merged into one, and one of them broken", {**K, **P})
def _():
    return ["\n".join([SETUP, KIND, "x = = 3", PADDING])], {"": "SyntaxError"}


@damaged("an error before the answer in its cell", K)
def _():
    return ["drive.mount('/content')\n" + KIND], {"": "NameError: name 'drive'"}


# --- code that is none ---


@damaged("magics, and a shell", K)
def _():
    cell = "%matplotlib inline\n!rm -rf /\n%pip install torch\nfiles = !ls\ntorch.nn?\n"
    return ["%%bash\nrm -rf ~", cell + KIND, "%%time\n" + PADDING.replace("0, 0, 0, 0, 0,", "0,")]


@damaged("an old Python", K)
def _():
    return [f'{KIND}\nprint "shape", 3', "exec 'x = 3'"], {"": "SyntaxError: Missing parentheses"}


@damaged("characters that do not belong there", K)
def _():
    return [KIND.replace("\n", "\r\n") + "\x00", "“quoted” = ‘wrongly’", "a\u200b = 1"]


@damaged("deeper than Python reads", K)
def _():
    return ["x = " + "(" * 500 + ")" * 500, "x = " + "-" * 100_000 + "1", KIND]


# --- code that takes too much ---


@damaged("an endless loop in a cell", K, step=1)
def _():
    return [KIND, "while True: pass"], {"": "stopped: not done after 1 seconds"}


@damaged("an endless loop before the answer in its cell", K, step=1)
def _():
    return ["while True: pass\n" + KIND]


@damaged("an endless loop that catches everything", K, step=0.3)
def _():
    loop = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    return [loop, KIND], {"": "not done after"}


@damaged("an endless loop in an answer", P, step=1)
def _():
    loop = "def shortcut_kind(*a):\n    while True: pass"
    return [SETUP, loop, PADDING], {"shortcut_kind": "not done after 1 seconds"}


@damaged("sleeping", K, step=0.5)
def _():
    return ["import time\ntime.sleep(1000)", KIND], {"": "not done after"}


@damaged("many slow cells", NONE, total=3, step=1)
def _():
    slow = "import time\nend = time.time() + 1\nwhile time.time() < end: pass"
    return [slow] * 6 + [KIND], {"shortcut_kind": "The time for the whole notebook"}


@damaged("a list without end", K, linux=True)
def _():
    return ["x = [0]\nwhile True: x = x + x", KIND], {"": "MemoryError"}


@damaged("a tensor that fits nowhere", {**K}, linux=True)
def _():
    return ["x = torch.zeros(10**6, 10**5)", KIND], {"": "RuntimeError"}


@damaged("an answer that takes all memory", P, linux=True)
def _():
    greedy = "def shortcut_kind(*a):\n    return 'identity' * 10**11"
    return [SETUP, greedy, PADDING], {"shortcut_kind": "MemoryError"}


@damaged("an answer of more than fits into a frame", P)
def _():
    return [SETUP, "def shortcut_kind(*a): return 'x' * (5 << 20)", PADDING], {
        "shortcut_kind": "disturbed the grading"
    }


@damaged("recursion without end", P)
def _():
    return [SETUP, "def shortcut_kind(*a): return shortcut_kind(*a)", PADDING], {
        "shortcut_kind": "RecursionError"
    }


@damaged("gigabytes printed", K, step=1)
def _():
    return ["line = 'x' * 10**6\nwhile True: print(line)", KIND], {"": "not done after"}


@damaged("gigabytes into a file", K, linux=True)
def _():
    fill = "with open('big', 'wb') as file:\n    for _ in range(4000): file.write(bytes(1 << 20))"
    return [fill, KIND], {"": "OSError"}


# --- ends ---


@damaged("sys.exit in a cell", K)
def _():
    return ["import sys\nsys.exit()", KIND, "quit()"], {"": "SystemExit"}


@damaged("sys.exit in an answer", P)
def _():
    return [SETUP, "import sys\ndef shortcut_kind(*a): sys.exit(0)", PADDING], {
        "shortcut_kind": "SystemExit"
    }


@damaged("os._exit in a cell", K, look="acts on processes")
def _():
    return ["import os\nos._exit(0)", KIND, "os._exit(0)"], {"": "ended its own process"}


@damaged("os._exit in an answer", P, look="acts on processes")
def _():
    return [SETUP, "import os\ndef shortcut_kind(*a): os._exit(0)", PADDING], {
        "shortcut_kind": "ended its own process"
    }


@damaged("a crash", K)
def _():
    return ["import ctypes\nctypes.string_at(0)", KIND], {"": "ended its own process"}


@damaged("every cell ends the process", NONE)
def _():
    return [KIND, *["import os\nos._exit(0)"] * 9], {"shortcut_kind": "ended every process"}


# --- what only a notebook has ---


@damaged("a question to nobody", K)
def _():
    return ["name = input('Your name? ')", KIND], {"": "EOFError"}


@damaged("widgets, a training, pictures", K)
def _():
    widgets = "import ipywidgets\nfrom ipywidgets import interact, IntSlider\n"
    widgets += "@interact(x=IntSlider(3))\ndef show(x): pass\nbox = ipywidgets.VBox([IntSlider(1)])"
    train = "from resnet_lessons import train\ntrain(None, None)"
    return [widgets, train, "display(3)\nget_ipython().system('ls')", KIND], {
        "": "nothing is trained"
    }


@damaged("an error that cannot say what it is", K)
def _():
    odd = "class Odd(Exception):\n    def __str__(self): raise Odd\nraise Odd"
    return [odd, KIND], {"": "Odd"}


@damaged("torch turned upside down", K)
def _():
    return ["torch.set_grad_enabled(False)\ntorch.set_default_dtype(torch.float64)", KIND]


@damaged("a thread that never ends", K)
def _():
    thread = "import threading, time\nthreading.Thread(target=lambda: time.sleep(1000)).start()"
    return [thread, KIND]


@damaged("the block cut off in the middle", {**K, "residual_block": 0})
def _():
    return [SETUP, KIND, BLOCK[: len(BLOCK) * 2 // 3]]
