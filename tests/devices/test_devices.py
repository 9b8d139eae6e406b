"""Hardware: write laws against closed forms, converters, draws that do not disturb each other, and networks on devices."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from circuits import SWITCHED_ON
from torch import Tensor

from contrastive_core.analysis.gradient_quality import compare_gradients
from contrastive_core.baselines import RULES as EXACT
from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS
from contrastive_core.devices import EFFECTS
from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.effect import Effect
from contrastive_core.devices.effects.array_effects import ConductanceNoise, Drift, StuckAt
from contrastive_core.devices.effects.finite_states import FiniteStates, PulseTrain, Rounding, Scheme
from contrastive_core.devices.effects.periphery import NeuronOffset, NodeNoise, RuleBias, StateConverter, quantise
from contrastive_core.devices.effects.variation import CycleToCycle, DeviceToDevice
from contrastive_core.devices.effects.wires import WireResistance
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.devices.write_law import (
    ExponentialStep,
    LinearStep,
    PowerStep,
    WriteLaw,
    alpha_of_label,
    exponential_device,
    nonlinearity_label,
)
from contrastive_core.errors import InputError
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from eqprop import RULES

SINGLE = Conductance(0.0, 1.0, Pairing.SINGLE)


def one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def after(law: WriteLaw, level: float, pulses: float, step: float) -> float:
    return float(law.after(one(level), one(pulses), one(step), one(step)))


def small_network(seed: int = 0) -> Layered:
    generator = torch.Generator().manual_seed(seed)
    return Layered((6, 10, 4), activation=ACTIVATIONS["tanh"], generator=generator, dtype=torch.float64)


def batch() -> Batch:
    return Batch(torch.rand(8, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64), torch.arange(8) % 4)


SETTING = Setting(COSTS["squared-error"](), Settling(free=Stop(1e-12, 2000), second=Stop(1e-10, 2000)), strength=0.01)


@pytest.mark.parametrize(
    ("pulses", "expected"), [(1, 0.010000), (10, 0.092824), (50, 0.341066), (100, 0.488255), (200, 0.579188)]
)  # recorded from aihwkit's SoftBoundsDevice (float32): 200 up pulses from 0, dw_min .01, bounds ±.6
def test_soft_bounds_follow_the_recorded_device(pulses: int, expected: float) -> None:
    """If this fails, the most used model of a saturating synapse saturates elsewhere."""
    step = 0.01 / 1.2
    level = after(LinearStep(1, 1), 0.5, pulses, step)
    assert 1.2 * level - 0.6 == pytest.approx(expected, abs=1e-6)  # six recorded digits


@pytest.mark.parametrize(("pulses", "expected"), [(1, 0.559535), (10, 0.396760), (50, -0.091113), (100, -0.380386), (200, -0.559099)])
def test_soft_bounds_come_back_as_the_recorded_device(pulses: int, expected: float) -> None:
    """If this fails, depression is not the mirror image of potentiation."""
    top = after(LinearStep(1, 1), 0.5, 200, 0.01 / 1.2)
    level = after(LinearStep(1, 1), top, -pulses, 0.01 / 1.2)
    assert 1.2 * level - 0.6 == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("m", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("pulses", [17, -17])
def test_the_closed_form_over_pulses_is_the_recurrence(m: float, pulses: int) -> None:
    """If this fails, a train of pulses is not a sum of pulses."""
    level = 0.4
    for _ in range(abs(pulses)):
        level += 0.02 * (1 - m * (2 * level - 1)) if pulses > 0 else -0.02 * (1 + m * (2 * level - 1))
    assert after(LinearStep(m, m), 0.4, pulses, 0.02) == pytest.approx(level, abs=1e-14)  # 17 roundings


@pytest.mark.parametrize(("label", "inverse"), [(0.5, 2.519877), (1, 1.251653), (2.4, 0.499181), (4.88, 0.200303), (9, 0.022810)])
def test_the_label_of_nonlinearity_is_that_of_the_published_table(label: float, inverse: float) -> None:
    """If this fails, a device's published nonlinearity means another curve here. Table of NeuroSim, six decimals."""
    alpha = alpha_of_label(label)
    assert 1 / alpha == pytest.approx(inverse, abs=1.5e-6)
    assert nonlinearity_label(alpha) == pytest.approx(label, rel=1e-12, abs=0)


