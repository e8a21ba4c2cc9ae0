"""What a report shows of a run beside its scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from reports.neuron_view import Activity, load_activity
from synapsnet.run import load_run
from validation.assessment.assess import load_arrays, load_assessment
from validation.assessment.reliability import Arrays
from validation.assessment.results import Assessment


@dataclass(frozen=True)
class Details:
    """What there is beside the scores.

    Attributes
    ----------
    assessment : Assessment or None
    parts : dict of str -> (N, N) arrays
        Connectivity from parts of the recording, see `validation.assessment.reliability`.
    activity : Activity or None
        Of all neurons, for the view of one.
    """

    assessment: Assessment | None = None
    parts: Arrays = field(default_factory=dict)
    activity: Activity | None = None


def load_details(folder: str | Path) -> Details:
    """All that the folder of a run holds.

    Raises
    ------
    InputError
        If it holds no complete run, or damaged arrays.
    """
    return Details(load_assessment(folder), load_arrays(folder), load_activity(load_run(folder, device="cpu")))
