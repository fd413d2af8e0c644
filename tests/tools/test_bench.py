"""What the benchmark counts is the work itself, not what loading its libraries took."""

import os

import pytest

import bench


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process")
def test_the_memory_counted_is_that_of_the_network_alone(monkeypatch, tmp_path):
    """A layer of 64 MiB of weights and as many of gradients, after an import that took 512 MiB."""
    (tmp_path / "greedy.py").write_text(
        "import torch\n"
        "torch.ones(2**27)  # 512 MiB, and gone\n"
        "def build():\n"
        "    return torch.nn.Linear(2**12, 2**12, bias=False)\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    added = bench.added_memory("greedy", "build", (1, 2**12))
    assert 120 < added < 256