def test_the_exponential_device_has_steps_linear_in_its_level() -> None:
    """If this fails, NeuroSim's device is another one than its closed pulse response."""
    alpha, count = 1 / 0.499181, 97
    device = exponential_device(alpha, alpha, count)
    for n in (1, 10, 50, 97):
        curve = -math.expm1(-alpha * n / count) / -math.expm1(-alpha)
        assert after(device.law, 0.0, n, device.step_up) == pytest.approx(curve, abs=1e-13)


def test_a_power_law_with_exponent_one_is_the_soft_bound() -> None:
    """If this fails, two names of one device are two devices."""
    for pulses in (7, -7):
        assert after(PowerStep(1, 1), 0.3, pulses, 0.01) == pytest.approx(after(LinearStep(1, 1), 0.3, pulses, 0.01), abs=1e-14)


@pytest.mark.parametrize("law", [LinearStep(0, 0), LinearStep(0.5, 0.5), LinearStep(1, 1), PowerStep(1.7, 1.7), ExponentialStep()])
@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_pulses_move_devices_in_their_direction(law: WriteLaw, level: float) -> None:
    """If this fails, potentiation depresses."""
    assert after(law, level, 1, 0.01) >= level >= after(law, level, -1, 0.01)
    assert after(law, level, 1, 0.01) - after(law, level, -1, 0.01) > 1e-4  # a control: the device is not stuck


def test_alternating_pulses_pull_a_soft_bound_device_to_its_symmetry_point() -> None:
    """If this fails, the observable signature of asymmetric devices, drift under a noisy zero gradient, is missing."""
    level, law = 0.9, LinearStep(1, 1)
    for _ in range(2000):
        level = after(law, after(law, level, 1, 0.01), -1, 0.01)
    # The fixed point of one pair of pulses is (1 - s)/(2 - 2s + ...) of the middle to first order in the step s = .01.
    assert level == pytest.approx(0.5, abs=0.01)
    level = 0.9
    for _ in range(2000):
        level = after(LinearStep(0, 0), after(LinearStep(0, 0), level, 1, 0.01), -1, 0.01)
    assert level == pytest.approx(0.9, abs=1e-10)  # the control: constant steps pull nowhere


def test_converters_round_to_their_levels() -> None:
    """If this fails, a converter of b bits has another number of levels, or none at zero."""
    fine = torch.linspace(-2, 2, 100001, dtype=torch.float64)
    levels = quantise(fine, 4, 1.0).unique()
    torch.testing.assert_close(levels, torch.arange(-7, 8, dtype=torch.float64) / 7, rtol=0, atol=1e-15)  # 2^4 - 1 levels
    assert float((quantise(fine, 4, 1.0) - fine.clamp(-1, 1)).abs().max()) <= 1 / 14 + 1e-12


@pytest.mark.parametrize("pairing", list(Pairing))
def test_programming_and_reading_are_inverse(pairing: Pairing) -> None:
    """If this fails, weights change by being put on a device."""
    kind = Conductance(1e-6, 1e-4, pairing, w_max=2.0)
    weight = torch.linspace(0.02 if pairing is Pairing.SINGLE else -2.0, 2.0, 101, dtype=torch.float64)
    torch.testing.assert_close(kind.weight(kind.levels(weight, 2.0), 2.0), weight, rtol=1e-12, atol=1e-15)
    assert float(kind.siemens(kind.levels(weight, 2.0)).max()) <= kind.g_max * (1 + 1e-12)


def test_stochastic_rounding_is_right_on_average_and_nearest_rounding_is_not() -> None:
    """If this fails, the rescue of small updates by stochastic rounding is an artefact. n = 40000, z = 4.5."""
    level, request = torch.full((1, 40000), 0.5, dtype=torch.float64), torch.full((1, 40000), 0.003, dtype=torch.float64)
    moved = {}
    for rounding in Rounding:
        device = Device(SINGLE, effects=(FiniteStates(101, rounding),))
        moved[rounding] = device.write(level, request, "weight", 1).level - level
    share = 0.3  # of a step of .01: a Bernoulli number of pulses
    error = 0.01 * math.sqrt(share * (1 - share) / 40000)
    assert abs(float(moved[Rounding.STOCHASTIC].mean()) - 0.003) < 4.5 * error
    assert float(moved[Rounding.NEAREST].abs().max()) == 0  # the control, which a working test has to reject


