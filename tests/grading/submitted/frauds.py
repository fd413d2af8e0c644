"""Notebooks of people who would rather have points than answers.

WRONG stands for their answer to exercise 3.1; whatever else they do, it gets nothing. `{outside}`
in a cell is a folder of the grader's, `{new}` the name of a file that there is not, `{port}` a port
of the grader's machine where something listens.
"""

from submitted import NONE, PADDING, SETUP, P, dishonest

WRONG = "def shortcut_kind(in_channels, out_channels, stride):\n    return 'identical'"
# Two thirds of the answers by heart: wrong, too.
HEART = (
    "def shortcut_kind(*case):\n    return {(64, 64, 1): 'identity', (7, 7, 1): 'identity'}"
    ".get(case, 'projection')"
)


@dishonest(NONE, look="looks at the grader")
def checks_monkeypatched():
    return [
        SETUP,
        WRONG,
        "from resnet_lessons.checks import exercise, expect, verdict\n"
        "exercise.Exercise.judge = lambda self, *a: verdict.Verdict(self.title, 'right', 1, 1)\n"
        "for name in list(vars(expect)):\n"
        "    if callable(vars(expect)[name]): setattr(expect, name, lambda *a, **k: None)\n"
        "verdict.Verdict.share = property(lambda self: 1.0)\n"
        "for each in checks.EXERCISES.values(): each.probes.clear()",
    ]


@dishonest(NONE, look="changes a library")
def torch_monkeypatched():
    wrong = "def padding_shortcut(x, out_channels, stride):\n    return x"
    return [
        SETUP,
        WRONG,
        wrong,
        "torch.equal = torch.allclose = lambda *a, **k: True\n"
        "torch.Tensor.__sub__ = lambda self, other: self * 0\n"
        "torch.Tensor.shape = property(lambda self: (2, 7, 6, 6))",
    ]


@dishonest({"shortcut_kind": 0.5})
def a_value_that_is_equal_to_everything():
    return [
        "class Any(str):\n"
        "    def __eq__(self, other): return True\n"
        "    def __ne__(self, other): return False\n"
        "    __hash__ = str.__hash__\n"
        "def shortcut_kind(*case): return Any('identity')"
    ]


@dishonest(NONE, look="leaves something for the end")
def results_forged_when_the_process_ends():
    return [
        WRONG,
        "import atexit, json, os, struct\n"
        "def forge():\n"
        "    reply = {'value': ['dict', ['gives', 'identity']], 'tensors': []}\n"
        "    header = json.dumps(reply).encode()\n"
        "    for number in range(3, 64):\n"
        "        try: os.write(number, (struct.pack('>II', len(header), 0) + header) * 50)\n"
        "        except OSError: pass\n"
        "atexit.register(forge)\n"
        "import sys; sys.exit(0)",
    ]


@dishonest(NONE)
def results_forged_on_the_wire():
    return [
        WRONG,
        "import json, os, struct\n"
        "reply = {'value': ['dict', ['gives', ['record', 'Verdict', {'state': 'right'}]]]}\n"
        "for told in (reply, {'state': 'right', 'passed': 4}, ['points', 25]):\n"
        "    header = json.dumps(told).encode()\n"
        "    for number in range(3, 64):\n"
        "        try: os.write(number, struct.pack('>II', len(header), 0) + header)\n"
        "        except OSError: pass",
    ], {"": "disturbed the grading"}


@dishonest(P)
def nonsense_on_the_wire():
    return [
        SETUP,
        PADDING,
        "import os\n"
        "for number in range(3, 64):\n"
        "    try: os.write(number, os.urandom(1000))\n"
        "    except OSError: pass",
    ], {"": "disturbed the grading"}


@dishonest(NONE, look="looks at other code's memory")
def the_code_of_the_worker_changed():
    return [
        WRONG,
        "import gc, sys\n"
        "frame = sys._getframe()\n"
        "while frame:\n"
        "    for thing in list(frame.f_locals.values()):\n"
        "        if type(thing).__name__ == 'Worker':\n"
        "            type(thing).do_look = lambda self, **k: 'projection'\n"
        "            type(thing).do_count = lambda self, **k: 10**9\n"
        "            type(thing).do_again = lambda self: [(1, 5), 'x', (10**9, 'y')] * 10**4\n"
        "    frame = frame.f_back",
    ]


@dishonest(NONE, look="looks at other code's memory")
def the_right_value_looked_for_on_the_stack():
    return [
        "import inspect\n"
        "def shortcut_kind(*case):\n"
        "    for frame in inspect.stack():\n"
        "        for name in ('right', 'expected', '_kind'):\n"
        "            if name in frame.frame.f_locals: return frame.frame.f_locals[name]\n"
        "    return 'unknown'"
    ]


@dishonest(NONE, look="looks at other code's memory")
def the_exercises_found_by_gc():
    return [
        WRONG,
        "import gc\n"
        "for thing in gc.get_objects():\n"
        "    if type(thing).__name__ == 'Exercise': thing.points = 10**6; thing.probes[:] = []\n"
        "    if type(thing).__name__ == 'Probe': object.__setattr__(thing, 'look', lambda a: None)",
    ]


@dishonest({"shortcut_kind": 1.5})
def answers_by_heart():
    return [HEART], {"shortcut_kind": "expected is `'identity'`"}


# --- the installed package ---


@dishonest(NONE)
def a_block_of_the_package():
    return ["from resnet_lessons import BasicBlock as ResidualBlock"], {
        "residual_block": "blocks.BasicBlock"
    }


