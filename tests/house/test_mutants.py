"""Entries of the mutation table fit the code and the tests that they name."""

from __future__ import annotations

import pytest
from mutants import MUTATIONS, Mutation, faults


def test_every_mutation_fits_the_code_and_names_a_test() -> None:
    """A mutation whose text or test is gone checks nothing. Bring its entry in tests/by_hand/mutants.py up to date in the same commit."""
    assert len(MUTATIONS) > 100
    outdated = [fault for mutation in MUTATIONS for fault in faults(mutation)]
    assert not outdated, "\n".join(["bring tests/by_hand/mutants.py up to date:", *outdated])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"file": "contrastive_core/gone.py"}, "contrastive_core/gone.py is gone"),
        ({"old": "no such text"}, "'no such text' is not in eqprop/__init__.py"),
        ({"new": "import"}, "it changes nothing"),
        ({"test": "gone::test_every"}, "there is not one test_gone.py below tests"),
        ({"test": "mutants::test_none"}, "has no test called test_none"),
    ],
)
def test_what_is_out_of_date_is_told(change: dict[str, str], reason: str) -> None:
    """A control: a check that finds nothing proves nothing."""
    whole = Mutation("m", "eqprop/__init__.py", "import", "export", "mutants::test_every_mutation")
    assert faults(whole) == []
    assert [fault for fault in faults(whole._replace(**change)) if reason in fault]
