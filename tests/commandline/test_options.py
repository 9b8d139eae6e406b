"""Options: where a setting comes from, which source wins, and what is said about a wrong one."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from contrastive_core.errors import InputError
from contrastive_core.registry import Table
from experiments.benchmarks.training import BenchTrainOptions
from experiments.commandline import documents
from experiments.commandline.assignments import read_settings
from experiments.commandline.documents import shipped_configurations
from experiments.commandline.markers import OneOf
from experiments.commandline.options import CommandOptions, Options, assignment, read_config, resolve
from experiments.commandline.output import to_toml
from experiments.hardware.device_settings import read_variation
from experiments.learning.compare import CompareOptions
from experiments.setup.devices import read_assignment
from experiments.sweeps.axes import read_axis

RULES: Table[object] = Table("rule", {"ep-centered": "no.such.module:rule", "backprop": "no.such.module:other"})


class Optimiser(Options):
    rate: float = Field(0.1, gt=0)
    name: str = "sgd"


class Demo(CommandOptions):
    hidden: tuple[Annotated[int, Field(gt=0)], ...] = (512,)
    rules: tuple[Annotated[str, OneOf("rule", RULES)], ...] = ("backprop",)
    order: Literal["forward", "backward"] = "forward"
    strength: float = 0.5
    clip: float | None = 1.0
    patience: int | None = None
    bias: bool = True
    data_dir: Path | None = Field(None, exclude=True)
    optimiser: Optimiser = Optimiser()
    scales: dict[str, float] = Field(default_factory=dict)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "demo.toml"
    path.write_text('hidden = [64, 32]\nstrength = 0.25\nclip = "none"\nbias = false\n[optimiser]\nrate = 1e-3\nname = "lion"\n')
    return path


def refusal(**sources: Any) -> str:
    with pytest.raises(InputError) as caught:
        resolve(Demo, **sources)
    return str(caught.value)


def test_nothing_given_leaves_the_defaults() -> None:
    assert resolve(Demo) == Demo()


def test_each_source_overrides_the_one_before(toml: Path) -> None:
    merged = resolve(Demo, config=str(toml), flags={"strength": 0.3, "optimiser.rate": 0.02}, assignments=["optimiser.rate=0.5"])
    assert merged.hidden == (64, 32)  # file over default
    assert merged.strength == 0.3  # flag over file
    assert merged.optimiser == Optimiser(rate=0.5, name="lion")  # --set over flag, and its neighbour untouched
    assert merged.clip is None
    assert merged.bias is False
    assert merged.order == "forward"


def test_a_file_has_settings_for_values_of_an_option(tmp_path: Path) -> None:
    """If this fails, one configuration trains several objectives with the settings of one of them, or against what was typed."""
    path = tmp_path / "cases.toml"
    path.write_text("strength = 0.25\n[when.order.backward]\nstrength = 0.1\nseed = 3\n[when.order.backward.optimiser]\nrate = 0.5\n")
    assert resolve(Demo, config=str(path)).strength == 0.25
    chosen = resolve(Demo, config=str(path), flags={"order": "backward", "seed": 4})
    assert (chosen.strength, chosen.seed, chosen.optimiser.rate) == (0.1, 4, 0.5)  # over the rest of the file, under a flag
    assert resolve(Demo, config=str(path), assignments=["order=backward"]).seed == 3
    path.write_text("[when.order.backwards]\nseed = 3\n")
    assert "did you mean 'backward'" in refusal(config=str(path))
    path.write_text("[when.ordre.backward]\nseed = 3\n")
    assert "when" in refusal(config=str(path))
    path.write_text("[when.order.backward]\nsede = 3\n")
    assert "did you mean 'seed'" in refusal(config=str(path), flags={"order": "backward"})


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("hidden=[3, 4]", "hidden", (3, 4)),
        ("hidden=3,4", "hidden", (3, 4)),
        ("hidden=3", "hidden", (3,)),
        ("hidden=", "hidden", ()),
        ("rules=ep-centered", "rules", ("ep-centered",)),
        ("strength=-1", "strength", -1.0),
        ("strength=1e-3", "strength", 1e-3),
        ("bias=false", "bias", False),
        ("clip=none", "clip", None),
        ("patience=3", "patience", 3),
        ("data_dir=a/b", "data_dir", Path("a/b")),
        ("scales.output=0.5", "scales", {"output": 0.5}),
        ("optimiser.name=3", "optimiser", Optimiser(name="3")),
        ('optimiser.name="a=b"', "optimiser", Optimiser(name="a=b")),
        ("optimiser.name=a\nseed=7", "optimiser", Optimiser(name="a\nseed=7")),
    ],
)
def test_an_assignment_is_read_as_toml_and_else_as_the_option_takes_it(text: str, key: str, expected: object) -> None:
    merged = resolve(Demo, assignments=[text])
    assert getattr(merged, key) == expected
    assert merged.seed == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hiden=3", "unknown option hiden (by --set); did you mean 'hidden'?"),
        ("optimiser.rat=3", "unknown option optimiser.rat (by --set); did you mean 'optimiser.rate'?"),
        ("optimiser.rate=-1", "optimiser.rate (by --set) must be greater than 0, got -1"),
        ("hidden=4,-1", "item 2 of hidden (by --set) must be greater than 0, got -1"),
        ("hidden=4,x", "item 2 of hidden (by --set) must be a valid integer, got 'x'"),
        ("seed=1.5", "seed (by --set) must be a valid integer, got 1.5"),
        ("seed=true", "seed (by --set) must be a valid integer, got true"),
        ("bias=1", "bias (by --set) must be a valid boolean, got 1"),
        ("strength=nan", "strength (by --set) must be a finite number, got NaN"),
        ("order=up", "order (by --set) must be 'forward' or 'backward', got 'up'"),
        ("rules=backprob", "item 1 of rules (by --set): unknown rule 'backprob'; did you mean 'backprop'?"),
        ("optimiser=3", "optimiser (by --set) must be an object, got 3"),
        ("hidden", "--set needs KEY=VALUE, got 'hidden'"),
        ("optimiser..rate=3", "--set needs KEY=VALUE"),
        ("seed=none", "seed (by --set) must be a valid integer, got 'none'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_source_and_what_was_expected(text: str, words: str) -> None:
    assert words in refusal(assignments=[text])


def test_all_problems_are_reported_at_once(toml: Path) -> None:
    toml.write_text("hiden = 3\nstrength = 'a'\n")
    message = refusal(config=str(toml), flags={"seed": -1}, assignments=["clip=x"])
    assert message.splitlines() == [
        "4 settings are wrong:",
        "  - --seed must be greater than or equal to 0, got -1",
        "  - strength (in demo.toml) must be a valid number, got 'a'",
        "  - clip (by --set) must be a valid number, got 'x'",
        "  - unknown option hiden (in demo.toml); did you mean 'hidden'?",
    ]


def test_a_missing_setting_without_default_is_named() -> None:
    class Needy(CommandOptions):
        data: str

    with pytest.raises(InputError, match="data is missing and has no default"):
        resolve(Needy)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"hidden = [1,\n= 3", "line 2"), (b"a = 1\na = 2", "overwrite"), (b"name = '\xff\xfe'", "UTF-8")],
)
def test_a_file_that_is_no_toml_is_named_with_the_place(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    message = refusal(config=str(path))
    assert "broken.toml is not a TOML file" in message
    assert words in message


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mark.toml"
    path.write_bytes(b"\xef\xbb\xbfseed = 4\n")
    assert resolve(Demo, config=str(path)).seed == 4


def test_a_name_finds_the_shipped_configuration_unless_there_is_such_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = tmp_path / "shipped" / "mnist.toml"
    shipped.parent.mkdir()
    shipped.write_text("seed = 5\n")
    monkeypatch.setattr(documents, "shipped_configurations", lambda: {"mnist": shipped})
    monkeypatch.chdir(tmp_path)
    assert read_config("mnist").values == {"seed": 5}
    Path("mnist").write_text("seed = 6\n")
    assert read_config("mnist").values == {"seed": 6}
    with pytest.raises(InputError, match=r"no file 'mnits'.*did you mean 'mnist'\?"):
        read_config("mnits")


@pytest.mark.parametrize("kind", [CompareOptions, BenchTrainOptions])
@pytest.mark.parametrize("name", ["mnist", "mnist-deep", "conv-mnist", "conv-cifar10", "vgg5-cifar10"])
def test_configurations_of_training_are_those_of_a_comparison_with_rules(name: str, kind: type[CompareOptions | BenchTrainOptions]) -> None:
    """The pages give them to all these commands; a file's own rule gives way only to rules that are asked for, and is else refused."""
    rules = ("ep-positive", "backprop")
    found = resolve(kind, config=name, flags={"rules": list(rules)})
    assert found.rules == rules
    assert found.epochs == read_config(name).values["epochs"]
    if "rule" in read_config(name).values:
        with pytest.raises(InputError, match="unknown option rule"):
            resolve(kind, config=name)


