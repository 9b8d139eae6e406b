"""Effects of hardware on a gradient: orders in the nudge, the best nudge under noise, unfinished phases, mismatch and converters.

A published-size table was reproduced with a tanh network of 6-10-4 units, whose weights and data are not known: exponents and
orders are asserted as the theory has them, values with the spread between networks (a few hundredths of a cosine) as tolerance.
"""

import dataclasses
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch

from contrastive_core.analysis.gradient_quality import Agreement, compare_gradients
from contrastive_core.baselines import RULES as EXACT
from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS
from contrastive_core.devices.device import Device
from contrastive_core.devices.effect import Effect
from contrastive_core.devices.effects.periphery import NodeNoise, NudgeError, StateConverter
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.errors import InputError
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Estimate, Setting, Settling
from contrastive_core.types import Batch, Gradients
from eqprop import RULES

SETTING = Setting(COSTS["squared-error"](), Settling(free=Stop(1e-13, 3000), second=Stop(1e-12, 3000)), strength=0.1)


def network(seed: int = 0) -> Layered:
    generator, tanh = torch.Generator().manual_seed(seed), ACTIVATIONS["tanh"]
    return Layered((6, 10, 4), activation=tanh, output_activation=tanh, gain=1.0, generator=generator, dtype=torch.float64)


def batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed + 3)
    inputs = torch.randn(8, 6, generator=generator, dtype=torch.float64)
    return Batch(inputs, torch.rand(8, 4, generator=generator, dtype=torch.float64) * 2 - 1)


@cache
def exact(seed: int = 0) -> Gradients:
    return EXACT["implicit"](SETTING).estimate(network(seed), batch(seed)).gradients


@cache
def relaxed(rule: str, strength: float) -> Estimate:
    return RULES[rule](dataclasses.replace(SETTING, strength=strength)).estimate(network(), batch())


def held(*effects: Effect, seed: int = 0) -> OnDevice:
    return OnDevice(network(seed), Device(effects=effects))


def quality(estimate: Estimate, seed: int = 0) -> Agreement:
    return compare_gradients(estimate.gradients, exact(seed))[1]


@pytest.mark.parametrize(
    ("rule", "order", "published"),
    [("ep-positive", 1, (0.239, 0.131, 0.069, 0.0143)), ("ep-centered", 2, (0.052, 0.0144, 0.0037, 0.00015))],
)
def test_the_bias_of_a_nudge_has_the_order_of_its_sides(rule: str, order: int, published: tuple[float, ...]) -> None:
    """If this fails, the reason to nudge to both sides is gone. Next order: a tenth of a power at .05."""
    errors = [quality(relaxed(rule, strength)).relative_error for strength in (0.2, 0.1, 0.05, 0.01)]
    assert np.log(errors[2] / errors[3]) / np.log(5) == pytest.approx(order, abs=0.1)
    np.testing.assert_allclose(errors, published, rtol=0.15)  # a bias is a property of the weights: another network's


def best_strength(rule: str, sigma: float) -> tuple[float, float]:
    """Return the strength at which a gradient read with noise is best, and its root mean square relative error."""
    strengths = np.geomspace(0.002, 0.5, 16)
    chip, presented = held(NodeNoise(sigma)), batch()
    clamped, errors = chip.clamp(presented.inputs), []
    for strength in strengths:
        phases = relaxed(rule, float(strength)).relaxations
        minus, count = phases.get("negative", phases["free"]).state, len(phases) - 1
        squares = []
        for _ in range(16):
            chip.begin_use_()
            noisy = chip.energy_gradient(phases["positive"].state, clamped, minus, 1 / (count * float(strength)))
            squares.append(compare_gradients(noisy, exact())[1].relative_error ** 2)
        errors.append(np.sqrt(np.mean(squares)))
    # The error has a minimum like x^p + 1/x: its place by a parabola through five logarithms.
    middle = min(max(int(np.argmin(errors)), 2), len(errors) - 3)
    near = slice(middle - 2, middle + 3)
    curve = np.polyfit(np.log(strengths[near]), np.log(errors[near]), 2)
    return float(np.exp(-curve[1] / (2 * curve[0]))), float(np.exp(np.polyval(curve, -curve[1] / (2 * curve[0]))))


@pytest.mark.parametrize(("rule", "order"), [("ep-positive", 1), ("ep-centered", 2)])
def test_the_best_nudge_under_read_noise_balances_bias_and_noise(rule: str, order: int) -> None:
    r"""If this fails, the strength that a noisy device needs is misjudged by powers of ten.

    Bias :math:`\propto \beta^p` and noise :math:`\propto \sigma/\beta` give :math:`\beta^* \propto \sigma^{1/(p+1)}` and an error
    :math:`\propto \sigma^{p/(p+1)}`. 16 readings of 100 numbers know an error to 2 per cent, the place of its minimum to some 15.
    """
    sigmas = (1e-4, 1e-3, 1e-2) if order == 2 else (1e-5, 1e-4, 1e-3)  # where the next order of the bias does not matter yet
    found = np.log([(sigma, *best_strength(rule, sigma)) for sigma in sigmas])
    place, error = (np.polyfit(found[:, 0], found[:, column], 1)[0] for column in (1, 2))
    assert place == pytest.approx(1 / (order + 1), abs=0.1)
    assert error == pytest.approx(order / (order + 1), abs=0.1)


