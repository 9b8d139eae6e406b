"""How soon `eqlab train` says something: the order of what it says and of what it imports, without a clock."""

import subprocess
import sys
from pathlib import Path

# Prints, with every line that the user is told, which of the slow modules are there by then; ends at the first epoch's.
CHILD = """
import sys
from experiments.commandline.invocation import Invocation

def note(self, text):
    print(text.split()[0], *(name for name in ("numba", "torch._dynamo", "scipy", "sklearn", "matplotlib") if name in sys.modules), sep="|")
    if text.startswith("epoch 1/"):
        raise KeyboardInterrupt

Invocation.note = note
from experiments.cli import main
main()
"""


def test_what_is_trained_is_said_before_anything_but_torch_is_imported_and_the_untrained_error_before_an_optimiser(tmp_path: Path) -> None:
    """Kernels and torch's optimisers take seconds to import; if this fails, the first sign of life waits for them."""
    arguments = ["train", "--hidden", "8", "--train-size", "64", "--epochs", "2", "--threads", "1", "--out", str(tmp_path / "run")]
    program = [sys.executable, "-c", CHILD, *arguments]
    done = subprocess.run(program, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2], check=False)
    assert done.returncode == 130, done.stderr
    first, untrained, epoch = (set(line.split("|")[1:]) for line in done.stdout.splitlines())
    assert first == set()
    assert "torch._dynamo" not in untrained  # imported by torch's optimisers when they are first used
    assert "numba" in untrained  # the control: these modules are seen once they are there
    assert "torch._dynamo" in epoch
