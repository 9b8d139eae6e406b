"""Machine code that is kept on disk belongs to the sources that it was compiled from."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from contrastive_core.files.sources import digest_of

KERNEL = """
from contrastive_core.kernels.caching import compiler

@compiler()
def double(number):
    return 2 * number
"""


def compiled_anew(folder: Path) -> bool:
    """Load the kernel as a new process would, call it, and return whether it had to be compiled."""
    spec = importlib.util.spec_from_file_location("kernel", folder / "kernel.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.double(3) == 6
    return bool(module.double.stats.cache_misses)


def test_a_kernel_is_compiled_again_when_a_source_of_another_kernel_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a process computes with the code of an older function that was compiled into its caller."""
    (tmp_path / "kernel.py").write_text(KERNEL)
    found = []
    for digest in ("before", "before", "after", "after", "before"):
        monkeypatch.setattr("contrastive_core.kernels.caching.digest_of", lambda folder, digest=digest: digest)
        found.append(compiled_anew(tmp_path))
    assert found == [True, False, True, False, True]


def test_the_digest_of_sources_follows_every_file_and_name(tmp_path: Path) -> None:
    """If this fails, there is a change of a kernel that keeps old machine code."""
    digests = set()
    for name, content in (("a.py", "one"), ("a.py", "two"), ("b.py", "two"), ("deep/a.py", "one")):
        folder = tmp_path / str(len(digests))
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(content)
        digests.add(digest_of(folder))
    assert len(digests) == 4
    (folder / "notes.txt").write_text("no source")
    digest_of.cache_clear()
    assert digest_of(folder) in digests
