"""Write laws as people write them: ``law.model=neurosim law.nl_ltp=2.4``, put together to a law and the steps that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name
from experiments.commandline.assignments import read_settings

if TYPE_CHECKING:
    from contrastive_core.devices.write_law import WriteLaw

MODELS = ("linear", "power", "exponential", "neurosim")
"""Steps linear in the level, powers of the distance to the bound, decaying exponentials, and NeuroSim's exponential pulse response."""


class Written(NamedTuple):
    """Write law, with the steps of the device that follow from it.

    Attributes
    ----------
    law : WriteLaw
        Change of a device by a pulse.
    steps : dict of str to float
        Settings of the device; empty where the law leaves them alone.
    """

    law: WriteLaw
    steps: dict[str, float]


@dataclass(frozen=True)
class PulseResponse:
    """NeuroSim's exponential device, by its nonlinearities or by their labels.

    Attributes
    ----------
    alpha_p, alpha_d : float, optional
        Nonlinearity of potentiation and depression.
    nl_ltp, nl_ltd : float, optional
        NeuroSim's labels of the same, of any sign, up to 9.
    num_pulses : int
        From one end of the range to the other.
    """

    alpha_p: float | None = None
    alpha_d: float | None = None
    nl_ltp: float | None = None
    nl_ltd: float | None = None
    num_pulses: int = 97

    def written(self) -> Written:
        """Return the law and the steps, or raise ``InputError`` where a nonlinearity is given twice."""
        from contrastive_core.devices.write_law import alpha_of_label, exponential_device

        alphas = []
        for alpha, label in ((self.alpha_p, self.nl_ltp), (self.alpha_d, self.nl_ltd)):
            if alpha is not None and label is not None:
                raise InputError(f"a nonlinearity is given once, and here as {alpha} and as the label {label}; leave one of them out")
            alphas.append(alpha_of_label(label) if label is not None else alpha or 0.0)
        made = exponential_device(alphas[0], alphas[1], self.num_pulses)
        step = 1 / self.num_pulses
        return Written(made.law, {"step": step, "step_up": made.step_up / step, "step_down": made.step_down / step})


def read_law(given: Mapping[str, str]) -> Written:
    """Put a write law together.

    Parameters
    ----------
    given : mapping of str to str
        Its parameters as written; ``model`` is one of ``MODELS``, "linear" if it is left out, and ``m`` stands for both linear slopes.

    Raises
    ------
    InputError
        If a model, parameter or value does not exist or makes no sense.
    """
    from contrastive_core.devices.write_law import ExponentialStep, LinearStep, PowerStep

    texts = dict(given)
    model = texts.pop("model", "linear")
    if model == "neurosim":
        return PulseResponse(**read_settings(PulseResponse, "law", texts)).written()
    kinds: dict[str, type[WriteLaw]] = {"linear": LinearStep, "power": PowerStep, "exponential": ExponentialStep}
    if model not in kinds:
        raise unknown_name("write law", model, list(MODELS))
    if model == "linear" and "m" in texts:
        both = texts.pop("m")
        texts = {"m_up": both, "m_down": both} | texts
    return Written(kinds[model](**read_settings(kinds[model], "law", texts)), {})
