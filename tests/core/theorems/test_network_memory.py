"""Networks whose weights do not fit into memory: refused before anything is drawn."""

import pytest
import torch

from contrastive_core.errors import InputError
from contrastive_core.guards import memory
from contrastive_core.networks import architecture
from contrastive_core.networks.architecture import chain
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.notation import convolutional


@pytest.mark.parametrize("sizes", [chain((20, 30, 5)), convolutional("4c3 20m16 5", (1, 8, 8))], ids=["rows", "pictures"])
def test_weights_that_need_more_than_the_memory_are_refused_before_a_draw(
    sizes: architecture.Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, minutes are spent on drawing weights of which the last do not fit, or a network that fits is refused."""
    counted = sum(parameter.numel() for name, parameter in Layered(sizes).named_parameters() if "bias" not in name)
    monkeypatch.setattr(memory, "physical_memory", lambda: 8 * counted)
    Layered(sizes, dtype=torch.float64)
    monkeypatch.setattr(memory, "physical_memory", lambda: 8 * counted - 1)
    source = torch.Generator().manual_seed(0)
    before = source.get_state()
    with pytest.raises(InputError, match=r"a network of .* weights needs for them .* GiB"):
        Layered(sizes, generator=source, dtype=torch.float64)
    assert torch.equal(source.get_state(), before)
    monkeypatch.setattr(memory, "physical_memory", lambda: None)
    Layered(sizes, dtype=torch.float64)
