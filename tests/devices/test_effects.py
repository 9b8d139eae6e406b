"""Effects with a memory, a law or a spread of their own: spectra, lifetimes, gains, errors of nudges, bounds of devices, growing pairs."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from contrastive_core.analysis.gradient_quality import compare_gradients
from contrastive_core.baselines import RULES as EXACT
from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS
from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.array_effects import ConductanceNoise, Drift, NoiseKind, ProgrammingError
from contrastive_core.devices.effects.feedback import AsymmetricFeedback
from contrastive_core.devices.effects.finite_states import FiniteStates, Rounding
from contrastive_core.devices.effects.leak import GrowingPair, Leak
from contrastive_core.devices.effects.neurons import Gained, NeuronGain
from contrastive_core.devices.effects.periphery import NudgeError, StateConverter
from contrastive_core.devices.effects.phase_change import DriftModel, PhaseChangeNoise, ProgrammingModel
from contrastive_core.devices.effects.variation import CycleToCycle, DeviceToDevice, PulseNoise, Spread
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.devices.write_law import LinearStep, PowerStep, alpha_of_label, exponential_device
from contrastive_core.errors import InputError, UnknownNameError
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge, Pull
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch, Gradients
from eqprop import RULES
from experiments.setup.devices import assemble, split

RANGE = Conductance(0.0, 1.0, Pairing.SINGLE)
Z = 4.5
"""Standard errors beyond which a number is rejected: one in 150 000 by chance."""
MANY = 40_000
SETTING = Setting(COSTS["squared-error"](), Settling(free=Stop(1e-12, 2000), second=Stop(1e-10, 2000)), strength=0.01)


def levels(value: float, arrays: int = 1, count: int = MANY) -> Tensor:
    return torch.full((arrays, count), value, dtype=torch.float64)


def network(activation: str = "tanh", output: str = "tanh", seed: int = 0) -> Layered:
    hidden, last = ACTIVATIONS[activation], ACTIVATIONS[output]
    generator = torch.Generator().manual_seed(seed)
    return Layered((6, 10, 4), activation=hidden, output_activation=last, generator=generator, dtype=torch.float64)


def batch() -> Batch:
    generator = torch.Generator().manual_seed(3)
    return Batch(torch.rand(8, 6, generator=generator, dtype=torch.float64), torch.arange(8) % 4)


def estimate(net: Layered | OnDevice, setting: Setting = SETTING, rule: str = "ep-centered", given: Batch | None = None) -> Gradients:
    return RULES[rule](setting).estimate(net, given or batch()).gradients


OCTAVES, USES, DEVICES = 8, 512, 400


def spectrum(frequency: float) -> float:
    """Return the expected power of the sum over octaves of numbers held for 1, 2, 4, ... uses, in closed form."""
    held = [math.sin(math.pi * frequency * 2**k) ** 2 / 2**k for k in range(OCTAVES)]
    return sum(held) / OCTAVES / math.sin(math.pi * frequency) ** 2


def periodogram(kind: NoiseKind) -> np.ndarray:
    device = Device(RANGE, effects=(ConductanceNoise(0.01, kind, OCTAVES),), seed=5)
    seen = torch.stack([device.seen(levels(0.5, count=DEVICES), "weight", use)[0] for use in range(USES)]).numpy()
    noise = (seen / 0.5 - 1) / 0.01  # of shape (uses, devices), of unit variance
    power: np.ndarray = (np.abs(np.fft.fft(noise, axis=0)) ** 2).mean(1) / USES
    return power


def test_flicker_noise_has_its_spectrum_and_white_noise_has_not() -> None:
    """If this fails, averaging readings helps against noise against which it does not help.

    At odd frequencies of the span all octaves' sums are circular, so that powers are exponential numbers: the mean of 400 is known to 5 %.
    """
    places = [1, 3, 7, 15, 31, 63, 127, 255]
    expected = np.array([spectrum(place / USES) for place in places])
    deviation = (periodogram(NoiseKind.FLICKER)[places] / expected - 1) * math.sqrt(DEVICES)
    assert np.abs(deviation).max() < Z
    white = (periodogram(NoiseKind.RELATIVE)[places] / expected - 1) * math.sqrt(DEVICES)
    assert np.abs(white).max() > 2 * Z  # the control
    # The closed form is 1/f: its product with f changes by less than a quarter to either side over the decades of its octaves.
    flat = np.array([f * spectrum(f) for f in np.geomspace(2.0 ** -(OCTAVES - 1), 0.25, 200)])
    assert flat.max() / np.median(flat) < 1.25
    assert flat.min() / np.median(flat) > 0.75


def test_noise_of_phase_change_memory_grows_with_the_logarithm_of_time() -> None:
    """If this fails, a chip read a day later is as quiet as one just written. n = 40000."""
    t_read, kind = 250e-9, Conductance(0.0, 1.0, Pairing.SINGLE)
    # At three read times the logarithm is that of 2: nothing of it is hidden by a day of noise.
    for level, seconds in ((1.0, 20.0), (0.3, 1e5), (0.6, 3 * t_read)):
        seen = Device(kind, effects=(PhaseChangeNoise(0.0088),), seconds=seconds).seen(levels(level), "weight", 1)[0]
        sigma = min(0.0088 / level**0.65, 0.2) * math.sqrt(math.log((seconds + t_read) / (2 * t_read)))
        assert abs(float((seen / level - 1).std()) / sigma - 1) < Z / math.sqrt(2 * MANY)
    still = Device(kind, effects=(PhaseChangeNoise(0.0088),)).seen(levels(0.5), "weight", 1)
    torch.testing.assert_close(still, levels(0.5), rtol=0, atol=0)


@pytest.mark.parametrize(("pairing", "zero"), [(Pairing.SINGLE, 0.0), (Pairing.OFFSET, 0.5), (Pairing.DIFFERENTIAL, 0.0)])
def test_charge_leaks_to_the_level_of_no_weight_by_a_geometric_law(pairing: Pairing, zero: float) -> None:
    """If this fails, a capacitor forgets to another weight than 0, or at another rate."""
    device = Device(Conductance(0.0, 1.0, pairing), effects=(Leak(20.0),))
    level = levels(0.9, 2 if pairing is Pairing.DIFFERENTIAL else 1, 3)
    for write in range(10):
        written = device.write(level, torch.zeros_like(level), "weight", write)
        level = written.level
        assert float(written.pulses.abs().max()) == 0
    torch.testing.assert_close(level, torch.full_like(level, zero + (0.9 - zero) * 0.95**10), rtol=1e-12, atol=0)


def test_a_write_finds_what_the_leak_left() -> None:
    """If this fails, charge leaks after it was used, or the write law acts on charge that is gone."""
    device = Device(RANGE, LinearStep(1, 1), step=0.01, effects=(Leak(4.0),))
    level = device.write(levels(0.8, count=1), levels(0.01, count=1), "weight", 1).level
    assert float(level) == pytest.approx(0.6 + 0.01 * (1 - (2 * 0.6 - 1)), abs=1e-14)


def test_drift_depends_on_conductance_as_it_was_measured() -> None:
    """If this fails, small and large weights lose their ratio in another way than on the material."""
    kind = Conductance(0.0, 2.0, Pairing.SINGLE)
    seen = kind.siemens(Device(kind, effects=(Drift(0.05, 0.0, 20.0, nu_k=0.01),), seconds=2e4).seen(levels(0.1, count=2), "weight", 1))
    torch.testing.assert_close(seen, torch.full_like(seen, 0.2 * 1e3 ** -(0.05 - 0.01 * math.log(0.1))), rtol=1e-12, atol=0)
    share = torch.tensor([1.0, 0.1, 1e-3], dtype=torch.float64)
    mean, spread = DriftModel.PCM.exponents(share, 0.0, 0.0)
    expected = (0.049, -0.0155 * math.log(0.1) + 0.0244, 0.1)  # cut off at both ends
    torch.testing.assert_close(mean, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)
    wide = (0.008, -0.0125 * math.log(0.1) - 0.0059, 0.045)
    torch.testing.assert_close(spread, torch.tensor(wide, dtype=torch.float64), rtol=1e-12, atol=0)
    device = Device(RANGE, effects=(Drift(model=DriftModel.PCM),), seconds=20 * math.e)  # so that ln G falls by the exponent
    found = -(device.seen(levels(0.1), "weight", 1)[0] / 0.1).log()
    assert abs(float(found.mean()) - expected[1]) < Z * wide[1] / math.sqrt(MANY)


@pytest.mark.parametrize(
    ("model", "largest", "sigma"),
    [
        (ProgrammingModel.PCM, 25e-6, lambda g: 0.26348 + 1.9650 * g / 25 - 1.1731 * (g / 25) ** 2),
        (ProgrammingModel.PCM_JOSHI, 25e-6, lambda g: -0.00178767 * g**2 + 0.07585724 * g + 0.28638599),
        (ProgrammingModel.RERAM_MILO, 225e-6, lambda g: -0.009107 * g + 4.782),
        (ProgrammingModel.CONSTANT, 50e-6, lambda g: 0.03 * 50),
    ],
)
def test_programming_errors_are_those_of_the_material(model: ProgrammingModel, largest: float, sigma: Any) -> None:
    """If this fails, weights trained elsewhere arrive with other errors than on the material. Microsiemens; n = 40000."""
    kind = Conductance(0.0, largest, Pairing.SINGLE)
    for share in (0.5, 0.9):
        seen = kind.siemens(Device(kind, effects=(ProgrammingError(0.03, model),)).seen(levels(share), "weight", 1))
        expected = 1e-6 * sigma(1e6 * share * largest)
        assert abs(float(seen.std()) / expected - 1) < Z / math.sqrt(2 * MANY)


def test_programmed_conductances_end_inside_the_range_of_the_device() -> None:
    """If this fails, a transfer is judged with conductances that no device of the array can have."""
    kind = Conductance(1e-6, 10e-6, Pairing.SINGLE)
    for share, end, probability in ((0.0, 1e-6, 0.5), (1.0, 10e-6, 0.5), (0.5, 10e-6, math.erfc(4.5 / 2.0 / math.sqrt(2)) / 2)):
        seen = kind.siemens(Device(kind, effects=(ProgrammingError(0.2),)).seen(levels(share), "weight", 1))
        assert 1e-6 * (1 - 1e-9) <= float(seen.min()) <= float(seen.max()) <= 10e-6 * (1 + 1e-9)
        cut = float(((seen - end).abs() < 1e-12).double().mean())  # the share of a normal distribution beyond that end
        assert abs(cut - probability) < Z * math.sqrt(probability * (1 - probability) / MANY)


@pytest.mark.parametrize(("activation", "output"), [("tanh", "tanh"), ("hard-sigmoid", "linear")])
def test_units_of_unequal_gains_still_have_an_energy_whose_gradient_ep_finds(activation: str, output: str) -> None:
    """If this fails, the claim that EP learns around mismatch of gains, since it is still an energy, does not hold here."""
    held = OnDevice(network(activation, output), Device(effects=(NeuronGain(0.3),), seed=1))
    inside = held.inside
    assert isinstance(inside, Layered)
    clamped = inside.clamp(batch().inputs)
    generator = torch.Generator().manual_seed(1)
    state = tuple(
        (a.stretch * (0.1 + 0.3 * torch.rand(8, n, generator=generator, dtype=torch.float64))).requires_grad_()
        for a, n in zip(inside.activations, inside.sizes, strict=True)
    )  # inside the bounds of all units
    slopes = torch.autograd.grad(inside.energy(state, clamped).sum(), state)
    for force, slope in zip(inside.force(state, clamped), slopes, strict=True):
        torch.testing.assert_close(force, -slope, rtol=1e-9, atol=1e-11)
    exact = EXACT["implicit"](SETTING).estimate(inside, batch()).gradients
    # The bias is of the second order in the strength, 3e-6; no unit is so near to its kink.
    weak = dataclasses.replace(SETTING, strength=0.001)
    assert compare_gradients(estimate(held, weak), exact)[1].relative_error < 1e-4
    plain = EXACT["implicit"](SETTING).estimate(network(activation, output), batch()).gradients
    assert compare_gradients(plain, exact)[1].relative_error > 0.05  # the control: gains act


def test_gains_have_their_spread_and_limit_the_nudge() -> None:
    """If this fails, mismatch is larger or smaller than said, or a nudge is allowed that leaves a strong unit no minimum. n = 40000."""
    wide = Layered((1, 2, MANY), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    built = OnDevice(wide, Device(effects=(NeuronGain(0.1),))).inside
    assert isinstance(built, Layered)
    stretch = built.activations[-1].stretch
    assert isinstance(stretch, Tensor)
    assert abs(float(stretch.mean()) - 1) < Z * 0.1 / math.sqrt(MANY)
    assert abs(float(stretch.std()) / 0.1 - 1) < Z / math.sqrt(2 * MANY)
    assert built.least_curvature() == pytest.approx(-1 / float(stretch.max()), rel=1e-12, abs=0)
    assert built.has_minimum(-0.99 / float(stretch.max()))
    assert not built.has_minimum(-1.01 / float(stretch.max()))
    one = Layered((1, 1), gain=0.0, dtype=torch.float64).responding(
        [Gained(ACTIVATIONS["linear"], torch.tensor([2.0], dtype=torch.float64))]
    )
    clamped = one.clamp(torch.ones(1, 1, dtype=torch.float64))
    with torch.no_grad():
        one.bias(0).fill_(0.3)
    # s^2 / (2 a) - s u + (c s^2 / 2 - l s) is least at s = a (u + l) / (1 + a c).
    at = one.minimiser(0, (torch.zeros(1, 1, dtype=torch.float64),), one.clamp(clamped.inputs), Pull(torch.tensor([[0.5]]), 0.25))
    assert float(at.detach()) == pytest.approx(2 * (0.3 + 0.5) / (1 + 2 * 0.25), rel=1e-12, abs=0)
    together = OnDevice(network(), Device(effects=(NeuronGain(0.05), AsymmetricFeedback(0.1))))  # in either order of mention
    assert type(together.inside).__name__ == "Untied"


@pytest.mark.parametrize("frozen", [False, True])
def test_an_offset_of_the_targets_is_another_target(frozen: bool) -> None:
    """If this fails, an offset of the driver is something else than a target that is off."""
    setting, given = dataclasses.replace(SETTING, frozen=frozen), batch()
    off = torch.nn.functional.one_hot(given.labels, 4).double() + 0.2
    wanted = estimate(network(), setting, given=given._replace(labels=off))
    got = estimate(OnDevice(network(), Device(effects=(NudgeError(0.0, 0.0, 0.2),))), setting)
    for name in wanted:
        torch.testing.assert_close(got[name], wanted[name], rtol=0, atol=1e-8)  # states relaxed to 1e-10 / .02
    plain = estimate(network(), setting)
    assert compare_gradients(plain, wanted)[1].relative_error > 0.05  # the control
    cross_entropy = Setting(COSTS["cross-entropy"](), SETTING.settling)
    with pytest.raises(InputError, match="beta_offset moves the targets"):
        estimate(OnDevice(network(), Device(effects=(NudgeError(0.0, 0.0, 0.2),))), cross_entropy)


def test_flipped_nudges_turn_the_gradient_around_in_their_share_of_batches() -> None:
    """If this fails, a driver with the wrong polarity costs no learning, or flips one phase and not the other. n = 400."""
    for rule, other in (("ep-centered", "ep-centered"), ("ep-positive", "ep-negative")):
        got, plain = estimate(OnDevice(network(), Device(effects=(NudgeError(0, 0, 0, 1.0),))), rule=rule), estimate(network(), rule=other)
        for name in plain:
            torch.testing.assert_close(got[name], -plain[name], rtol=0, atol=1e-8)
    device = Device(effects=(NudgeError(0, 0, 0, 0.3),))
    asked, output = Nudge(SETTING.cost, batch(), 0.1), torch.zeros(8, 4, dtype=torch.float64)
    effect = device.effects[0]
    assert isinstance(effect, NudgeError)
    flips = sum(effect.nudged(asked, output, device.draws(effect, "nudge", use)).strength < 0 for use in range(400))
    assert abs(flips - 120) < Z * math.sqrt(400 * 0.3 * 0.7)
    assert abs(flips - 0.5 * 400) > Z * math.sqrt(400 * 0.3 * 0.7)  # the control: not a coin


def test_stochastic_converters_are_right_on_average() -> None:
    """If this fails, dithering, which buys bits by averaging, is an artefact. n = 40000."""
    value, step = torch.full((MANY, 1), 0.3 / 7, dtype=torch.float64), 1 / 7  # three tenths of a step of 4 bits
    device = Device(effects=())
    draws = device.draws(StateConverter(), "plus 0", 1)
    read = StateConverter(4, 1.0, Rounding.STOCHASTIC).read(value, False, draws)
    assert set((read / step).round().flatten().tolist()) == {0.0, 1.0}
    assert abs(float(read.mean()) - 0.3 * step) < Z * step * math.sqrt(0.3 * 0.7 / MANY)
    assert float(StateConverter(4).read(value, False, draws).abs().max()) == 0  # the control: the nearest level is 0


def test_bits_are_the_logarithm_of_states() -> None:
    """If this fails, two names of one number are two numbers."""
    request = torch.linspace(-0.3, 0.3, 101, dtype=torch.float64)[None]
    one, other = (
        Device(RANGE, effects=(effect,)).write(0 * request + 0.5, request, "w", 1) for effect in (FiniteStates(16), FiniteStates(bits=4))
    )
    torch.testing.assert_close(one.level, other.level, rtol=0, atol=0)
    assert FiniteStates(99, bits=4) != FiniteStates(99)


def test_noise_relative_to_the_range_is_the_same_wherever_the_device_is() -> None:
    """If this fails, NeuroSim's variation is another one here. n = 40000."""
    device = Device(RANGE, LinearStep(1, 1), step=1e-3, effects=(CycleToCycle(0.005, PulseNoise.RANGE),))
    for level in (0.5, 0.8):
        moved = device.write(levels(level), levels(4e-3), "weight", 1).level - level
        assert abs(float(moved.std()) / (0.005 * 2) - 1) < Z / math.sqrt(2 * MANY)  # of four pulses


