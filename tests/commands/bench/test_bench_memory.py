"""Peak memory: what is measured is what was taken."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from processes import ENVIRONMENT

from experiments.cli import cli
from experiments.machine import GIVING_BACK, extra_memory

LINUX = pytest.mark.skipif(extra_memory(lambda: None) is None, reason="this system does not tell the peak of memory")


_CODE = """
import json, sys, torch
from experiments.machine import GIVING_BACK, extra_memory
size = int(sys.argv[1]) * 2**18
torch.zeros(4 * size).sum()
found = extra_memory(lambda: [torch.zeros(size) is None for _ in range(2)]), extra_memory(lambda: [torch.zeros(size) for _ in range(2)])
print(json.dumps(found))
"""


@LINUX
@pytest.mark.parametrize("mebibytes", [8, 64])
def test_extra_memory_is_that_of_what_was_allocated(mebibytes: int) -> None:
    """Two tensors one after the other need the memory of one, held together that of both; a larger peak of before must not count."""
    command = [sys.executable, "-c", _CODE, str(mebibytes)]
    ended = subprocess.run(command, env=ENVIRONMENT | GIVING_BACK, capture_output=True, text=True, check=True)
    one, both = json.loads(ended.stdout)
    # Pages of the process that are touched for the first time are of the order of 100 KiB.
    assert one == pytest.approx(mebibytes, abs=1.0)
    assert both == pytest.approx(2 * mebibytes, abs=1.0)


@LINUX
def test_memory_of_equilibrium_propagation_does_not_grow_with_the_relaxation() -> None:
    """The claim of the field; backpropagation through time is the control, whose memory is that of all its sweeps."""
    arguments = ["bench", "memory", "--rules", "ep-centered,unrolled", "--depths", "2", "--sweeps", "10,160", "--width", "64", "--json"]
    result = CliRunner().invoke(cli, [*arguments, "--quiet"])
    assert result.exit_code == 0, result.stderr
    peaks = {(row["rule"], row["sweeps"]): row["peak_mb"] for row in json.loads(result.stdout)["rows"]}
    states = 150 * 4 * 512 * (2 * 64 + 10) / 2**20  # the states of 150 sweeps more, 40 MiB
    assert peaks["unrolled", 160] - peaks["unrolled", 10] > states
    assert peaks["ep-centered", 160] - peaks["ep-centered", 10] < 0.05 * states
