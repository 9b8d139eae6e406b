"""The page of ``eqlab show``: recorded phases are those that relax, the numbers in the page are theirs, and a browser draws them."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Eqlab, Found, Refused

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.data import DATASETS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.files.checkpoint import save_checkpoint
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from experiments.commandline.invocation import Invocation
from experiments.interactive import show
from experiments.interactive.landscape import landscape_of
from experiments.interactive.options import PageOptions
from experiments.interactive.page import Shown, numbers_of, render_page
from experiments.interactive.recorded import Thought, think
from experiments.interactive.show import Source, _source, compute
from experiments.setup.options import TrialOptions
from experiments.setup.training_metrics import identity_of

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SMALL = ("--hidden", 6, "--epochs", 0, "--samples", 3, "--strengths", 0.2, "--energy-scales", 1, "--temperatures", 0)
CALL = Invocation("show", (), None, True, True, 1)


@pytest.fixture(scope="module")
def source() -> Source:
    """An untrained network of digits, with two values on each slider."""
    options = PageOptions(hidden=(6,), epochs=0, samples=(0, 3), strengths=(0.1, 0.3), energy_scales=(0.5, 1.0), temperatures=(0.0, 0.01))
    return _source(options, CALL)


@pytest.fixture(scope="module")
def shown(source: Source) -> Shown:
    """Recorded phases of that network, as the page draws them."""
    return compute(source, CALL)


def two_units() -> tuple[Layered, Batch]:
    """A chain of one input, one hidden unit and one output."""
    network = Layered((1, 1, 1), activation="tanh", energy_scale=0.8, dtype=torch.float64)
    for parameter, value in zip(network.parameters(), (1.0, 0.0, -0.8, 0.2), strict=True):
        parameter.data.fill_(value)
    return network, Batch(torch.tensor([[0.5]], dtype=torch.float64), torch.tensor([[0.6]], dtype=torch.float64))


def thought(network: Layered, batch: Batch) -> Thought:
    """Its phases, relaxed far."""
    settling = Settling(GradientFlow(), Stop(1e-9, 200), Stop(1e-9, 200))
    return think(network, batch, Setting(SquaredError(), settling), (0.1, 0.25), 0)


def decoded(part: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers of the page, read from its own words."""
    raw = base64.b64decode(part["data"])
    if part["type"] == "uint16":
        return part["low"] + (part["high"] - part["low"]) * np.frombuffer(raw, "<u2") / 65535
    return np.frombuffer(raw, {"float32": "<f4", "int8": "i1"}[part["type"]]).astype(float)


def test_recorded_phases_end_where_the_relaxation_does(shown: Shown) -> None:
    """If this fails, the page shows another way than the one whose certificate it prints, also under noise."""
    for row in shown.thoughts:
        for one in row:
            for phase in one.phases:
                for sample in range(len(shown.places)):
                    last = phase.frames(sample) - 1
                    for layer, end in zip(phase.states, phase.relaxation.state, strict=True):
                        assert torch.equal(layer[last, sample], end[sample].flatten())
                    assert phase.residual[last - 1, sample] == phase.relaxation.residual[sample]
            # A flow without noise never climbs; at 0.01 the free phase of this network does.
            falls = bool((one.free.energy.diff(dim=0) <= 1e-12).all())
            assert falls is (one is row[0])


def test_nudged_phases_are_those_of_the_documented_strength() -> None:
    """If this fails, the slider names other strengths than rules do: a rest of E + s C, s in units of the outputs' stiffness."""
    network, batch = two_units()
    found = thought(network, batch)
    clamped = network.clamp(batch.inputs)
    for (strength, sign), phase in found.nudged.items():
        nudge = Nudge(SquaredError(), batch, sign * strength * 0.8**2)
        with torch.no_grad():
            expected = relax(clamped, found.free.relaxation.state, GradientFlow(), Stop(1e-12, 200), nudge, backend="torch").state
        # Both are within their residuals over the least curvature, which is above 0.2, of the same rest.
        assert all(torch.allclose(a, b, rtol=0, atol=1e-8) for a, b in zip(phase.relaxation.state, expected, strict=True))
        assert phase.strength == nudge.strength


