"""Memory that is free again stays with the process."""

import subprocess
import sys

import pytest

from experiments.machine import keep_freed_memory

ROUNDS, BYTES = 5, 40 * 2**20

SCRIPT = """
import ctypes, resource, sys
from experiments.machine import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.memset.argtypes, library.free.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], [ctypes.c_void_p]
size = int(sys.argv[2])
def touch():
    place = library.malloc(size)
    library.memset(place, 1, size)
    library.free(place)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(int(sys.argv[3])):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT, how, str(BYTES), str(ROUNDS)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="needs glibc, whose limits can be set")
def test_freed_memory_is_used_again() -> None:
    """Otherwise every gradient would be made of pages that the system has to clear first.

    Forty megabytes are beyond the largest limit that glibc finds by itself, so that the control always gets new pages: of 4 kilobytes,
    or of 2 megabytes where the system joins them.
    """
    assert _faults("given back") >= ROUNDS * BYTES // 2**21
    assert _faults("kept") <= 2