def test_shipped_configurations_are_toml() -> None:
    # A published result may be measured with the settings of its command as they are.
    assert all(read_config(name).values or "published" in str(path) for name, path in shipped_configurations().items())


def test_options_cannot_be_changed_and_are_not_converted() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Demo().seed = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="valid integer"):
        Demo(seed="3")  # type: ignore[arg-type]


def test_resolved_settings_come_back_through_toml(tmp_path: Path) -> None:
    wanted = resolve(Demo, assignments=["clip=none", "hidden=", "optimiser.rate=1e-7", "data_dir=/somewhere", "scales.output=2"])
    path = tmp_path / "config.toml"
    path.write_text(to_toml(wanted.resolved()))
    stored = tomllib.loads(path.read_text())
    assert stored == wanted.resolved()
    assert stored["clip"] == "none"
    assert "data_dir" not in stored  # of one machine only
    again = resolve(Demo, config=str(path))
    assert again == wanted.model_copy(update={"data_dir": None})
    assert again.digest() == wanted.digest()
    assert again.digest() != Demo().digest()


FORMS: dict[str, Callable[[str], object]] = {
    "set": lambda text: assignment(text, Demo),
    "grid": lambda text: read_axis(text, Demo),
    "vary": read_variation,
    "imperfections": read_assignment,
}
"""Every reader of ``KEY=VALUE``, by its flag."""