def test_a_landscape_of_two_units_is_their_energy() -> None:
    """If this fails, contours are not those of the energy: two units are the whole plane, and the nudged rest is its lowest point."""
    network, batch = two_units()
    found = thought(network, batch)
    land = landscape_of(found, 0, SquaredError(), batch)
    assert land is not None
    left, right, below, above = land.extent
    plane = torch.stack([land.plane.across, land.plane.along])
    assert torch.allclose(plane @ plane.T, torch.eye(2, dtype=torch.float64), atol=1e-12)
    row, column = 8, 20
    sideways, upward = (np.linspace(*ends, len(land.energy)) for ends in ((left, right), (below, above)))
    spot = land.plane.origin.numpy() + sideways[column] * land.plane.across.numpy() + upward[row] * land.plane.along.numpy()
    hidden, output = np.clip(spot[0], -1 + 1e-15, 1 - 1e-15), spot[1]
    potential = hidden * np.arctanh(hidden) + 0.5 * np.log(1 - hidden**2)
    energy = 0.8 * (potential - hidden * 1.0 * 0.5) + 0.8**2 * (0.5 * output**2 - output * (-0.8 * hidden + 0.2))
    # Roundings of 1 - s^2, of the order of 1e-16 at these points.
    assert float(land.energy[row, column]) == pytest.approx(energy, abs=1e-12)
    assert float(land.cost[row, column]) == pytest.approx(0.5 * (output - 0.6) ** 2, abs=1e-12)
    for phase in found.phases:
        tilted = land.energy + phase.strength * land.cost
        place = land.plane.places(torch.cat([layer[-1] for layer in phase.states], 1))[0]
        assert float(place[2]) < 1e-9
        lowest = divmod(int(tilted.argmin()), tilted.shape[1])
        # The lowest of the points is within a cell of the rest, here of a nearly round valley.
        assert abs(lowest[1] - (float(place[0]) - left) / (right - left) * (tilted.shape[1] - 1)) < 1.5
        assert abs(lowest[0] - (float(place[1]) - below) / (above - below) * (tilted.shape[0] - 1)) < 1.5


def test_the_numbers_of_the_page_are_those_of_the_reference(shown: Shown, source: Source) -> None:
    """If this fails, sliders show what nothing has computed: phases lie in one table, and are found by their first frame."""
    numbers = numbers_of(shown, source.splits)
    frames = {name: decoded(part) for name, part in numbers["frames"].items()}
    width = sum(len(layer["units"]) for layer in numbers["layers"])
    places, units = frames["places"].reshape(-1, 3), frames["units"].reshape(-1, width) / 127
    step = (numbers["frames"]["places"]["high"] - numbers["frames"]["places"]["low"]) / 65535
    count = 0
    for scale, row in enumerate(shown.thoughts):
        for temperature, one in enumerate(row):
            for sample in range(2):
                run = numbers["runs"][scale][temperature][sample]
                land = landscape_of(row[0], sample, shown.cost, shown.batch)
                assert land is not None
                end = torch.cat([layer[one.free.frames(sample) - 1, sample] for layer in one.free.states]).numpy()
                pairs = [
                    (run["free"], one.free),
                    *((run["nudged"][i][j], one.nudged[s, d]) for i, s in enumerate((0.1, 0.3)) for j, d in ((0, 1), (1, -1))),
                ]
                for entry, phase in pairs:
                    here = slice(entry["first"], entry["first"] + entry["frames"])
                    assert entry["frames"] == phase.frames(sample)
                    for name, values in (("energy", phase.energy), ("cost", phase.cost)):
                        # Single floats have 24 bits.
                        assert frames[name][here] == pytest.approx(values[: entry["frames"], sample].numpy(), rel=2.0**-24)
                    assert np.isnan(frames["residual"][here][0])
                    residual = phase.residual[: entry["frames"] - 1, sample].numpy()
                    assert frames["residual"][here][1:] == pytest.approx(residual, rel=2.0**-24)
                    states = torch.cat([layer[: entry["frames"], sample] for layer in phase.states], 1)
                    # Codes are rounded to half a step.
                    assert np.abs(places[here] - land.plane.places(states).numpy()).max() <= 0.51 * step
                    sizes = np.repeat(entry["sizes"], [6, 10])
                    moved = states.numpy() - (0 if phase is one.free else end)
                    # Half a step of 127, and sizes of five digits.
                    assert np.abs(units[here] * sizes - moved).max() <= (0.5 / 127 + 1e-4) * max(entry["sizes"])
                    count += entry["frames"]
    assert count == len(frames["energy"])


