"""What was handed in is found and read, whatever it is packed in and whatever became of it."""

import io
import json
import zipfile

import pytest
from submitted import SOLVED

from build_notebooks import sources
from resnet_grading import notebooks
from resnet_grading.sheets import answer_of, defines, expressions, sheet_of, sheets
from resnet_grading.submissions import collect, label, owner
from resnet_lessons.checks import EXERCISES


def notebook(*cells, **others):
    told = [{"cell_type": "code", "source": cell} for cell in cells]
    return json.dumps({"cells": told, "nbformat": 4, **others}).encode()


def archive(members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return data.getvalue()


# --- files ---

LINES = {"cell_type": "code", "source": ["x = 1\n", "y = 2"], "outputs": ["?"]}
TEXT = {"cell_type": "markdown", "source": "# Title"}
OLD = {"worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1"}]}], "nbformat": 3}
READABLE = {
    "source in lines": (json.dumps({"cells": [TEXT, LINES]}), ["x = 1\ny = 2"]),
    "without metadata": ('{"cells": [{"cell_type": "code", "source": "x = 1"}]}', ["x = 1"]),
    "of 2013": (json.dumps(OLD), ["x = 1"]),
    "odd cells": (json.dumps({"cells": [3, None, {"source": "z"}, LINES]}), ["x = 1\ny = 2"]),
    "with a byte order mark": ("\ufeff" + json.dumps({"cells": [LINES]}), ["x = 1\ny = 2"]),
}


@pytest.mark.parametrize("text, cells", READABLE.values(), ids=READABLE)
def test_the_code_of_a_notebook_is_read(text, cells):
    assert notebooks.read("a.ipynb", text.encode()) == (cells, [])


def test_a_notebook_in_another_encoding_is_read():
    cells, _ = notebooks.read("a.ipynb", notebook("x = 'é'").decode().encode("utf-16"))
    assert cells == ["x = 'é'"]


def test_a_notebook_that_breaks_off_is_read_up_to_there():
    cells, remarks = notebooks.read("a.ipynb", notebook("x = 1", "y = 2", "z = 3")[:-30])
    assert cells == ["x = 1", "y = 2"]
    assert "damaged" in remarks[0]


def test_a_script_is_read_in_cells():
    cells, _ = notebooks.read(
        "a.py", b"x = 1\n# %% [markdown]\n# text\n# %%\ny = 2\n# In[3]:\nz = 3"
    )
    assert [cell.strip() for cell in cells] == ["x = 1", "# text", "y = 2", "z = 3"]


