"""The numbers of an assessment: how far the connectivity of a run without ground truth can be believed.

Every part is None until it is computed; one that does not apply stays None, with the reason in `Assessment.skipped`.
Matrices are `[post, pre]`; NaN where nothing is defined.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from synapsnet.recording import Modality
from validation.metrics.results import Estimate

FORMAT_VERSION = 3
NO_LIGHT = "The recording holds no light."

Part = Literal["facts", "reliability", "knowledge", "states", "forecasts", "expected", "matched", "perturbation"]
Verdict = Literal["better", "worse", "undecided"]


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")


class Quartiles(_Result):
    """How a statistic is distributed over neurons, or over pairs of them."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Any) -> Quartiles:
        """Quartiles of an array; NaN are left out."""
        defined = np.asarray(values, dtype=np.float64)
        defined = defined[~np.isnan(defined)]
        low, median, high = np.percentile(defined, [25, 50, 75]) if len(defined) else (math.nan,) * 3
        return cls(low=float(low), median=float(median), high=float(high))


class Facts(_Result):
    """What was recorded, and how many connections were reported.

    Attributes
    ----------
    duration_s : float
        Duration of all epochs together.
    n_epochs : int
    rate_hz : Quartiles or None
        Rate of spikes.
    noise_level : Quartiles or None
        Noise level of dF/F, see `validation.activity.statistics.noise_level`.
    correlation : Quartiles
        Correlation of the activity of pairs of neurons, see `validation.activity.statistics`.
    mean_correlation : float
        NaN where it is undefined for all pairs.
    n_pairs, n_reported : int
        Ordered pairs of different neurons; those reported as connected at a nominal false discovery rate of 5%.
    """

    source: str
    modality: Modality
    dt_s: float
    duration_s: float
    n_epochs: int
    n_neurons: int
    rate_hz: Quartiles | None
    noise_level: Quartiles | None
    correlation: Quartiles
    mean_correlation: float
    n_pairs: int
    n_reported: int


class Comparison(_Result):
    """Connectivity of the same neurons inferred from two parts of a recording, over all ordered pairs.

    Attributes
    ----------
    parts : two names
        For example "odd blocks" and "even blocks".
    duration_s : float
        Duration of each part, the mean of both.
    n_pairs : int
    weight_correlation, score_correlation : Estimate or None
        Pearson correlation of the weights and of the scores; bootstrap over postsynaptic neurons. None where one of
        the two is constant.
    overlap : Estimate or None
        Pairs reported in both parts over pairs reported in any (Jaccard). None without reported pairs.
    n_reported : two ints
    expected_overlap : float
        Overlap of as many pairs drawn at random.
    null_weight_correlation, null_score_correlation : list of float
        The same between parts in which each neuron was shifted in time by a different amount.
    p_weight, p_score : float
        Fraction of the null that reaches the correlation; never below 1 / (1 + length of the null).
    """

    parts: tuple[str, str]
    duration_s: float
    n_pairs: int
    weight_correlation: Estimate | None
    score_correlation: Estimate | None
    overlap: Estimate | None
    n_reported: tuple[int, int]
    expected_overlap: float
    null_weight_correlation: list[float]
    null_score_correlation: list[float]
    p_weight: float
    p_score: float


class Reliability(_Result):
    """Whether another part of the recording gives the same connectivity."""

    interleaved: Comparison
    halves: Comparison


class States(_Result):
    """Whether connectivity is the same in two states, with low and with high values of a behavioural variable.

    Attributes
    ----------
    variable : str
    threshold : float
        Its median over the blocks of time that were compared.
    block_s : float
        Each block belongs to one state, by its mean.
    comparison : Comparison
    """

    variable: str
    threshold: float
    block_s: float
    comparison: Comparison


class TypeSigns(_Result):
    """The outgoing scores of the neurons of one cell type.

    Attributes
    ----------
    excites : bool or None
        Whether the type is known to excite; None if unknown.
    n_neurons : int
    share_excitatory : float
        Fraction of its neurons, those whose summed outgoing scores are positive.
    mean_score : float
    """

    cell_type: str
    excites: bool | None
    n_neurons: int
    share_excitatory: float
    mean_score: float


class Signs(_Result):
    """Whether neurons known to excite or to inhibit do so in the inferred connectivity.

    Attributes
    ----------
    n_excitatory, n_inhibitory : int
    auroc : Estimate
        AUROC of the summed outgoing scores, excitatory against inhibitory neurons; bootstrap over neurons.
    p_value : float
        One-sided, by the Mann-Whitney test of the summed outgoing scores.
    types : list of TypeSigns
    """

    n_excitatory: int
    n_inhibitory: int
    auroc: Estimate
    p_value: float
    types: list[TypeSigns]