DRIVER = """
<script>
(() => {
  const found = [], play = document.getElementById("play");
  const of = (part, name) => Number(document.querySelector(`${part} [data-${name}]`).dataset[name]);
  const read = () => {
    const dot = document.querySelector("#landscape circle[r='7']"), box = document.querySelector("#landscape svg").viewBox.baseVal;
    found.push({energy: of("#now", "energy"), cost: of("#now", "cost"), residual: of("#now", "residual"), sweep: of("#now", "sweep"),
      dot: [dot.cx.baseVal.value / box.width, dot.cy.baseVal.value / box.height], rest: of("#rest", "residual"),
      heat: [...document.querySelectorAll("#sweeps image")].map(one => one.href.baseVal).join(), label: play.getAttribute("aria-label"),
      said: ["strength", "scale", "temperature"].map(name => document.getElementById(`${name}-value`).textContent), hash: location.hash});
  };
  const move = (name, value) => {
    const slider = document.getElementById(name);
    slider.value = value;
    slider.dispatchEvent(new Event("input", {bubbles: true}));
    read();
  };
  const press = key => { document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true})); read(); };
  read();
  move("sweep", 3);
  move("strength", 0);
  move("scale", 0);
  move("temperature", 1);
  document.querySelectorAll("#samples input")[1].click();
  read();
  press("ArrowRight");
  press("2");
  press(" ");
  press(" ");
  const result = document.createElement("pre");
  result.id = "found";
  const controls = [...document.querySelectorAll("input, button")];
  const unlabelled = controls.filter(one => !(one.labels?.length || one.getAttribute("aria-label") || one.textContent)).length;
  result.textContent = JSON.stringify({found, errors, unlabelled});
  document.body.append(result);
})();
</script>
"""
LISTENER = """<script>const errors = []; addEventListener("error", event => errors.push(String(event.message)));
addEventListener("securitypolicyviolation", event => errors.push(event.violatedDirective));
console.error = (...words) => errors.push(words.join(" "));</script>"""


def opened(page: str, folder: Path) -> dict[str, Any]:
    """Open a page in a headless browser, drive its controls, and return what they show."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"no browser is installed here: {', '.join(BROWSERS)}")
    driven = page.replace("<head>", f"<head>{LISTENER}", 1).replace("</body>", f"{DRIVER}</body>", 1)
    (folder / "driven.html").write_text(driven, "utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1000,900", f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    command = [browser, *flags, (folder / "driven.html").as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="found">(.*?)</pre>', result.stdout, re.DOTALL)
    assert found, result.stdout[-2000:] + result.stderr[-2000:]
    return dict(json.loads(html.unescape(found[1])))


def test_a_browser_shows_the_reference_at_every_place_of_the_sliders(shown: Shown, source: Source, tmp_path: Path) -> None:
    """If this fails, the page raises errors, or a slider that is moved does not show the numbers of its value."""
    page = render_page(shown, source.splits)
    assert not re.search(r"(?:src|href|url\()\s*=?\s*[\"']?(?:https?:)?//", page)
    result = opened(page, tmp_path)
    assert result["errors"] == []
    assert result["unlabelled"] == 0
    # Strength, scale, temperature and sample of each reading, and the state of the free phase or the positive nudge.
    expected = [(1, 1, 0, 0, 0), (1, 1, 0, 0, 3), (0, 1, 0, 0, 3), (0, 0, 0, 0, 3), (0, 0, 1, 0, 3), (0, 0, 1, 1, 3), (0, 0, 1, 1, 4)]
    readings = result["found"]
    for reading, (strength, scale, temperature, sample, sweep) in zip(readings, expected, strict=False):
        one = shown.thoughts[scale][temperature]
        frame = (sweep, sample)
        assert reading["sweep"] == sweep
        assert reading["energy"] == pytest.approx(float(one.free.energy[frame]), rel=2.0**-24)
        assert reading["cost"] == pytest.approx(float(one.free.cost[frame]), rel=2.0**-24)
        assert sweep == 0 or reading["residual"] == pytest.approx(float(one.free.residual[sweep - 1, sample]), rel=2.0**-24)
        assert reading["rest"] == pytest.approx(float(one.free.relaxation.residual[sample]), rel=1e-4)
        assert reading["said"] == [f"{(0.1, 0.3)[strength]:g}", f"{(0.5, 1)[scale]:g}", f"{(0, 0.01)[temperature]:g}"]
        land = landscape_of(shown.thoughts[scale][0], sample, shown.cost, shown.batch)
        assert land is not None
        left, right, below, above = land.extent
        across, along, _ = land.plane.places(torch.cat([layer[sweep, sample] for layer in one.free.states])[None])[0].tolist()
        # Places are codes of 16 bits of the largest one, and the picture is a whole number of points high.
        assert reading["dot"] == pytest.approx([(across - left) / (right - left), (above - along) / (above - below)], abs=2e-3)
    nudged = shown.thoughts[0][1].nudged[0.1, 1]
    assert readings[7]["energy"] == pytest.approx(float(nudged.energy[0, 1]), rel=2.0**-24)
    assert readings[7]["sweep"] == 0
    assert [reading["label"] for reading in readings[7:]] == ["Play", "Pause", "Play"]
    assert readings[-1]["hash"].startswith("#sample=1&strength=0&scale=0&temperature=1&frame=")
    # Every slider but that of sweeps draws other rows.
    heats = [reading["heat"] for reading in readings]
    assert heats[0] == heats[1]
    assert all(before != after for before, after in pairwise(heats[1:6]))


@pytest.mark.usefixtures("here")
def test_the_command_writes_one_small_page_and_says_where(
    eqlab: Eqlab, found: Found, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a newcomer finds no page, a page of something else, or loses a file."""
    result = found("show", *SMALL, "--out", "page")
    page = Path("page.html")
    assert result["page"] == "page.html"
    assert result["bytes"] == len(page.read_bytes()) < 200_000
    assert [row["phase"] for row in result["phases"]] == ["free", "nudged"]
    assert all(row["converged"] == 1 and 0 <= row["residual"] < 1e-3 for row in result["phases"])
    assert "open it in a browser" in eqlab("show", *SMALL, "--out", "page.html").stdout
    Path("mine.html").write_text("mine")
    assert "mine.html exists and is no page of eqlab" in refused("show", *SMALL, "--out", "mine.html")
    assert Path("mine.html").read_text() == "mine"
    monkeypatch.setattr(show, "LARGEST", 1000)
    before = page.read_bytes()
    assert "MB open quickly; give fewer --samples" in refused("show", *SMALL, "--out", "page.html")
    assert page.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--samples", 9999, "--epochs", 0), "there is no test sample 9999: digits has 350, counted from 0; give other --samples"),
        (("--samples", "1,1"), "named twice"),
        (
            ("--dynamics", "forward", "--temperatures", 0.1),
            "thermal noise shakes gradient-flow, and --dynamics is forward; give --temperatures 0",
        ),
        (("--node-temperature", 0.1), "the page has a slider of several; give --temperatures"),
        (("--frozen",), "--frozen holds the force of the nudge"),
        (("--network", "resistive", "--energy-scales", "1,0.5", "--epochs", 0), "--energy-scales has no effect on a resistive network"),
        (("no-such-run",), "there is no run runs/no-such-run; see 'eqlab runs list'"),
        (("--strengths", 1.5, *SMALL[:4]), "the energy has no minimum at this nudging strength"),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_cannot_be_shown_is_refused_in_a_sentence(arguments: tuple[object, ...], words: str, refused: Refused) -> None:
    """If this fails, a mistake ends in a traceback, or in a page of something else than was asked for."""
    assert words in refused("show", *arguments)
    assert not Path("relaxation.html").exists()