def test_noise_of_n_pulses_grows_as_their_root() -> None:
    """If this fails, long pulse trains are too noisy or too quiet. n = 40000, z = 4.5 on the standard deviation."""
    level = torch.full((1, 40000), 0.5, dtype=torch.float64)
    device = Device(SINGLE, step=1e-4, effects=(CycleToCycle(0.3),))
    for pulses in (1, 25):
        moved = device.write(level, torch.full_like(level, pulses * 1e-4), "weight", 1).level - level
        expected = 0.3e-4 * math.sqrt(pulses)
        assert abs(float(moved.std()) / expected - 1) < 4.5 / math.sqrt(2 * 40000)
        assert abs(float(moved.mean()) - pulses * 1e-4) < 4.5 * expected / 200


def test_noise_larger_than_a_pulse_keeps_the_law_of_its_polarity() -> None:
    """If this fails, a noisy saturating device settles in the middle of its range instead of at its bound. n = 20000, z = 4.5."""
    level = torch.full((1, 20000), 0.9, dtype=torch.float64)
    device = Device(SINGLE, LinearStep(1, 1), step=1e-4, effects=(CycleToCycle(3.75),))
    moved = device.write(level, torch.full_like(level, 1e-4), "weight", 1).level - level
    step = 1e-4 * (1 - 0.8)  # of the soft bound at .9, whichever way the noise goes
    assert abs(float(moved.mean()) - step) < 4.5 * 3.75 * step / math.sqrt(20000)
    assert abs(float(moved.std()) / (3.75 * step) - 1) < 4.5 / math.sqrt(2 * 20000)


def test_variation_between_devices_is_drawn_once() -> None:
    """If this fails, device-to-device variation is cycle-to-cycle variation under another name."""
    device = Device(SINGLE, effects=(DeviceToDevice(0.3),))
    level = torch.full((1, 40000), 0.5, dtype=torch.float64)
    first = device.write(level, torch.full_like(level, 0.01), "weight", 1).level - level
    torch.testing.assert_close(first, device.write(level, torch.full_like(level, 0.01), "weight", 2).level - level, rtol=0, atol=0)
    assert abs(float(first.std()) / 0.003 - 1) < 4.5 / math.sqrt(2 * 40000)  # few steps reach 0 at 3.3 standard deviations
    down = level - device.write(level, torch.full_like(level, -0.01), "weight", 1).level
    torch.testing.assert_close(first, down, rtol=1e-9, atol=1e-12)  # the same devices are strong both ways


def test_stuck_devices_do_not_move_and_have_their_shares() -> None:
    """If this fails, faults heal by training, or there are more or fewer than asked for. n = 40000, z = 4.5."""
    device = Device(SINGLE, effects=(StuckAt(0.1, 0.05),))
    level = torch.full((1, 40000), 0.5, dtype=torch.float64)
    seen = device.seen(level, "weight", 1)
    torch.testing.assert_close(seen, device.seen(level, "weight", 9), rtol=0, atol=0)
    for end, share in ((0.0, 0.1), (1.0, 0.05)):
        assert abs(float((seen == end).double().mean()) - share) < 4.5 * math.sqrt(share * (1 - share) / 40000)


def test_drift_is_a_power_of_time() -> None:
    """If this fails, retention over a day or a year is wrong by decades."""
    conductance = Conductance(1e-6, 1e-4, Pairing.SINGLE)
    level = torch.full((1, 4), 0.8, dtype=torch.float64)
    seen = conductance.siemens(Device(conductance, effects=(Drift(0.05, 0.0, 20.0),), seconds=2e5).seen(level, "weight", 1))
    torch.testing.assert_close(seen, conductance.siemens(level) * 1e4**-0.05, rtol=1e-12, atol=0)
    untouched = Device(conductance, effects=(Drift(0.05, 0.0, 20.0),), seconds=10).seen(level, "weight", 1)
    torch.testing.assert_close(untouched, level, rtol=1e-12, atol=0)


