"""Compare centered equilibrium propagation with the exact gradient for sums of two objectives; prints the lowest cosines.

``python tests/objectives/pairs_of_objectives.py [NUMBER]`` takes as many sums at random, with a fixed seed; without a number, all. The
sums that are refused are counted among all in either case.
"""

from __future__ import annotations

import random
import sys
from itertools import combinations_with_replacement

import torch

from contrastive_core.baselines.implicit import Implicit
from contrastive_core.errors import InputError
from contrastive_core.generators import generator_of
from contrastive_core.objectives import OBJECTIVES
from experiments.learning.gradient_cases import concrete, prepare_case
from experiments.learning.gradient_options import GradientsOptions
from experiments.setup.build import build_setting
from experiments.setup.objectives import objective_of_text
from experiments.setup.tables import RULES


def lowest_cosine(text: str) -> float:
    """Return the lowest cosine, over all parameters of a small network, of the nudged gradient of a sum to its exact one."""
    objective = objective_of_text(text, {}, None, 12)
    options = GradientsOptions(cost=text, hidden=(16,), samples=8, frozen=True, outputs=12)
    case = prepare_case(options, 8, None, 0, objective, 12)
    setting = build_setting(concrete(options, case.network, case.batch), objective)
    exact = Implicit(setting.cost, setting.settling).estimate(case.network, case.batch).gradients
    nudged = RULES["ep-centered"](setting).estimate(case.network, case.batch, generator=generator_of(0, 2)).gradients
    return min(float(torch.nn.functional.cosine_similarity(exact[key].flatten(), nudged[key].flatten(), dim=0)) for key in exact)


def main() -> None:
    """Go through the pairs, and list those that are refused by their reason."""
    texts, refused = [], 0
    for first, second in combinations_with_replacement(OBJECTIVES, 2):
        text = f"{first} + 0.7 {second}"
        try:
            objective_of_text(text, {}, None, 12)
            texts.append(text)
        except InputError as error:
            refused += 1
            print(f"{text}: {error}")
    print(f"{len(texts)} sums, and {refused} that are refused", flush=True)
    taken = random.Random(0).sample(texts, int(sys.argv[1])) if len(sys.argv) > 1 else texts
    cosines = sorted((lowest_cosine(text), text) for text in taken)
    print(f"lowest cosines of {len(cosines)} sums:")
    for cosine, text in cosines[:5]:
        print(f"{cosine:.15f}  {text}")


if __name__ == "__main__":
    main()