@pytest.mark.parametrize("flag", FORMS)
@pytest.mark.parametrize("text", ["rate", "=1", "optimiser..rate=3"])
def test_every_flag_with_assignments_refuses_other_words_in_one_way(flag: str, text: str) -> None:
    """If this fails, a slip in one flag gets another message than the same slip in the next."""
    with pytest.raises(InputError, match=rf"^--{flag} needs [A-Z.]+=[A-Z0-9,.]+, got {re.escape(repr(text))}$"):
        FORMS[flag](text)


@dataclass(frozen=True)
class Part:
    """Object with settings of three types."""

    share: float = 0.5
    count: int = 3
    hard: bool = False


def test_settings_are_read_from_text_and_checked_otherwise() -> None:
    """If this fails, a truth value passes for a number, or half a sample for a count."""
    assert read_settings(Part, "part", {"share": "1", "count": "7", "hard": "true"}) == {"share": 1.0, "count": 7, "hard": True}
    assert read_settings(Part, "part", {"share": 1, "count": 7}) == {"share": 1.0, "count": 7}
    for given in ({"share": True}, {"count": 1.5}, {"count": "1.5"}, {"hard": 1}, {"share": "warm"}):
        ((name, value),) = given.items()
        with pytest.raises(InputError, match=rf"^part\.{name} must be a valid \w+, got {value!r}; correct the value$"):
            read_settings(Part, "part", given)
    with pytest.raises(InputError, match="unknown setting of part 'sharre'; did you mean 'share'"):
        read_settings(Part, "part", {"sharre": 1.0})
    with pytest.raises(InputError, match="unknown setting of part 'hard'"):
        read_settings(Part, "part", {"hard": True}, ("share",))
    with pytest.raises(InputError, match="nothing has no settings, got 'share'"):
        read_settings(object, "nothing", {"share": 1.0})
