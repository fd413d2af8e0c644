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


@right(ALL)
def the_solution():
    return SOLVED


@right(NONE)
def untouched():
    said = "Called, it gives nothing"
    return UNTOUCHED, {"shortcut_kind": said, "residual_block": said}


@right(K)
def under_another_name_in_the_check_line():
    return [STUB, KIND.replace("shortcut_kind", "mine"), "checks.shortcut_kind(mine)"]


# --- cells ---


@damaged({**K, **P, "projection_shortcut": 5})
def cells_deleted_set_up_and_checks():
    return [KIND, PADDING, PROJECTION], {"residual_block": "There is no `ResidualBlock`"}


@damaged({**K, **P})
def cells_in_reverse_order():
    return [SETUP, KIND, PADDING][::-1]


@damaged(K)
def a_class_above_what_it_is_made_of():
    below = "from dataclasses import dataclass as remembered\nLIMIT = later"
    above = "@remembered\nclass Memory:\n    x: int = 1\nassert LIMIT"
    return [above, below, "later = 1", KIND]


@damaged(P)
def an_answer_deleted():
    return [SETUP, PADDING], {"shortcut_kind": "There is no `shortcut_kind`"}


@damaged(K)
def cells_duplicated_the_stub_last():
    return [SETUP, KIND, STUB, STUB]


@damaged(K)
def cells_duplicated_a_wrong_attempt_before_the_right_one():
    return [KIND.replace('"identity"', '"other"'), KIND, KIND]


@damaged(P)
def a_cell_split_inside_a_function():
    head, tail = KIND[: KIND.index("    return")], KIND[KIND.index("    return") :]
    return [head.replace('        return "identity"\n', ""), tail, PADDING], {
        "": "IndentationError"
    }


@damaged({**K, **P})
def all_cells_merged_into_one_and_one_of_them_broken():
    return ["\n".join([SETUP, KIND, "x = = 3", PADDING])], {"": "SyntaxError"}


@damaged(K)
def an_error_before_the_answer_in_its_cell():
    return ["drive.mount('/content')\n" + KIND], {"": "NameError: name 'drive'"}


# --- code that is none ---


@damaged(K)
def magics_and_a_shell():
    cell = "%matplotlib inline\n!rm -rf /\n%pip install torch\nfiles = !ls\ntorch.nn?\n"
    return ["%%bash\nrm -rf ~", cell + KIND, "%%time\n" + PADDING.replace("0, 0, 0, 0, 0,", "0,")]


@damaged(K)
def an_old_python():
    return [f'{KIND}\nprint "shape", 3', "exec 'x = 3'"], {"": "SyntaxError: Missing parentheses"}


@damaged(K)
def characters_that_do_not_belong_there():
    return [KIND.replace("\n", "\r\n") + "\x00", "“quoted” = ‘wrongly’", "a\u200b = 1"]


@damaged(K)
def deeper_than_python_reads():
    return ["x = " + "(" * 500 + ")" * 500, "x = " + "-" * 100_000 + "1", KIND]


# --- code that takes too much ---


@damaged(K, step=1)
def an_endless_loop_in_a_cell():
    return [KIND, "while True: pass"], {"": "stopped: not done after 1 seconds"}


@damaged(K, step=1)
def an_endless_loop_before_the_answer_in_its_cell():
    return ["while True: pass\n" + KIND]


@damaged(K, step=0.3)
def an_endless_loop_that_catches_everything():
    loop = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    return [loop, KIND], {"": "not done after"}


@damaged(P, step=1)
def an_endless_loop_in_an_answer():
    loop = "def shortcut_kind(*a):\n    while True: pass"
    return [SETUP, loop, PADDING], {"shortcut_kind": "not done after 1 seconds"}


@damaged(K, step=0.5)
def sleeping():
    return ["import time\ntime.sleep(1000)", KIND], {"": "not done after"}


@damaged(NONE, total=1, step=1)
def many_slow_cells():
    return ["while True: pass"] * 50 + [KIND], {"shortcut_kind": "The time for the whole notebook"}