UNREADABLE = {
    "empty": (b" \n", "empty"),
    "text": (b"Dear teacher,", "not in JSON"),
    "other JSON": (b"[1, 2]", "no cells"),
    "no list of cells": (b'{"cells": {"a": 1}}', "no cells"),
    "no code": (json.dumps({"cells": [TEXT]}).encode(), "no code"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\xff", "another kind"),
    "an archive": (archive({"a": "b"}), "another kind"),
    "nested without end": (b'{"cells":' + b"[" * 100_000, "not in JSON"),
    "too much code": (notebook(*["x = 1"] * 2001), "too much code"),
}


@pytest.mark.parametrize("data, says", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_notebook_is_said_to_be_none(data, says):
    with pytest.raises(notebooks.Unreadable, match=says):
        notebooks.read("a.ipynb", data)


# --- sheets ---


def test_a_sheet_is_known_by_its_checks_or_its_answers():
    assert sheet_of(SOLVED) == "03"
    assert sheet_of([cell for cell in SOLVED if not cell.startswith("checks.")]) == "03"
    assert sheet_of(["checks.zero_branch(f)"]) == "03"
    assert sheet_of(["def padding_shortcut(: broken"]) == "03"
    assert sheet_of(["x = 3"]) is None


def test_an_answer_may_stand_under_the_name_in_the_learners_check_line():
    block = EXERCISES["residual_block"]
    cells = ["checks.residual_block(Mine)", "checks.residual_block(Mine2)  # again"]
    assert expressions(block, cells) == ["ResidualBlock", "Mine2", "Mine"]
    assert expressions(block, ["checks.residual_block(exit())"]) == ["ResidualBlock"]


def test_definitions_are_found_in_code_that_cannot_be_read():
    assert defines("x = (\nclass  A (", "A") and defines("f = 3", "f")
    assert not defines("fg = 3\nprint(f)\ng(f=3)\nif f == 3:", "f")


@pytest.mark.parametrize("source", [path for path in sources() if path.match("exercises/*.md")])
def test_every_answer_is_called_as_its_sheets_check_line_says(source):
    text = source.read_text(encoding="utf-8")
    for exercise in sheets()[source.name[:2]]:
        line = f"checks.{exercise.name}({answer_of(exercise)})"
        assert f"\n{line}\n" in text, (
            f"The exercise {exercise.name} is graded by `{answer_of(exercise)}`, but its sheet has "
            f"no line `{line}`: name in `answer=` of the Exercise what the check line judges."
        )


# --- folders and archives ---

OWNERS = {
    "doejane_123_4567_03_the_residual_block.ipynb": ("doejane", "123"),
    "doejane_LATE_123_4567_03_the_residual_block-1.ipynb": ("doejane", "123"),
    "Jane Doe_99_assignsubmission_file_/work/03.ipynb": ("Jane Doe", "99"),
    "Jane Doe_99_assignsubmission_file_03.ipynb": ("Jane Doe", "99"),
    "course/Jane Doe_99_assignsubmission_file_/03.ipynb": ("Jane Doe", "99"),
    "jane/03_the_residual_block.ipynb": ("jane", ""),
    "jane.ipynb": ("jane", ""),
}


@pytest.mark.parametrize("path, whose", OWNERS.items())
def test_a_student_is_known_by_the_name_of_file_or_folder(path, whose, tmp_path):
    assert owner(path, tmp_path, inside=True) == whose


def test_a_file_that_is_called_like_the_sheet_is_its_folders(tmp_path):
    paths = []
    for name in ("anna", "bert"):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "Copy of 03_the_residual_block (1).ipynb")
        paths[-1].write_bytes(notebook("x = 1"))
    assert [s.student for s in collect(paths)] == ["anna", "bert"]


def test_folders_and_files_are_students_and_what_is_hidden_is_not(tmp_path):
    for name in (
        "anna/a/b/03.ipynb",
        "anna/.ipynb_checkpoints/03.ipynb",
        "bert.ipynb",
        ".DS_Store",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(notebook(name))
    (tmp_path / "carla").mkdir()
    (tmp_path / "carla" / "essay.pdf").write_bytes(b"%PDF")
    found = {s.student: [file.name for file in s.files] for s in collect([tmp_path])}
    assert found == {"anna": ["03.ipynb"], "bert": ["bert.ipynb"], "carla": ["essay.pdf"]}


def test_an_archive_is_a_folder_and_may_hold_archives(tmp_path):
    inner = archive({"deep/03.ipynb": notebook("x = 1"), "__MACOSX/._03.ipynb": b"?"})
    members = {"all/anna/03.ipynb": notebook("y = 2"), "all/bert.zip": inner, "all/x.zip": b"PK"}
    (tmp_path / "submissions.zip").write_bytes(archive(members))
    found = {s.student: [f.data for f in s.files] for s in collect([tmp_path / "submissions.zip"])}
    assert found == {"anna": [notebook("y = 2")], "bert": [notebook("x = 1")], "x": [b"PK"]}


def test_names_that_lead_out_of_an_archive_lead_nowhere(tmp_path):
    assert label("../../etc/passwd") == "etc/passwd"
    assert label("C:\\windows\\..\\evil.ipynb") == "windows/evil.ipynb"
    assert label("/root/../x.ipynb") == "root/x.ipynb"
    outside = tmp_path / "evil.ipynb"
    inside = tmp_path / "inside"
    inside.mkdir()
    names = ("../evil.ipynb", "/evil.ipynb", "..\\evil.ipynb", str(outside))
    (inside / "bad.zip").write_bytes(archive(dict.fromkeys(names, notebook("x = 1"))))
    assert collect([inside / "bad.zip"])
    assert not outside.exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", "bad.zip"]


def test_a_bomb_in_an_archive_does_not_go_off(tmp_path, monkeypatch):
    monkeypatch.setattr("resnet_grading.submissions.MOST_BYTES", 3 << 20)
    bomb = archive({f"{n}.ipynb": bytes(2 << 20) for n in range(5)})
    (tmp_path / "bomb.zip").write_bytes(bomb)
    assert len(bomb) < 100_000
    sizes = [len(file.data) for s in collect([tmp_path / "bomb.zip"]) for file in s.files]
    assert len(sizes) == 5
    assert sum(sizes) <= (3 << 20) + 5


def test_a_damaged_archive_is_one_unreadable_file(tmp_path):
    data = archive({"anna.ipynb": notebook("x = 1"), "bert.ipynb": notebook("y = 2" * 999)})
    broken = data.replace(b"bert.ipynb", b"bort.ipynb", 1)
    (tmp_path / "half.zip").write_bytes(broken)
    found = {s.student: s.files[0].data for s in collect([tmp_path / "half.zip"])}
    assert found["anna"] == notebook("x = 1") and found["bert"] == b""


def test_the_sources_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file or folder"):
        collect([tmp_path / "nothing"])