def test_bounds_differ_between_devices_and_are_kept() -> None:
    """If this fails, all devices saturate at the same weight. n = 40000; the top of an offset pair is at 1, its weight 0 at .5."""
    device = Device(
        Conductance(1.0, 2.0, Pairing.OFFSET), LinearStep(1, 1), step=0.01, effects=(DeviceToDevice(0.0, w_max_dtod=0.1, w_min_dtod=0.2),)
    )
    top, bottom = (device.write(levels(0.5), levels(sign * 20.0), "weight", 1).level for sign in (1.0, -1.0))  # 2000 pulses: to the end
    for end, middle, spread in ((top, 1.0, 0.05), (bottom, 0.0, 0.1)):
        assert abs(float(end.mean()) - middle) < Z * spread / math.sqrt(MANY)
        assert abs(float(end.std()) / spread - 1) < Z / math.sqrt(2 * MANY)
    torch.testing.assert_close(top, device.write(top, levels(1.0), "weight", 2).level, rtol=0, atol=1e-12)
    # A device between its own bounds steps by the soft-bound law in them, with the step as it is at their middle.
    own = (0.5 - bottom) / (top - bottom)
    moved = device.write(levels(0.5), levels(0.01), "weight", 3).level - 0.5
    torch.testing.assert_close(moved, 0.01 * (1 - (2 * own - 1)), rtol=1e-9, atol=0)