class Distance(_Result):
    """Whether evidence for connections falls off with the distance between neurons.

    Attributes
    ----------
    n_neurons, n_pairs : int
        Those with known positions.
    correlation : float
        Spearman, of distance and absolute score; negative where near neurons are connected more.
    p_value : float
        Two-sided, from permuted positions.
    distance_um, mean_score, share_reported : lists of float
        For bins of equally many pairs: mean distance, mean absolute score, fraction of pairs reported.
    """

    n_neurons: int
    n_pairs: int
    correlation: float
    p_value: float
    distance_um: list[float]
    mean_score: list[float]
    share_reported: list[float]


class Areas(_Result):
    """Evidence for connections within and between areas.

    Attributes
    ----------
    areas : list of str
    n_neurons : list of int
    mean_score, share_reported : matrices, `[post area][pre area]`
        Mean absolute score, and fraction of pairs reported.
    within, between : float
        Mean absolute score of all pairs of one area, and of different areas.
    p_value : float
        Two-sided for their difference, from permuted areas.
    """

    areas: list[str]
    n_neurons: list[int]
    mean_score: list[list[float]]
    share_reported: list[list[float]]
    within: float
    between: float
    p_value: float


class CellTypes(_Result):
    """Mean weights between cell types, compared with measurements in slices of mouse cortex.

    Attributes
    ----------
    types : list of str
        Types of `simulators.networks.v1`, those that were recorded.
    inferred, measured : matrices, `[post type][pre type]`
        Mean weight over all pairs, inferred; probability times strength in mV, of Campagnola et al. 2022.
    n_blocks : int
    correlation : float
        Spearman, over blocks.
    p_value : float
        One-sided, from permuted types.
    """

    types: list[str]
    inferred: list[list[float]]
    measured: list[list[float]]
    n_blocks: int
    correlation: float
    p_value: float


class Knowledge(_Result):
    """Agreement with prior knowledge that is independent of the recording.

    Each is None if the neuron table lacks the information; `skipped` has the reason by the field's name.
    `signs` goes by the names of cell types, `waveform` by how narrow spikes are.
    """

    signs: Signs | None = None
    waveform: Signs | None = None
    distance: Distance | None = None
    areas: Areas | None = None
    cell_types: CellTypes | None = None
    skipped: dict[str, str] = {}


class Rival(_Result):
    """SynapsNet's forecasts beside those of another method.

    Attributes
    ----------
    method : str
    skill : Estimate
        Skill over the mean of the other method.
    difference : Estimate or None
        Skill of SynapsNet less that of the other, with a paired interval. None where the run was scored by an earlier
        version: `verdict` then compares two intervals that overlap more than a paired one would.
    verdict : {"better", "worse", "undecided"}
        Verdict of SynapsNet.
    """

    method: str
    skill: Estimate
    difference: Estimate | None
    verdict: Verdict


class ForecastsAt(_Result):
    """Forecasts at one horizon: skill over the mean, 1 - MSE / MSE of the mean."""

    horizon_steps: int
    horizon_s: float
    skill: Estimate
    rivals: list[Rival]


class Forecasts(_Result):
    """Whether connectivity helps to forecast held-out activity. "synapsnet-independent" is the ablation W = 0."""

    horizons: list[ForecastsAt]


class Perturbation(_Result):
    """Whether connectivity predicts responses to light, see `validation.light.responses`.

    Attributes
    ----------
    light : str
        Name of the variable that states when it was on.
    n_pulses : int
    n_perturbations : int
        Lights on different neurons: 1, or the number of neurons that light was on one by one.
    response_s : two floats
        Window after the onset of light in which responses were measured.
    driven, targets : lists of ids
        Ids of the D neurons that light drives directly, and of the M others; of one perturbation after the other.
    predicted, measured : lists of M floats
        Sum of the effects, in log rate or relative change, of the extra spikes of driven neurons; modulation
        (rate - baseline) / (rate + baseline).
    correlation : Estimate
        Spearman, of both; bootstrap over neurons that respond.
    given_rate, p_targets, p_sources, reliability : float
        See `validation.light.responses.PerturbationScore`.
    ceiling : float
        What a perfect prediction would reach approximately: the square root of the reliability.
    """

    light: str
    n_pulses: int
    n_perturbations: int = 1
    response_s: tuple[float, float]
    driven: list[str]
    targets: list[str]
    predicted: list[float]
    measured: list[float]
    correlation: Estimate
    given_rate: float
    p_targets: float
    p_sources: float
    reliability: float
    ceiling: float