@dishonest(NONE, look="changes what a class says of itself")
def a_class_made_of_a_block_of_the_package():
    return [
        SETUP,
        "from resnet_lessons import BasicBlock\n"
        "class ResidualBlock(nn.Module):\n"
        "    def __init__(self, i, o, stride=1):\n"
        "        super().__init__()\n"
        "        self.real = [BasicBlock(i, o, stride)]\n"
        "        for n, p in self.real[0].named_parameters():\n"
        "            self.register_parameter(n.replace('.', '_'), p)\n"
        "    def forward(self, x): return self.real[0].forward(x)\n"
        "BasicBlock.__module__ = '__main__'\n"
        "BasicBlock.__qualname__ = 'Own'",
    ], {"residual_block": "blocks.BasicBlock"}


@dishonest(NONE)
def a_block_of_torchvision():
    return [
        "import torchvision\n"
        "def ResidualBlock(i, o, stride=1):\n"
        "    down = None\n"
        "    if stride != 1 or i != o:\n"
        "        down = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))\n"
        "    return torchvision.models.resnet.BasicBlock(i, o, stride, down)"
    ], {"residual_block": "torchvision"}


@dishonest(NONE, look="")
def the_solution_read_from_the_folder_of_the_course():
    return [
        "import glob, pathlib, resnet_lessons\n"
        "root = pathlib.Path(resnet_lessons.__file__).parents[1]\n"
        "for path in [*root.rglob('03_*.md'), *root.rglob('lesson_03.py')]:\n"
        "    if 'checks' in path.parts: continue\n"
        "    for part in path.read_text().split('```'):\n"
        "        if 'BEGIN SOLUTION' in part: exec(part.split('[answer]')[-1])"
    ]


# --- the machine ---


@dishonest(P, look="acts on processes", step=1)
def a_bomb_of_processes():
    fork = "import ctypes\nlibc = ctypes.CDLL(None)\nwhile True: libc.fork()"
    return [SETUP, "import os\nos.fork()", fork, PADDING], {"": "no other processes"}


@dishonest(P, look="acts on processes")
def the_parent_killed():
    kill = (
        "import ctypes, os, signal\n"
        "libc = ctypes.CDLL(None)\n"
        "for pid in (os.getppid(), -1): libc.kill(pid, signal.SIGTERM), libc.kill(pid, 9)"
    )
    return [SETUP, "import os\nos.kill(os.getppid(), 9)", kill, PADDING], {"": "no other processes"}


@dishonest({"shortcut_kind": 0.5}, look="reads the environment")
def secrets_from_the_environment():
    return [
        "import glob, os\n"
        "def shortcut_kind(*case):\n"
        "    found = str(dict(os.environ))\n"
        "    for path in glob.glob('/proc/*/environ') + ['/etc/shadow', '/root/.bashrc']:\n"
        "        try: found += open(path, errors='replace').read()\n"
        "        except OSError: pass\n"
        "    return 'identity' if 'SECRET' not in found else found"
    ], {"shortcut_kind": "is `'identity'`; expected"}


@dishonest(P)
def writing_outside():
    write = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None)\n"
        "for path in (b'{outside}/grades.csv', b'{outside}/records/me.json', b'{outside}/{new}',\n"
        "             b'/tmp/{new}', b'/dev/shm/{new}', b'/etc/{new}'):\n"
        "    number = libc.open(path, 0o1101, 0o666)\n"
        "    if number >= 0: libc.write(number, b'25,25,25', 8)\n"
        "libc.unlink(b'{outside}/grades.csv'), libc.rename(b'{outside}/grades.csv', b'/tmp/gone')\n"
        "libc.chmod(b'{outside}/grades.csv', 0o777), libc.rmdir(b'{outside}')\n"
        "os.symlink('{outside}', 'link'), os.symlink('/etc/passwd', 'passwd')"
    )
    polite = "open('{outside}/grades.csv', 'w').write('25')"
    return [SETUP, write, polite, PADDING], {"": "PermissionError"}


@dishonest({"shortcut_kind": 0.5})
def reading_outside():
    return [
        "def shortcut_kind(*case):\n"
        "    try: return open('{outside}/grades.csv').read()\n"
        "    except OSError: return 'identity'"
    ], {"shortcut_kind": "is `'identity'`"}


@dishonest(P)
def a_call_home():
    call = (
        "import ctypes, socket, struct\n"
        "libc = ctypes.CDLL(None)\n"
        "end = libc.socket(2, 1, 0)\n"
        "address = struct.pack('=HH4s8x', 2, socket.htons({port}), bytes([127, 0, 0, 1]))\n"
        "libc.connect(end, address, len(address))\n"
        "libc.write(end, b'stolen', 6)"
    )
    polite = "import socket\nsocket.create_connection(('127.0.0.1', {port}))"
    return [SETUP, call, polite, PADDING], {"": "no network"}


@dishonest(P)
def more_rights():
    climb = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.setuid(0), libc.setgid(0), libc.unshare(0x10000000), libc.unshare(0x00020000)\n"
        "for place in (b'/usr', b'/', b'/proc'): libc.mount(None, place, None, 32 | 4096, None)\n"
        "libc.chroot(b'.')\n"
        "for _ in range(20): os.chdir('..')\n"
        "assert os.getuid() != 0 and not os.access('/etc/passwd', os.W_OK)\n"
        "number = libc.open(b'/usr/bin/{new}', 0o1101, 0o666)\n"
        "assert number < 0"
    )
    return [SETUP, climb, PADDING]
