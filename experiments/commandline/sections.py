"""Sections in which ``--help`` lists the options of a command."""

from typing import NamedTuple


class Section(NamedTuple):
    """Group of options with a common heading.

    A model says where its own fields belong by ``section: ClassVar[Section]``; ``Annotated[int, DATA]`` says so for one field.

    Attributes
    ----------
    title : str
        Heading.
    rank : int
        Place among the sections of a command, lowest first; sections of equal rank follow the order of their fields.
    """

    title: str
    rank: int = 70


OWN = Section("Options of this command", 0)
DATA = Section("Data", 10)
NETWORK = Section("Network", 20)
DEVICE = Section("Device", 25)
RULE = Section("Learning rule", 30)
RELAXATION = Section("Relaxation", 40)
OPTIMISATION = Section("Optimisation", 50)
OUTPUT = Section("Output", 60)
COMPUTATION = Section("Computation", 80)
GENERAL = Section("General options", 90)