def every_effect() -> list[Effect]:
    return list(SWITCHED_ON.values())


@pytest.mark.parametrize("name", list(EFFECTS))
def test_switching_an_effect_on_leaves_the_draws_of_the_others(name: str) -> None:
    """If this fails, two studies that differ in one effect differ in all noise, and cannot be compared."""
    alone = Device(effects=tuple(effect for effect in every_effect() if type(effect) is not EFFECTS[name]))
    together = Device(effects=tuple(every_effect()))
    for effect in alone.effects:
        for number in (0, 1):
            one_draw, other = (torch.rand(5, generator=d.draws(effect, "weight", 7)[number]) for d in (alone, together))
            torch.testing.assert_close(one_draw, other, rtol=0, atol=0)
    fresh = [torch.rand(5, generator=together.draws(effect, "weight", 7).fresh) for effect in together.effects]
    assert len({tuple(draw.tolist()) for draw in fresh}) == len(fresh)  # streams differ between effects
    assert not torch.equal(
        torch.rand(5, generator=together.draws(together.effects[0], "weight", 7).fresh),
        torch.rand(5, generator=together.draws(together.effects[0], "weight", 8).fresh),
    )


@pytest.mark.parametrize("pairing", [Pairing.OFFSET, Pairing.DIFFERENTIAL])
def test_an_ideal_device_changes_nothing(pairing: Pairing) -> None:
    """If this fails, effects are measured against a device that is imperfect without any."""
    bare, inside = small_network(), small_network()
    held = OnDevice(inside, Device(Conductance(1e-6, 1e-4, pairing)))
    assert [name for name, _ in held.named_parameters()] == [name for name, _ in bare.named_parameters()]
    rule = RULES["ep-centered"](SETTING)
    wanted, got = (rule.estimate(network, batch()).gradients for network in (bare, held))
    for name in wanted:
        torch.testing.assert_close(got[name], wanted[name], rtol=1e-6, atol=1e-9)  # differences of states relaxed to 1e-10 / .02
    with torch.no_grad():
        for network, gradients in ((bare, wanted), (held, wanted)):
            for name, parameter in network.named_parameters():
                parameter -= 0.1 * gradients[name]
    held.constrain_()
    for (name, parameter), (_, expected) in zip(held.named_parameters(), bare.named_parameters(), strict=True):
        torch.testing.assert_close(parameter.data, expected.data, rtol=1e-10, atol=1e-12, msg=name)


def test_a_write_that_is_smaller_than_a_step_is_lost() -> None:
    """If this fails, finite states reach no training run."""
    held = OnDevice(small_network(), Device(Conductance(pairing=Pairing.OFFSET, w_max=1.0), effects=(FiniteStates(16),)))
    before = held.get_parameter("weight_1").detach().clone()
    with torch.no_grad():
        held.get_parameter("weight_1").add_(0.06)  # a step of 1/15 of the range from -1 to 1 is 2/15
    held.constrain_()
    torch.testing.assert_close(held.get_parameter("weight_1").data, before, rtol=0, atol=0)
    with torch.no_grad():
        held.get_parameter("weight_1").add_(0.1)
    held.constrain_()
    changed = held.get_parameter("weight_1").detach() - before
    torch.testing.assert_close(changed, torch.full_like(changed, 2 / 15), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "effect", [NeuronOffset(0.3), StuckAt(0.2, 0.2), ConductanceNoise(0.1), Drift(0.1, 0.05, 1.0), WireResistance(200.0, 200.0)]
)
def test_equilibrium_propagation_stays_exact_on_static_mismatch(effect: Effect) -> None:
    """If this fails, the claim that EP learns around static mismatch, since it is still an energy, does not hold here."""
    held = OnDevice(small_network(), Device(effects=(effect,), seconds=100.0))
    estimate = RULES["ep-centered"](SETTING).estimate(held, batch())
    seen = [parameter.detach().clone() for parameter in held.parameters()]
    twin = small_network()
    with torch.no_grad():
        for parameter, value in zip(twin.parameters(), seen, strict=True):
            parameter.copy_(value)
    exact = EXACT["implicit"](SETTING).estimate(twin, batch())
    _, whole = compare_gradients(estimate.gradients, exact.gradients)
    assert whole.relative_error < 1e-3  # the bias of a centered estimate at strength .01 is about 1e-4
    assert any(not torch.allclose(p, q) for p, q in zip(seen, small_network().parameters(), strict=True))  # the effect acts