@pytest.mark.usefixtures("here")
def test_a_checkpoint_shows_the_network_that_was_trained(found: Found, refused: Refused) -> None:
    """If this fails, the page of a run shows other weights, or swallows an option that the training has decided."""
    splits = DATASETS["digits"](None, 0)
    options = TrialOptions(hidden=(5,), activation="hard-sigmoid", energy_scale=0.7)
    kept = {f"best.{name}": value for name, value in Layered((64, 5, 10), gain=1.2, generator=7).state_dict().items()}
    save_checkpoint("one.safetensors", kept, {"identity": identity_of(options, 3, splits)})  # as trainings write them
    few = ("--samples", 1, "--strengths", 0.2, "--temperatures", 0)
    assert "--hidden says what a new network is, and one.safetensors has one" in refused("show", "one.safetensors", *few, "--hidden", 5)
    result = found("show", "one.safetensors", *few, "--energy-scales", 0.7)
    assert result["network"] == "64-5-10"
    assert [row["energy_scale"] for row in result["phases"]] == [0.7, 0.7]
    page = Path("relaxation.html").read_text("utf-8")
    numbers = json.loads(re.findall(r'<script type="application/json" id="numbers">(.*?)</script>', page, re.DOTALL)[0])
    entry = numbers["runs"][0][0][0]["free"]
    last = decoded(numbers["frames"]["energy"])[entry["first"] + entry["frames"] - 1]
    network = Layered((64, 5, 10), activation="hard-sigmoid", energy_scale=0.7, dtype=torch.float64)
    network.load_state_dict({name.removeprefix("best."): value for name, value in kept.items()})
    clamped = network.clamp(splits.test.inputs[1:2])
    with torch.no_grad():
        rest = relax(clamped, network.initial_state(clamped), BlockDescent(), Stop(1e-12, 500), backend="torch").state
        # The energy is flat at its minimum: a residual of 1e-4 changes it by the order of its square, and single floats by 2^-24.
        assert last == pytest.approx(float(network.energy(rest, clamped)), rel=1e-6)
