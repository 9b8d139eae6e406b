"""Meaning and form of what ``eqlab bench settle`` measures."""

from experiments.runs.forms import ANY, FINITE, NUMBER, TEXT, list_of, mapping_of, record_of
from experiments.trials.experiment import Metric

_ROWS = list_of(
    record_of(
        case=TEXT,
        network=TEXT,
        weights=TEXT,
        batch=FINITE,
        threads=FINITE,
        samples_per_cpu_second=FINITE,
        samples_per_second=FINITE,
        device=TEXT,
        sweeps=NUMBER,
        cosine=NUMBER,
        peak_memory_mb=NUMBER,
    )
)

METRICS = {
    "processor": Metric("model of the processor", form=TEXT),
    "versions": Metric("versions of the software", form=mapping_of(ANY)),
    "repeats": Metric("interleaved measurements of each case, whose median counts", form=FINITE),
    "rows": Metric(
        "by case and size: samples per second of processor time and of elapsed time, sweeps, cosine to the exact gradient, peak memory",
        timing=True,
        form=_ROWS,
    ),
    "first_call_seconds": Metric(
        "time of the first estimate of a process, with a cold and a warm cache of kernels", "second", timing=True, form=mapping_of(FINITE)
    ),
}
