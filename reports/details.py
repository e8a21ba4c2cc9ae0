"""What a report shows about a run besides its scores."""

from __future__ import annotations

from dataclasses import dataclass, field

from reports.neuron_view import Activity, load_activity
from synapsnet.run import Run
from validation.assessment.assess import load_arrays, load_assessment
from validation.assessment.reliability import Arrays
from validation.assessment.results import Assessment


@dataclass(frozen=True)
class Details:
    """The results of a run besides its scores.

    Attributes
    ----------
    assessment : Assessment or None
    parts : dict of str -> (N, N) arrays
        Connectivity from parts of the recording, see `validation.assessment.reliability`.
    activity : Activity or None
        Activity of all neurons, for the view of one.
    """

    assessment: Assessment | None = None
    parts: Arrays = field(default_factory=dict)
    activity: Activity | None = None


def load_details(run: Run) -> Details:
    """Everything that the folder of a run holds.

    Raises
    ------
    InputError
        If it holds damaged arrays.
    """
    return Details(load_assessment(run.folder), load_arrays(run.folder), load_activity(run))