@pytest.mark.parametrize("pairing", Pairing)
def test_what_is_programmed_is_a_state_inside_the_bounds_of_each_device(pairing: Pairing) -> None:
    """If this fails, a device of a few states holds weights that were learnt elsewhere as if it had infinitely many."""
    device = Device(Conductance(1e-6, 1e-4, pairing), effects=(FiniteStates(4),))
    for level in OnDevice(small_network(), device).levels().values():
        assert set((3 * level).flatten().tolist()) <= {0.0, 1.0, 2.0, 3.0}
        assert len(level.unique()) > 1
    spread = DeviceToDevice(w_max_dtod=0.5, w_min_dtod=0.5)
    whole, bounded = (Device(Conductance(1e-6, 1e-4, pairing, headroom=1.0), effects=effects) for effects in ((), (spread,)))
    for name, level in OnDevice(small_network(), bounded).levels().items():
        wanted = OnDevice(small_network(), whole).levels()[name]
        cut = level != wanted
        assert 0 < int(cut.sum()) < cut.numel()
        # A write without pulses leaves a device inside its own bounds where it is.
        still = bounded.write(level, torch.zeros_like(level), name, 1).level
        torch.testing.assert_close(still, level, rtol=0, atol=1e-12)


def test_a_device_at_the_end_of_its_range_is_pulsed_like_any_other() -> None:
    """If this fails, noise of pulses spares the devices at their ends: nobody who sends pulses knows which those are."""
    for pairing in (Pairing.SINGLE, Pairing.OFFSET):
        held = OnDevice(small_network(), Device(Conductance(1e-6, 1e-4, pairing), step=0.01, effects=(CycleToCycle(10.0),), seed=1))
        name = "weight_1"
        held.get_buffer(f"level_{name}").zero_()
        held.begin_use_()
        with torch.no_grad():
            held.get_parameter(name).sub_(0.05)  # down, and they are at the lower end
        held.constrain_()
        moved = held.levels()[name]
        pulses = float(held.pulses[0]) / moved.numel()  # to each; those whose noise is larger than the pulses go up
        expected = 0.5 * math.erfc(math.sqrt(pulses) / 10.0 / math.sqrt(2))
        deviation = math.sqrt(expected * (1 - expected) / moved.numel())
        assert expected - 4 * deviation > 0
        assert abs(float((moved > 0).double().mean()) - expected) < 4 * deviation


def test_another_device_has_the_same_conductances_and_mismatch_of_its_own() -> None:
    """If this fails, what one chip learnt is judged on the chip that learnt it, or on other conductances."""
    device = Device(effects=(NeuronOffset(0.3),), seed=1)
    first, other = OnDevice(small_network(), device), OnDevice(small_network(), dataclasses.replace(device, seed=2))
    with torch.no_grad():
        first.get_parameter("weight_1").add_(0.1)
        first.get_parameter("bias_1").add_(0.2)
    first.constrain_()
    offset = other.get_parameter("bias_1").detach().clone()  # biases start at 0
    other.take_over(first)
    for name, level in first.levels().items():
        assert torch.equal(other.levels()[name], level)
    torch.testing.assert_close(other.get_parameter("bias_1").detach(), offset + 0.2, rtol=0, atol=1e-12)
    assert not torch.allclose(other.get_parameter("bias_1"), first.get_parameter("bias_1"))
    assert float(other.pulses.sum()) == 0