def test_centering_cancels_a_free_phase_that_was_cut_short() -> None:
    """If this fails, one-sided learning on a device too slow to settle looks as good as centered learning.

    Free phases of T steps of .2 time constants, nudged ones of 2 time constants; means of six networks.
    """
    cosines: dict[tuple[str, int], float] = {}
    for rule in ("ep-positive", "ep-centered"):
        for steps in (2, 10, 20, 50):
            settling = Settling(Synchronous(0.2), free=Stop(None, steps), second=Stop(None, 10))
            short = RULES[rule](dataclasses.replace(SETTING, strength=0.05, settling=settling))
            cosines[rule, steps] = float(np.mean([quality(short.estimate(network(s), batch(s)), s).cosine for s in range(6)]))
    centered = [cosines["ep-centered", steps] for steps in (2, 10, 20, 50)]
    np.testing.assert_allclose(centered, (0.87, 0.95, 0.97, 0.98), atol=0.05)
    assert all(later > earlier for earlier, later in pairwise(centered))
    assert max(cosines["ep-positive", steps] for steps in (2, 10)) < 0  # it learns the drift
    assert cosines["ep-positive", 20] < 0.4
    assert cosines["ep-positive", 50] > 0.9  # the control: once settled it is as good


@pytest.mark.parametrize(("mismatch", "published"), [(0.05, 1.026), (0.1, 1.045), (0.3, 1.117)])
def test_mismatch_of_the_two_nudges_only_rescales_the_gradient(mismatch: float, published: float) -> None:
    """If this fails, the tolerance of centered learning to unequal nudges, which spares a calibration, is wrong."""
    found = quality(RULES["ep-centered"](SETTING).estimate(held(NudgeError(0.0, mismatch)), batch()))
    assert found.cosine >= 0.999
    assert found.norm_ratio == pytest.approx(published, abs=0.01)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_nudge_of_another_strength_is_divided_by_the_nominal_one(frozen: bool) -> None:
    """If this fails, an error of the nudge is known to the rule that divides by it, or acts on the wrong side."""
    setting = dataclasses.replace(SETTING, frozen=frozen)
    got = RULES["ep-centered"](setting).estimate(held(NudgeError(0.2, 0.5)), batch()).gradients
    up, down = (
        RULES[rule](dataclasses.replace(setting, strength=0.1 * gain)).estimate(network(), batch()).gradients
        for rule, gain in (("ep-positive", 1.8), ("ep-negative", 1.2))
    )
    for name, gradient in got.items():
        # Each side's contrast, divided by .1 instead of by its own strength; states relaxed to 1e-12 / .1.
        torch.testing.assert_close(gradient, (1.8 * up[name] + 1.2 * down[name]) / 2, rtol=0, atol=1e-9)
    with pytest.raises(InputError, match="above -1"):
        NudgeError(-1.0)


def spread_out(seed: int) -> tuple[Layered, Batch]:
    """Return a network of normal weights, of the variance that uniform ones have, and 32 samples."""
    layers, generator = network(seed), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in layers.named_parameters():
            if name.startswith("weight"):
                parameter.normal_(0, 0.6 / parameter.shape[0] ** 0.5, generator=generator)
    inputs = torch.randn(32, 6, generator=generator, dtype=torch.float64)
    return layers, Batch(inputs, torch.rand(32, 4, generator=generator, dtype=torch.float64) * 2 - 1)


def test_converters_cost_the_gradient_their_step_over_the_contrast() -> None:
    """If this fails, the bits that learning needs are miscounted; means of six networks.

    What rounding does averages over samples, and large contrasts suffer less: 8 samples and uniform weights come to .84 at 4 bits.
    Between networks the cosine at 4 bits spreads by .03, at 6 bits by .004.
    """
    turned = []
    for bits in (4, 6, 8, 10):
        found = []
        for seed in range(6):
            (layers, presented), (twin, _) = spread_out(seed), spread_out(seed)
            plain = RULES["ep-centered"](SETTING).estimate(layers, presented).gradients
            coarse = RULES["ep-centered"](SETTING).estimate(OnDevice(twin, Device(effects=(StateConverter(bits),))), presented).gradients
            found.append(compare_gradients(coarse, plain)[1].cosine)
        turned.append(float(np.mean(found)))
    assert np.all(np.abs(np.array(turned) - (0.935, 0.995, 1.0, 1.0)) < (0.03, 0.005, 0.002, 0.0002))  # the published network
    # A quarter of the step, and 1 - cos is quadratic in the error: a factor of 16 (18 from 4 to 6 bits, whose levels are 2^b - 2),
    # within a factor of 2 for errors that are not random numbers.
    for coarse_cosine, fine_cosine in pairwise(turned[1:]):
        assert 8 < (1 - coarse_cosine) / (1 - fine_cosine) < 32
