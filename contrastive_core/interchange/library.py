"""Optional libraries of other programs' formats, and the networks that such formats know."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from contrastive_core.errors import InputError
from contrastive_core.expect import with_article
from contrastive_core.networks.layered import Layered


def library(name: str) -> Any:
    """Return an optional library.

    Parameters
    ----------
    name : str
        Name of its module, which is that of the extra too.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(f"this needs the library {name}; install it with pip install 'eqlab[{name}]'") from error


def layered(network: object, form: str) -> Layered:
    """Return a network whose layers act on their neighbours through weights that it holds itself.

    Parameters
    ----------
    network : Network
        Any network.
    form : str
        Format that it is to be written in, for the message.

    Raises
    ------
    InputError
        If it is another kind of network, or has memories.
    """
    if not isinstance(network, Layered):
        raise InputError(
            f"{form} has nodes for layers of units with weights, and {with_article(type(network))} is none; "
            "export a network of the kinds layered and convolutional"
        )
    if network.architecture.memories:
        raise InputError(f"{form} has no node for the memories of a layer; export a network without them")
    return network