class Threshold(_Result):
    """What is reported at one nominal rate of false discoveries, and how much of it is expected to be false.

    Attributes
    ----------
    nominal : float
    n_reported : int
    false : Estimate
        Fraction of these pairs that are not connected: what is expected, and between which the true one lies. It is of
        whole pairs: of one that is reported none or all is false.
    rate : Estimate
        The rate of false discoveries that such networks have: the same expectation, and how well it is known.
    instead : float or None
        The nominal rate to use so that no more than this one is false: itself, or a stricter one where it `deviates`;
        None if no stricter one is known to do.
    """

    nominal: float
    n_reported: int
    false: Estimate
    rate: Estimate
    instead: float | None = None

    @property
    def deviates(self) -> bool:
        """Whether clearly more is false than the nominal rate allows."""
        return self.n_reported > 0 and self.rate.low > self.nominal


class Longer(_Result):
    """What a longer recording of the same neurons is expected to yield.

    Attributes
    ----------
    factor : float
        In durations of the recording.
    duration_s : float
    auprc : Estimate
    """

    factor: float
    duration_s: float
    auprc: Estimate


class Expected(_Result):
    """What is expected of the connectivity, from simulated recordings whose connections are known.

    All estimates are of 95% intervals, see `validation.assessment.expected_recovery`.

    Attributes
    ----------
    n_examples, n_matched, n_like : int
        Simulated recordings that were compared with; those that were simulated for this recording beside them, and how
        many of these are like it, no farther than 95% of the examples are from other kinds.
    atypical : float
        Distance to the nearest of the examples, in units of that distance: above 1 the recording is unlike any, and
        intervals are wider by as much, less where there are networks like it.
    unlike : list of str
        Statistics of the recording that lie outside what any of them has, in words.
    auprc : Estimate
        If there are connections at all.
    density : Estimate
        Fraction of pairs that are connected, the chance level of AUPRC.
    sign_accuracy : Estimate
        Fraction of the connections whose sign is right.
    strength_mv : Estimate
        Mean size of a connection's potential.
    hidden : Estimate
        Fraction of the network that was not recorded.
    thresholds : list of Threshold
        By rising nominal rate.
    longer : Longer
    untold : list of str
        Those of "density", "strength_mv" and "hidden" about which the recording says little: their intervals are nearly
        as wide as over all examples.
    """

    n_examples: int
    n_matched: int = 0
    n_like: int = 0
    atypical: float
    unlike: list[str]
    auprc: Estimate
    density: Estimate
    sign_accuracy: Estimate
    strength_mv: Estimate
    hidden: Estimate
    thresholds: list[Threshold]
    longer: Longer
    untold: list[str]

    def at(self, nominal: float) -> Threshold:
        """What is reported at a nominal rate."""
        return next(entry for entry in self.thresholds if entry.nominal == nominal)

    def corrected(self, nominal: float) -> Threshold | None:
        """What to report so that no more than a nominal rate is false, see `Threshold.instead`; None if unknown."""
        instead = self.at(nominal).instead
        return None if instead is None else self.at(instead)


def corrected(thresholds: list[Threshold]) -> list[Threshold]:
    """Thresholds, by rising nominal rate, with what to use instead: the largest one at which no more is expected false.

    Where a rate is kept to, within what is known of it, nothing changes.
    """

    def instead(entry: Threshold) -> float | None:
        if not entry.deviates:
            return entry.nominal
        stricter = (each for each in thresholds if each.nominal < entry.nominal and each.rate.value <= entry.nominal)
        return max((each.nominal for each in stricter), default=None)

    return [entry.model_copy(update={"instead": instead(entry)}) for entry in thresholds]


class Assessment(_Result):
    """All results of `synapsnet assess` for a run.

    Attributes
    ----------
    key : str
        Hash of the run and of the options: results of others are not reused.
    matched : list of dicts
        Examples that were simulated for the recording, see `validation.assessment.matched`.
    skipped : dict of part -> str
        Why a part does not apply.
    """

    format_version: int = FORMAT_VERSION
    key: str
    options: dict[str, Any]
    facts: Facts | None = None
    reliability: Reliability | None = None
    knowledge: Knowledge | None = None
    states: States | None = None
    forecasts: Forecasts | None = None
    expected: Expected | None = None
    matched: list[dict[str, float | int | str]] = []
    perturbation: Perturbation | None = None
    skipped: dict[Part, str] = {}

    def done(self, part: Part) -> bool:
        """Whether the part is computed, or known not to apply."""
        return getattr(self, part) is not None or part in self.skipped
