"""What to expect of the connectivity inferred from a recording, from simulated recordings whose connections are known.

`benchmarks/expected_recovery.py` has simulated a broad family of networks once: different
neurons, states, sizes, densities, strengths, hidden fractions and lengths, a fifth of them without connections. The
table of these examples comes with the package: one row is the signature of a recording (`signature`) and what SynapsNet
recovered of it. For a recording with unknown connections the same signature is computed, and what is expected is what
examples with such a signature had (`regression_adjustment`). So density, strength and hidden fraction are not assumed
but inferred, where the recording determines them; and where it is like no example, that is said, and intervals are
wider, until networks that are simulated for it are like it (`validation.assessment.matched`).

The library sbi does the same with neural networks; for a few hundred examples a linear regression does as well, and
sbi would bring a second framework's worth of packages.
"""

from __future__ import annotations

import math
from functools import cache
from importlib import resources

import numpy as np
import pandas as pd

from synapsnet.array_types import Float64Array, FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.inference.spike_evidence import STEP_S, resolution_s, resolves
from synapsnet.recording import Modality, Recording
from validation.assessment.regression_adjustment import (
    Adjustment,
    Plausible,
    Standard,
    fraction_of_logit,
    logit_of_fraction,
)
from validation.assessment.results import Expected, Longer, Threshold, corrected
from validation.assessment.signature import RATES, Signature, signature
from validation.metrics.results import Estimate

ABOUT = ("kind", "seed", "part", "duration_s")  # columns that say what an example is
OUTCOMES = ("auprc", "density", "sign_accuracy", "strength_mv", "hidden", *(f"false {rate:g}" for rate in RATES))
FACTOR = 4  # of the duration: what would a longer recording yield
LONGER = f"auprc x{FACTOR}"
INFERRED = ("density", "strength_mv", "hidden")
LEAST_DENSITY, LEAST_STRENGTH_MV = 1e-4, 1e-2
IN_BINS = 1.5  # how atypical spikes without times are at least: what examples show was inferred from times
LARGEST_LOG = 20.0  # of what is estimated far from all examples
LEAST_EXAMPLES = 20  # with fewer in which an outcome is known, nothing is said of it
TYPICAL = 95.0  # percentile of examples' distances to those of other kinds
FAR = 3.0  # in spreads over the examples: a statistic that is named
WORDS = {  # of `signature`, as in docs/assessment.md
    "neurons": "the number of neurons",
    "rate": "rates",
    "coincidences": "expected coincidences of pairs",
    "frame": "the frame rate",
    "duration": "the duration",
    "noise": "noise",
    "skewness": "skewness",
    "correlations": "the spread of pairs' correlations",
    "together": "how far reported pairs fire together slowly",
    "upper": "how far the evidence of some pairs exceeds that of most",
    "top": "how far the evidence of some pairs exceeds that of most",
    "last": "how far the evidence of some pairs exceeds that of most",
    "believed": "the recovery that SynapsNet's own probabilities promise",
    "promise": "the recovery that SynapsNet's own probabilities promise",
    "reported": "the fraction of pairs reported",
    "number reported": "the number of pairs reported",
    "steepness": "the fraction of pairs reported at several thresholds",
    "wrong sign": "reported pairs whose sign is not the one that the sender mostly has",
    "both ways": "pairs reported both ways",
}
FEW_REPORTED = 10.0  # pairs: of so many a share says half as much as of any number
UNTOLD = 0.7  # width of an interval over that of all examples: more, and the recording says little


