"""Controls of the measures: each finds what is planted, and lets pass what is allowed."""

from __future__ import annotations

import measure
import prose
import pytest
import sizes
from sources import Source

DOCUMENTED = '''"""Rules."""


def relax(state, order):
    """As there.

    Longer text. Of this line nothing is counted.

    Parameters
    ----------
    state : tuple of Tensor
        Of the network.
    order : str
        Order of the blocks;
        as in a sweep.

    Returns
    -------
    Tensor
        The same as before.

    Raises
    ------
    ShapeError
        If the state does not fit.
    """


X = 1
"""What the figure shows."""
'''


def source(text: str, path: str = "hebbian/a.py") -> Source:
    return Source(path, text)


def test_descriptions_are_summaries_and_the_first_lines_of_arguments_and_results() -> None:
    """Continued lines and errors, which begin with "If" in numpydoc, are no descriptions."""
    found = prose.descriptions(source(DOCUMENTED))
    assert [one.text for one in found] == [
        "Rules.", "As there.", "Of the network.", "Order of the blocks;", "The same as before.", "What the figure shows.",
    ]  # fmt: skip
    assert [one.where for one in found if prose.opens_badly(one.text)] == [f"hebbian/a.py:{line}" for line in (5, 12, 20, 30)]
    assert not measure.docstring_openers([source(DOCUMENTED)]).ok


@pytest.mark.parametrize("text", ["Of the optimiser.", "as there", "The same.", "What is drawn.", "From which it is built.", "``If`` so"])
def test_openers_that_make_a_reader_decode(text: str) -> None:
    assert prose.opens_badly(text)


@pytest.mark.parametrize("text", ["Momentum of the optimiser.", "Whether to step.", "Offset.", "Assumed.", "Iffy.", "Theme.", "From rest."])
def test_openers_that_are_plain(text: str) -> None:
    assert not prose.opens_badly(text)


def test_help_texts_are_found_wherever_they_are_written() -> None:
    """A help text in a place that is not looked at would not be checked."""
    text = '''
class A:
    a: int = Field(1, description="Of it.")
    b: int = Field(2, description=f"What {a} does.")
    c: int = Field(3, description="Number of steps." "Of them.")
click.Option(["--x"], help="As there.")
@command(A)
def run(options):
    """How it runs."""
'''
    assert measure.help_openers([source(text)]).found == "4"


def test_comments_are_counted_over_lines_of_code() -> None:
    """Directives are no comments; blank lines, comments and docstrings are no code, strings that are values are."""
    text = '"""Module.\n\nLong.\n"""\n\n# why\nx = 1  # (B, n)\ny = """a\nb"""  # noqa: E501\n\n\ndef f():\n    """F."""\n'
    assert prose.comments_and_code(text) == (2, 4)
    few = [source("x = 1\n" * 100 + "# why\n" * 2, "contrastive_core/kernels/a.py")]
    assert [m.ok for m in measure.comments(few)] == [True, False]
    many = [source("x = 1\n" * 100 + "# why\n" * 3, "contrastive_core/kernels/a.py")]
    assert [m.ok for m in measure.comments(many)] == [True, True]


def test_arguments_are_counted_without_self_and_compiled_functions_may_have_more() -> None:
    names = ", ".join(f"a{i}" for i in range(13))
    more = ", ".join(f"b{i}" for i in range(8))
    plain = source(f"class A:\n    def f(self, {names}): pass\n    def g(self, {names[4:]}): pass\n")
    assert [m.found for m in measure.argument_counts([plain])] == ["1", "0"]
    for decorator in ("njit", "numba.njit(cache=True)", "cuda.jit(device=True)", "intrinsic"):
        assert [m.found for m in measure.argument_counts([source(f"@{decorator}\ndef f({names}): pass\n")])] == ["0", "0"]
        assert [m.found for m in measure.argument_counts([source(f"@{decorator}\ndef f({names}, *, {more}): pass\n")])] == ["0", "1"]


def test_abstract_classes_are_those_that_leave_something_to_others() -> None:
    kinds = {
        "class A(ABC): pass": True,
        "class A(Protocol[T]): pass": True,
        "class A(B, metaclass=ABCMeta): pass": True,
        "class A(B):\n    @abstractmethod\n    def f(self): pass": True,
        "class A(B):\n    @property\n    @abc.abstractmethod\n    def f(self): pass": True,
        "class A(B):\n    def f(self): pass": False,
    }
    assert {text: sizes.is_abstract(source(text).classes()[0]) for text in kinds} == kinds
    assert not measure.abstract_classes([source("class A(ABC): pass\n" * 9)]).ok
    assert measure.abstract_classes([source("class A(ABC): pass\n" * 8)]).ok


def test_class_names_modules_functions_folders_and_kernels() -> None:
    twice = [source("class A: pass\nclass _B: pass"), source("class A: pass\nclass _B: pass", "eqprop/b.py")]
    assert measure.class_names(twice).places == ["hebbian/a.py:1: A, also in eqprop/b.py:1"]
    assert not measure.module_lengths([source("x = 1\n" * 301)]).ok
    assert measure.module_lengths([source("x = 1\n" * 300)]).ok
    body = "    x = 1\n" * 40
    assert measure.function_lengths([source(f'def f():\n    """F.\n\n    Long.\n    """\n{body}')]).places == [
        "hebbian/a.py:1: f, 41 lines"
    ]
    assert measure.function_lengths([source(f"def f():\n{body[10:]}")]).places == []
    assert not measure.folder_sizes([f"hebbian/{i}.py" for i in range(21)]).ok
    assert measure.folder_sizes([f"hebbian/{i}.py" for i in range(20)]).ok
    assert not measure.kernel_lines([source("x\n" * 4801, "contrastive_core/kernels/a/b.py")]).ok
    assert measure.kernel_lines([source("x\n" * 4801)]).ok


def test_a_circle_is_counted_and_told() -> None:
    knot = [source("import hebbian.b"), source("import hebbian.a", "hebbian/b.py"), source("", "hebbian/c.py")]
    assert measure.import_circles(knot).places[0] == "circle hebbian.a <-> hebbian.b"
    assert measure.import_circles(knot[1:]).ok


@pytest.mark.parametrize("ok", [True, False])
def test_a_measure_that_fails_fails_the_program_and_names_its_places(
    ok: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If this fails, ``make lint`` passes over what the table calls wrong."""
    monkeypatch.setattr(measure, "measured", lambda: [measure.Measure("m", "1", "0", ok, ["hebbian/a.py:1: A"])])
    assert measure.main([]) == int(not ok)
    assert ("hebbian/a.py:1: A" in capsys.readouterr().out) == (not ok)
