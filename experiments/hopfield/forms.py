"""Forms of what theory, chains and runs from a cue leave in a record."""

from experiments.runs.forms import FINITE, FLAG, NUMBER, TEXT, list_of, mapping_of, missing_or, record_of

LIST = list_of(NUMBER)
"""Form of a value per pattern or chain."""
OVERLAPS = missing_or(LIST)
"""Form of overlaps that theory or chains may not have."""
_STATE = {"overlaps": LIST, "free_energy": FINITE, "min_eigenvalue": NUMBER, "branch": TEXT, "marginal": FLAG}
STATE = record_of(**_STATE, stable_states=list_of(record_of(**_STATE)))
"""Form of a state of the theory."""
CHAINS = record_of(
    sampler=TEXT,
    overlaps=LIST,
    error=LIST,
    autocorrelation_time=LIST,
    effective_size=LIST,
    r_hat=LIST,
    warnings=list_of(TEXT),
    energy=mapping_of(NUMBER),
)
"""Form of what chains found."""
VERDICT = record_of(agrees=missing_or(FLAG), deviation=NUMBER, standard_errors=LIST, finite_size=NUMBER, undecided=missing_or(TEXT))
"""Form of a comparison of theory and chains."""
CUED = record_of(
    dynamics=TEXT, measured=list_of(LIST), predicted=list_of(LIST), largest_difference=FINITE, energy=LIST, losses=list_of(LIST)
)
"""Form of a run from a cue."""
