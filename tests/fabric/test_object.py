"""The compiled program in the package is what its source becomes, in whatever directory."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OBJECT = Path("src/dualhome/fabric/fabric.bpf.o")
MISSING_TOOLS = 3


def check(root: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([root / "bpf/build", "--check"], capture_output=True, text=True, check=False)
    if done.returncode == MISSING_TOOLS:
        pytest.skip(done.stderr.strip())
    return done


def test_the_shipped_object_is_what_the_source_becomes(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "bpf", tmp_path / "bpf")
    (tmp_path / OBJECT).parent.mkdir(parents=True)
    shutil.copy(ROOT / OBJECT, tmp_path / OBJECT)
    assert check(tmp_path).stderr == ""
    source = tmp_path / "bpf/fabric.bpf.c"
    source.write_text(source.read_text().replace("0x7feb352d", "0x7feb352f"))
    assert "run bpf/build and commit it" in check(tmp_path).stderr