def expected(recording: Recording, inferred: Connectome, matched: pd.DataFrame | None = None) -> Expected:
    """What is expected of the connectivity inferred from a recording.

    Parameters
    ----------
    recording : Recording
    inferred : Connectome
        Inferred by SynapsNet from all of it.
    matched : DataFrame, optional
        Examples that were simulated for it.

    Raises
    ------
    InputError
        If the recording is deconvolved, or the connectivity has no probabilities.
    """
    if recording.deconvolved:
        raise InputError(
            "The recording is deconvolved, but all examples are of fluorescence; assess a run that was fitted to that."
        )
    if inferred.local_fdr is None:
        raise InputError(
            "The connectivity has no probabilities (local_fdr), from which its recovery is predicted; give SynapsNet's."
        )
    table, observed = examples(recording.modality), signature(recording, inferred)
    binned = in_bins(recording)
    promises = Promises(table, observed, matched, least_atypical=IN_BINS if binned else 0.0)
    unlike = ["spikes that are known in bins only"] if binned else []
    duration_s = recording.n_steps * recording.dt_s
    of = {name: promises.estimate(name) for name in ("auprc", "sign_accuracy", *INFERRED)}
    reported = dict(zip(RATES, inferred.n_reported(RATES), strict=True))
    return Expected(
        n_examples=len(table),
        n_matched=0 if matched is None else len(matched),
        n_like=promises.n_like,
        atypical=promises.atypical,
        unlike=unlike + _unlike(table, observed) if promises.atypical > 1 else [],
        **of,
        thresholds=corrected([promises.threshold(rate, n_reported) for rate, n_reported in reported.items()]),
        longer=Longer(factor=FACTOR, duration_s=FACTOR * duration_s, auprc=promises.estimate(LONGER)),
        untold=[name for name in INFERRED if _says_little(name, of[name], table[name].to_numpy(float))],
    )


def in_bins(recording: Recording) -> bool:
    """Whether spikes are known less exactly than those of the examples."""
    return recording.modality == "spikes" and not (resolves(recording) and resolution_s(recording) <= STEP_S)