def test_a_log_normal_spread_is_one_in_its_logarithm() -> None:
    """If this fails, arrays with steps over decades are arrays with steps that are cut off. n = 40000."""
    device = Device(RANGE, step=1e-4, effects=(DeviceToDevice(0.7829, spread=Spread.LOGNORMAL),))
    moved = (device.write(levels(0.5), levels(1e-4), "weight", 1).level - 0.5).log() - math.log(1e-4)
    assert abs(float(moved.mean())) < Z * 0.7829 / math.sqrt(MANY)
    assert abs(float(moved.std()) / 0.7829 - 1) < Z / math.sqrt(2 * MANY)


def test_pairs_that_can_only_grow_reach_any_weight_and_keep_it_when_they_are_refreshed() -> None:
    """If this fails, phase change memory is depressed by pulses, or a refresh changes what was learnt."""
    kind = Conductance(0.0, 1.0, Pairing.DIFFERENTIAL, w_max=1.0)
    device, level = Device(kind, step=1e-6, effects=(GrowingPair(0.6),)), levels(0.0, 2, 1)
    weight, refreshed = 0.0, 0
    for use, change in enumerate((0.3, -0.2, 0.25, 0.1, -0.4, 0.0)):
        before = level
        wanted = kind.levels(kind.weight(level, 1.0) + change, 1.0)
        written = device.write(level, wanted - level, "weight", use)
        level = written.level
        weight += change
        assert float(kind.weight(level, 1.0)) == pytest.approx(weight, abs=1e-12)
        assert float(written.pulses.min()) >= 0
        if float(before.max()) > 0.6:
            refreshed += 1
        else:
            assert bool((level >= before).all())
    assert refreshed == 1  # at .3 + .25 + .1 against .2
    with pytest.raises(InputError, match="only differential pairs"):
        Device(RANGE, effects=(GrowingPair(),)).write(levels(0.5, count=1), levels(0.1, count=1), "weight", 1)