@damaged(K, linux=True)
def a_list_without_end():
    return ["x = [0]\nwhile True: x = x + x", KIND], {"": "MemoryError"}


@damaged({**K}, linux=True)
def a_tensor_that_fits_nowhere():
    return ["x = torch.zeros(10**6, 10**5)", KIND], {"": "RuntimeError"}


@damaged(P, linux=True)
def an_answer_that_takes_all_memory():
    greedy = "def shortcut_kind(*a):\n    return 'identity' * 10**11"
    return [SETUP, greedy, PADDING], {"shortcut_kind": "MemoryError"}


@damaged(P)
def an_answer_of_more_than_fits_into_a_frame():
    return [SETUP, "def shortcut_kind(*a): return 'x' * (5 << 20)", PADDING], {
        "shortcut_kind": "disturbed the grading"
    }


@damaged(P)
def recursion_without_end():
    return [SETUP, "def shortcut_kind(*a): return shortcut_kind(*a)", PADDING], {
        "shortcut_kind": "RecursionError"
    }


@damaged(K, step=1)
def gigabytes_printed():
    return ["line = 'x' * 10**6\nwhile True: print(line)", KIND], {"": "not done after"}


@damaged(K, linux=True)
def gigabytes_into_a_file():
    fill = "with open('big', 'wb') as file:\n    for _ in range(4000): file.write(bytes(1 << 20))"
    return [fill, KIND], {"": "OSError"}


# --- ends ---


@damaged(K)
def sys_exit_in_a_cell():
    return ["import sys\nsys.exit()", KIND, "quit()"], {"": "SystemExit"}


@damaged(P)
def sys_exit_in_an_answer():
    return [SETUP, "import sys\ndef shortcut_kind(*a): sys.exit(0)", PADDING], {
        "shortcut_kind": "SystemExit"
    }


@damaged(K, look="acts on processes")
def hard_exit_in_a_cell():
    return ["import os\nos._exit(0)", KIND, "os._exit(0)"], {"": "ended its own process"}


@damaged(P, look="acts on processes")
def hard_exit_in_an_answer():
    return [SETUP, "import os\ndef shortcut_kind(*a): os._exit(0)", PADDING], {
        "shortcut_kind": "ended its own process"
    }


@damaged(K)
def a_crash():
    return ["import ctypes\nctypes.string_at(0)", KIND], {"": "ended its own process"}


@damaged(NONE)
def every_cell_ends_the_process():
    return [KIND, *["import os\nos._exit(0)"] * 9], {"shortcut_kind": "ended every process"}


# --- what only a notebook has ---


@damaged(K)
def a_question_to_nobody():
    return ["name = input('Your name? ')", KIND], {"": "EOFError"}


@damaged(K)
def widgets_a_training_pictures():
    widgets = "import ipywidgets\nfrom ipywidgets import interact, IntSlider\n"
    widgets += "@interact(x=IntSlider(3))\ndef show(x): pass\nbox = ipywidgets.VBox([IntSlider(1)])"
    train = "from resnet_lessons import train\ntrain(None, None)"
    return [widgets, train, "display(3)\nget_ipython().system('ls')", KIND], {
        "": "nothing is trained"
    }


@damaged(K)
def an_error_that_cannot_say_what_it_is():
    odd = "class Odd(Exception):\n    def __str__(self): raise Odd\nraise Odd"
    return [odd, KIND], {"": "Odd"}


@damaged(K)
def torch_turned_upside_down():
    return ["torch.set_grad_enabled(False)\ntorch.set_default_dtype(torch.float64)", KIND]


@damaged(K)
def a_thread_that_never_ends():
    thread = "import threading, time\nthreading.Thread(target=lambda: time.sleep(1000)).start()"
    return [thread, KIND]


@damaged({**K, "residual_block": 0})
def the_block_cut_off_in_the_middle():
    return [SETUP, KIND, BLOCK[: len(BLOCK) * 2 // 3]]