class Promises:
    """What is expected of a recording with a signature.

    Parameters
    ----------
    table : DataFrame
        See `examples`.
    observed : Signature
        Signature of the recording.
    matched : DataFrame, optional
        Examples that were simulated for the recording.
    least_atypical : float
        For a recording that differs in what its signature does not show: how atypical it is at least.

    Attributes
    ----------
    atypical, n_like : float, int
        See `Expected`.
    wider : float
        By which intervals are wider because the recording is atypical.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        observed: Signature,
        matched: pd.DataFrame | None = None,
        *,
        least_atypical: float = 0.0,
    ) -> None:
        self._names = statistics(table)
        self._at = values_of(observed, self._names)
        signatures = table[self._names].to_numpy(float)
        standard, usual = Standard.of(signatures), _usual_distance(signatures, table["kind"].to_numpy(str))
        self.atypical = max(float(standard.apart(signatures, self._at).min()) / usual, least_atypical)
        self._table, self.n_like = table, 0
        if matched is not None:
            self._table = pd.concat([table, matched.reindex(columns=table.columns)], ignore_index=True)
            apart = standard.apart(matched[self._names].to_numpy(float), self._at)
            self.n_like = int((apart <= usual).sum())
        self.wider = wider(self.atypical, self.n_like)

    def estimate(self, outcome: str) -> Estimate:
        """Of one of `OUTCOMES`, or of `LONGER`."""
        plausible = self._plausible(outcome)
        if plausible is None:
            return Estimate(value=np.nan, low=0.0, high=1.0)
        return _limited(outcome, plausible.estimate())

    def threshold(self, nominal: float, n_reported: int) -> Threshold:
        """What is false among so many pairs reported at one of `RATES`."""
        false = rate = Estimate(value=np.nan, low=0.0, high=1.0)
        if (plausible := self._plausible(f"false {nominal:g}")) is not None:
            rate = plausible.mean_fraction()
            false = plausible.fraction_of(n_reported) if n_reported else false
        return Threshold(nominal=nominal, n_reported=n_reported, false=false, rate=rate)

    def _plausible(self, outcome: str) -> Plausible | None:
        """A sample of an outcome on a scale without limits; None where it is known of few examples."""
        rows = self._table[self._table[outcome].notna()]
        if len(rows) < LEAST_EXAMPLES:
            return None
        adjustment = Adjustment.learn(
            rows[self._names].to_numpy(float),
            _unlimited(outcome, rows[outcome].to_numpy(float)),
            rows["kind"].to_numpy(str),
            _certainty(rows["number reported"].to_numpy(float)) if outcome.startswith("false") else None,
        )
        return adjustment.plausible(self._at).widened(self.wider)


def statistics(table: pd.DataFrame) -> list[str]:
    """Names of the columns that are the signature."""
    return [str(name) for name in table.columns if name not in (*ABOUT, *OUTCOMES, LONGER)]


@cache
def examples(modality: Modality) -> pd.DataFrame:
    """The table of simulated examples: `ABOUT`, the signature, `OUTCOMES` and `LONGER`."""
    with resources.as_file(resources.files("validation.assessment") / f"examples-{modality}.csv") as path:
        return pd.read_csv(path)


def wider(atypical: float, n_like: int) -> float:
    """The factor by which intervals are wider for an atypical recording, of which there are examples that are like it.

    Errors there have the usual variance, and beside it one in common of (atypical^2 - 1) times that. Of this the errors
    of n examples like it leave 1 / (1 / (atypical^2 - 1) + n).
    """
    return 1.0 if atypical <= 1 else math.sqrt(1 + 1 / (1 / (atypical**2 - 1) + n_like))


def _certainty(log_reported: FloatArray) -> Float64Array:
    """Weights of examples, of whose few reported pairs a share is false."""
    n = np.expm1(log_reported)
    weights = n / (n + FEW_REPORTED)
    return np.asarray(weights / weights.mean(), dtype=np.float64)


def values_of(observed: Signature, names: list[str]) -> Float64Array:
    """(F,) statistics of a signature, by name."""
    return np.array([observed[name] for name in names])


def _usual_distance(signatures: FloatArray, kinds: FloatArray) -> float:
    """How far most examples are at most from those of other kinds."""
    x = Standard.of(signatures)(signatures)
    apart = np.sqrt(np.mean((x[:, None] - x) ** 2, axis=2))
    apart[kinds[:, None] == kinds] = np.inf
    return float(np.percentile(apart.min(axis=1), TYPICAL))


def _unlike(table: pd.DataFrame, observed: Signature) -> list[str]:
    """Statistics that are far outside of those of the examples, in words, the farthest first."""
    names = statistics(table)
    apart = np.abs(Standard.of(table[names].to_numpy(float))(values_of(observed, names)))
    return list(dict.fromkeys(WORDS[names[k]] for k in np.argsort(-apart) if apart[k] > FAR))[:3]


def _says_little(outcome: str, estimate: Estimate, values: FloatArray) -> bool:
    low, high = _unlimited(outcome, np.nanpercentile(values, [2.5, 97.5]))
    limits = _unlimited(outcome, np.array([estimate.low, estimate.high]))
    return bool(np.diff(limits)[0] > UNTOLD * (high - low))


def _unlimited(outcome: str, values: FloatArray) -> Float64Array:
    """Values of an outcome on a scale without limits: logarithms of density and strength, logits of shares."""
    least = {"density": LEAST_DENSITY, "strength_mv": LEAST_STRENGTH_MV}.get(outcome)
    return logit_of_fraction(values) if least is None else np.log(np.maximum(values, least))


def _limited(outcome: str, estimate: Estimate) -> Estimate:
    limits = np.array([estimate.low, estimate.value, estimate.high])
    if outcome not in ("density", "strength_mv"):
        low, value, high = fraction_of_logit(limits).tolist()
        return Estimate(value=value, low=low, high=high)
    most = 1.0 if outcome == "density" else np.inf
    low, value, high = np.minimum(np.exp(np.clip(limits, -LARGEST_LOG, LARGEST_LOG)), most).tolist()
    return Estimate(value=value, low=low, high=high)