def test_refresh_of_a_pair_takes_its_own_common_part_and_leaves_pairs_that_are_not_full() -> None:
    """If this fails, a refresh moves the weights of neighbours. Pairs (.7, .3), (.5, .2) and (.1, .9), and a level of .6."""
    device = Device(Conductance(0.0, 1.0, Pairing.DIFFERENTIAL, w_max=1.0), step=1e-6, effects=(GrowingPair(0.6),))
    level = torch.tensor([[0.7, 0.5, 0.1], [0.3, 0.2, 0.9]], dtype=torch.float64)
    written = device.write(level, torch.zeros_like(level), "weight", 1)
    torch.testing.assert_close(written.level, torch.tensor([[0.4, 0.5, 0.0], [0.0, 0.2, 0.8]], dtype=torch.float64), rtol=0, atol=1e-15)
    assert float(written.pulses.abs().max()) == 0


def device(*texts: str) -> Device:
    return assemble("ideal", split(texts)[0], 0)


def test_write_laws_are_named_by_their_parameters() -> None:
    """If this fails, a study of a law is one of another."""
    assert device("law.model=power", "law.gamma_up=1.5").law == PowerStep(1.5, 1.0)
    made = device("law.model=neurosim", "law.nl_ltp=2.4", "law.nl_ltd=-4.88", "law.num_pulses=97")
    twin = exponential_device(alpha_of_label(2.4), alpha_of_label(4.88), 97)
    assert made.law == twin.law
    assert made.step * made.step_up == pytest.approx(twin.step_up, rel=1e-14, abs=0)
    assert made.step * made.step_down == pytest.approx(twin.step_down, rel=1e-14, abs=0)
    assert device("law.model=neurosim", "law.alpha_p=0").law == LinearStep(0, 0)
    assert device("law.m=0.5", "law.m_down=0.1").law == LinearStep(0.5, 0.1)
    assert device("conductance-noise.kind=1/f").effects == (ConductanceNoise(0.0, NoiseKind.FLICKER),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("law.model=powr", "did you mean 'power'"),
        ("law.model=neurosim law.alpha_p=1 law.nl_ltp=1", "given once"),
        ("law.model=power law.m=0.5", "unknown setting of law 'm'"),
        ("leak.lifetime=0.5", "at least 1 write"),
        ("growing-pair.refresh_at=0", r"level in \(0, 1\]"),
        ("neuron-gain.sigma_gain=-1", "must not be negative"),
        ("nudge-error.nudge_sign_flip=1.5", "probability"),
        ("nudge-error.beta_offset=nan", "finite beta_offset"),
        ("conductance-noise.octaves=0", "octaves of 1/f noise must be from 1 to 48"),
        ("finite-states.bits=0", "number of bits must be from 1 to 32"),
        ("pcm-noise.q=-1", "q >= 0"),
        ("drift.nu_k=-1", "nu_k >= 0"),
        ("device-to-device.w_max_dtod=-1", "spreads are not negative"),
        ("cycle-to-cycle.relative_to=step", "'pulse' or 'range'"),
    ],
)
def test_impossible_effects_are_refused_by_what_was_written(text: str, words: str) -> None:
    """If this fails, a study of hardware that cannot exist gives numbers."""
    with pytest.raises((InputError, UnknownNameError), match=words):
        device(*text.split())


def test_octaves_change_half_as_often_each() -> None:
    """If this fails, slow noise is drawn anew too often, or a resumed run has other noise."""
    made, effect = Device(seed=3), ConductanceNoise()
    for k in (0, 2):
        drawn = [float(torch.rand((), generator=made.draws(effect, "weight", use).octave(k))) for use in range(16)]
        assert [a != b for a, b in pairwise(drawn)] == [(use + 1) % 2**k == 0 for use in range(15)]