def test_the_last_layer_may_have_its_own_converter_and_no_offsets() -> None:
    """If this fails, outputs far smaller than hidden states are read to their coarse levels, or offsets cannot be told from a readout's."""
    held = OnDevice(small_network(), Device(effects=(StateConverter(4, 7.0, adc_last_range=0.7), NeuronOffset(0.3, last=False))))
    ones = tuple(torch.full((1, size), 0.29, dtype=torch.float64) for size in held.sizes)
    read = held.read(ones, "plus")
    assert [float(layer[0, 0]) for layer in read] == pytest.approx([0.0] * (len(ones) - 1) + [0.3])  # steps of 1 and of .1
    biases = [value for name, value in held.named_parameters() if name.startswith("bias")]
    assert [bool(bias.abs().max() > 0) for bias in biases] == [True] * (len(biases) - 1) + [False]
    with pytest.raises(InputError, match="positive bound"):
        StateConverter(4, adc_last_range=0.0)


@pytest.mark.parametrize("effect", [NodeNoise(1e-3), StateConverter(8, 1.0), RuleBias(0.1)])
def test_effects_of_reading_change_the_gradient_and_not_the_states(effect: Effect) -> None:
    """If this fails, an effect acts at another place than its name says, or nowhere."""
    held, bare = OnDevice(small_network(), Device(effects=(effect,))), small_network()
    estimates = [RULES["ep-centered"](SETTING).estimate(network, batch()) for network in (held, bare)]
    for phase in estimates[0].relaxations:
        states = [estimate.relaxations[phase].state for estimate in estimates]
        torch.testing.assert_close(states[0][0], states[1][0], rtol=0, atol=1e-9)
    assert not torch.allclose(estimates[0].gradients["weight_1"], estimates[1].gradients["weight_1"], rtol=1e-4)


def test_read_noise_is_amplified_by_the_strength_of_the_nudge() -> None:
    """If this fails, the trade between bias and read noise, which chooses the best strength, is missing. n = 60 estimates per strength."""
    errors = []
    for strength in (0.1, 0.05):
        setting = dataclasses.replace(SETTING, strength=strength)
        bare = RULES["ep-centered"](setting).estimate(small_network(), batch()).gradients["weight_2"]
        held = OnDevice(small_network(), Device(effects=(NodeNoise(0.01),)))
        noisy = [RULES["ep-centered"](setting).estimate(held, batch()).gradients["weight_2"] - bare for _ in range(60)]
        errors.append(float(torch.stack(noisy).std()))
    # 60 * 40 values, correlated only within an estimate: the ratio of two deviations is known to a few per cent
    assert errors[1] / errors[0] == pytest.approx(2, rel=0.15, abs=0)


def test_a_sign_update_sends_one_pulse() -> None:
    """If this fails, the Manhattan rule is not one."""
    device = Device(SINGLE, effects=(FiniteStates(501), PulseTrain(Scheme.SIGN)))
    level = torch.full((1, 3), 0.5, dtype=torch.float64)
    moved = device.write(level, torch.tensor([[0.3, -0.0001, 0.0]], dtype=torch.float64), "weight", 1).level - level
    np.testing.assert_allclose(moved.numpy(), [[0.002, -0.002, 0.0]], atol=1e-15)


BAD = [
    (lambda: Conductance(1e-4, 1e-6), "g_min < g_max"),
    (lambda: Conductance(0.0, float("nan")), "g_min < g_max"),
    (lambda: FiniteStates(0), "at least 2 states"),
    (lambda: ConductanceNoise(-0.1), "must not be negative"),
    (lambda: NodeNoise(-0.1), "sigma_v >= 0"),
    (lambda: CycleToCycle(float("nan")), "must not be negative"),
    (lambda: StuckAt(0.7, 0.7), "at most 1"),
    (lambda: LinearStep(2.0), "slopes"),
    (lambda: StateConverter(1, 1.0), "2 to 32 bits"),
    (lambda: Device(effects=(NodeNoise(0.1), NodeNoise(0.2))), "at most once"),
    (lambda: Device(step=0.0), "fraction of its range"),
    (lambda: alpha_of_label(12), "up to 9"),
]


@pytest.mark.parametrize(("make", "words"), BAD, ids=[words for _, words in BAD])
def test_impossible_hardware_is_refused(make: object, words: str) -> None:
    """If this fails, a study of hardware that cannot exist gives numbers."""
    with pytest.raises(InputError, match=words.replace("[", r"\[")):
        make()  # type: ignore[operator]
