r"""What a presynaptic spike does to the correlogram: the responses among which a recording chooses.

A spike at time 0 changes the postsynaptic rate by a response that begins after a delay d, rises and decays,

.. math::
    r(t) \propto (1 - e^{-(t - d) / \tau_r})\, e^{-(t - d) / \tau_d} \quad (t > d)

from a synapse without measurable currents (1 ms) to slow inhibition (15 ms). Connections of one recording share a
response; only where that explains clearly less than delays of their own do they differ in delay.

Response and background (`synapsnet.inference.background`) depend on each other: which response stands out can only be
said beside the background, and the background is learned from pairs in which no response stands out. So they are
learned in turns (`Responses.learn`), beginning with a crude estimate that needs no background:

1. the size of every response less its mean nearby, which takes out whatever is much broader than a response;
2. a background from the pairs that are calm by these sizes; by its help, the sizes once more;
3. the final background from the pairs that are calm now: in the first look, background could pass for connections, and
   connections could hide in it.

The response that stands out most beside the final background is that of the recording.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from synapsnet.array_types import FloatArray, IndexArray
from synapsnet.inference.background import EM_STEPS, Estimator, Modes, calm, design, strength
from synapsnet.inference.correlograms import Correlograms

RISE_AND_DECAY_S = (
    (0.0003, 0.001), (0.0005, 0.002), (0.001, 0.004), (0.001, 0.007), (0.0015, 0.010), (0.002, 0.015)
)  # fmt: skip
DELAYS_S = (0.0005, 0.001, 0.0015, 0.002, 0.003)  # of a shared response
LONG_DELAYS_S = (0.005, 0.008, 0.012, 0.016)
SLOWEST_LATE_S, SYNCHRONY_S = 0.007, 0.002  # longest decay after a long delay; shortest that may begin at once
OWN_DELAY_SHAPE_S = (0.001, 0.004)  # rise and decay where delays differ
DISPLACED_S = 0.020  # a response that begins so much later, or earlier, than a connection acts is that of shared input
SURROUND_S = 0.041  # before the background is known, a response stands out from its surround of this width
CALM, CALM_OF_SHARED = 3.2, 2.0  # z-scores below which a pair is background, of all responses and of the shared one
BACKGROUND_STEPS = 2
OWN_SHAPE = 200.0  # strength that excitation or inhibition must gain by a response of its own, see `_of_sign`
# Delays differ if half of the pairs that stand out are this many e-folds likelier with a delay of their own: 24 and 31
# on two cultures with delays of 1 to 20 ms, at most 2.4 on networks that burst.
STANDS_OUT, CLEARLY = 6.0, 8.0
FIRST_DENSITY, MOST_DENSE = 0.05, 0.3  # of connections with delays of their own
EFFECT_VARIANCE = 25.0  # of their z-scores
N_NOISE, N_QUANTILES, BEYOND = 50_000, 200, 0.995  # drawn correlograms, and the quantiles of their z-scores up to this
Shape = tuple[float, float, float]  # delay, rise and decay in seconds

OVERSAMPLING = 10


def responses(n_lags: int, step_s: float) -> dict[Shape, Tensor]:
    """(L + 1,) responses at lags from 0 to L bins, with a sum of squares of 1, by delay, rise and decay in seconds.

    One that is over within `SYNCHRONY_S` begins a bin after lag 0 or later: earlier, it looks like synchrony.
    """
    return {
        (delay, rise, decay): response(n_lags, step_s, delay, rise, decay)
        for delay in DELAYS_S + LONG_DELAYS_S
        for rise, decay in RISE_AND_DECAY_S
        if (delay in DELAYS_S or decay <= SLOWEST_LATE_S) and (delay >= step_s or decay > SYNCHRONY_S)
    }


def response(n_lags: int, step_s: float, delay_s: float, rise_s: float, decay_s: float) -> Tensor:
    """(L + 1,) one of them."""

    def course(t: FloatArray) -> FloatArray:
        since = np.clip(t - delay_s, 0, None)
        return -np.expm1(-since / rise_s) * np.exp(-since / decay_s)

    return binned(course, np.arange(n_lags + 1), step_s)


def binned(course: Callable[[FloatArray], FloatArray], lags: IndexArray, step_s: float) -> Tensor:
    """(L,) what a course in time, in seconds, is in a correlogram at L lags in bins, with a sum of squares of 1.

    Two spikes in bins that are l apart are between l - 1 and l + 1 bins apart.
    """
    apart = (np.arange(-OVERSAMPLING, OVERSAMPLING) + 0.5) / OVERSAMPLING  # in bins
    values = course((lags[:, None] + apart) * step_s) @ (1 - np.abs(apart))
    return torch.from_numpy((values / np.linalg.norm(values)).astype(np.float32))


@dataclass
class Responses:
    """The responses that connections have in a recording, and estimators of their sizes.

    Attributes
    ----------
    shared, positive, negative : Shape
        The shapes for all connections, and for those of either sign.
    estimators : dict of Shape to Estimator
    delays : dict of Shape to float
        Distribution of the delays, where each connection has its own; else empty.
    noise_z : (Q,) tensor, optional
        Sizes of the z-scores that noise has then, in ascending order.
    """

    shared: Shape
    positive: Shape
    negative: Shape
    estimators: dict[Shape, Estimator]
    delays: dict[Shape, float] = field(default_factory=dict)
    noise_z: Tensor | None = None

    @property
    def differing_delays(self) -> bool:
        """Whether each connection has a delay of its own."""
        return bool(self.delays)

    @property
    def response(self) -> Tensor:
        """(L + 1,) the shared one."""
        return self.estimators[self.shared].response

    @property
    def sum(self) -> float:
        """Sum of the response over lags; its sum of squares is 1."""
        return float(self.response.sum())

    @property
    def effective_lags(self) -> float:
        """Number of equally weighted lags whose sum is as skewed as the response's."""
        return float(1 / self.response.pow(3).sum().square())

    @classmethod
    def learn(cls, correlograms: Correlograms) -> Responses:
        """Those that stand out most, beside the background, which is learned with them."""
        values, coincidences = correlograms.to_learn_from()
        n, n_lags = len(correlograms.learning), values.shape[1]
        step = correlograms.spectra.step_s
        catalogue = {shape: r.to(values) for shape, r in responses(n_lags // 2, step).items()}
        candidates = [shape for shape in catalogue if shape[0] in DELAYS_S]
        z = {shape: values @ _less_surround(response, step) for shape, response in catalogue.items()}
        for _ in range(BACKGROUND_STEPS):  # see the module
            shared = max(candidates, key=lambda shape: strength(z[shape]))
            # Many connections may be too weak to stand out one by one, and would together pass for a mode of the shape
            # that they share: so the limit is lower for that shape than for all the others.
            quiet = calm(z[shared], CALM_OF_SHARED)
            for z_of_shape in z.values():
                quiet &= calm(z_of_shape, CALM)
            modes = Modes.learn(values[_both_ways(quiet, n)])
            estimators = {}
            for shape in candidates:
                estimators[shape] = _estimator(modes, catalogue[shape], values)
                size, error = estimators[shape](values)
                z[shape] = size / error
        # Few coincidences have a long upper tail, which must not pass for excitation when responses are compared.
        z = {shape: normal_score(z[shape], coincidences, catalogue[shape]) for shape in candidates}
        shared = max(candidates, key=lambda shape: strength(z[shape]))
        positive, negative = (_of_sign(sign, z, shared) for sign in (1, -1))
        new = cls(shared, positive, negative, {shape: estimators[shape] for shape in (shared, positive, negative)})
        new._learn_delays(modes, catalogue, values, coincidences, new._signed(z))
        return new

    def _learn_delays(
        self, modes: Modes, catalogue: dict[Shape, Tensor], values: Tensor, coincidences: Tensor, shared: Tensor
    ) -> None:
        """Let delays differ if that explains clearly more than (P,) `shared` z-scores do, allowing for its freedom."""
        estimators = {
            shape: _estimator(modes, response, values)
            for shape, response in catalogue.items()
            if shape[1:] == OWN_DELAY_SHAPE_S
        }
        z = torch.stack(
            [
                normal_score(torch.div(*estimator(values)), coincidences, catalogue[shape])
                for shape, estimator in estimators.items()
            ]
        )
        # Log Bayes factors of a connection with this delay, whose z-score is N(0, 1 + EFFECT_VARIANCE), to none.
        gain = EFFECT_VARIANCE / (1 + EFFECT_VARIANCE)
        log_factor = 0.5 * (gain * z.square() - math.log(1 + EFFECT_VARIANCE))
        largest = log_factor.amax(0).clamp(min=0)
        factor, absent = (log_factor - largest).exp(), (-largest).exp()
        # Expectation maximisation of how many pairs are connected, and how common each delay is.
        p_delay, density = torch.full((len(z),), 1 / len(z), device=z.device), FIRST_DENSITY
        for _ in range(EM_STEPS):
            connected = p_delay @ factor
            p_connected = density * connected / (density * connected + (1 - density) * absent)
            density = min(max(float(p_connected.mean()), 1e-4), MOST_DENSE)
            counts = (factor * p_delay[:, None] / connected * p_connected).sum(1) + 0.5  # no delay is ruled out
            p_delay = counts / counts.sum()
        own = _best_delay(z, p_delay)
        stands_out = torch.maximum(own.abs(), shared.abs()) > STANDS_OUT
        gained = (own.square() - shared.square())[stands_out] / 2  # log likelihood; `own` has paid for its choice
        if len(gained) and gained.median() > CLEARLY:
            self.estimators |= estimators
            self.delays = dict(zip(estimators, p_delay.tolist(), strict=True))
            # The best of several delays is seldom near 0 in noise: how often is drawn, as the delays' shapes overlap.
            noise = torch.randn(N_NOISE, values.shape[1], generator=torch.Generator().manual_seed(0)).to(values)
            z = torch.stack([torch.div(*estimator(noise)) for estimator in estimators.values()])
            self.noise_z = _best_delay(z, p_delay).abs().sort().values

    def __call__(self, values: Tensor, coincidences: Tensor) -> tuple[Tensor, Tensor]:
        """(P,) z-scores of (P, K) correlograms, and the standard error of the size."""
        shapes = list(self.delays) or list(self.estimators)
        z, errors = {}, {}
        for shape in shapes:
            estimator = self.estimators[shape]
            size, errors[shape] = estimator(values)
            z[shape] = normal_score(size / errors[shape], coincidences, estimator.response)
        if self.delays:
            p_delay = torch.tensor(list(self.delays.values()), device=values.device)
            assert self.noise_z is not None
            return _without_choice(_best_delay(torch.stack(list(z.values())), p_delay), self.noise_z), errors[shapes[0]]
        return self._signed(z), errors[self.shared]

    def _signed(self, z: dict[Shape, Tensor]) -> Tensor:
        """Each pair's z-score by the shape of its sign; of both, if they disagree, the larger."""
        positive, negative = z[self.positive], z[self.negative]
        larger = torch.where(positive > -negative, positive, negative)
        return torch.where(positive > 0, torch.where(negative < 0, larger, positive), negative)


def _of_sign(sign: int, z: dict[Shape, Tensor], shared: Shape) -> Shape:
    """The response of connections of one sign, from (P,) z-scores by shape: of their own if they gain clearly by it.

    What common targets make of two neurons outweighs noise in hours, and has another shape than connections have. So a
    response of their own must also fit the connections that are plain by the shared one.
    """
    best = max(z, key=lambda shape: strength(z[shape], sign))
    gained = strength(z[best], sign) - strength(z[shared], sign)
    plain = sign * z[shared] > STANDS_OUT
    fits = not plain.any() or float((sign * (z[best] - z[shared]))[plain].median()) > 0
    return best if gained > OWN_SHAPE and fits else shared


def _estimator(modes: Modes, response: Tensor, values: Tensor) -> Estimator:
    estimator = Estimator(modes, design(response, values.shape[1]))
    estimator.learn_scales(values)
    return estimator


def _best_delay(z: Tensor, p_delay: Tensor) -> Tensor:
    """(P,) z-scores with the evidence of (S, P) together, whose delays have the prior probabilities `p_delay`.

    The likelihood of a delay, at the best size, is exp(z^2 / 2) times that of noise; this is the z whose likelihood is
    their mean by `p_delay`. So to choose among more delays costs more.
    """
    half = 0.5 * z.square()
    largest = half.amax(0)
    weight = p_delay[:, None] * (half - largest).exp()
    evidence = weight.sum(0).log() + largest
    return torch.sign((weight * z).sum(0)) * (2 * evidence).clamp(min=0).sqrt()


def _without_choice(z: Tensor, noise_z: Tensor) -> Tensor:
    """z-scores as if no delay had been chosen, a choice by which noise is seldom near 0; by the quantiles of noise.

    Beyond those, the choice takes the same from the evidence, z^2 / 2, of all.
    """
    level = torch.linspace(0, BEYOND, N_QUANTILES, dtype=torch.float64, device=z.device)
    raw, normal = torch.quantile(noise_z.double(), level), torch.special.ndtri((1 + level) / 2)
    size = z.abs().double()
    above = torch.searchsorted(raw, size).clamp(1, N_QUANTILES - 1)
    fraction = ((size - raw[above - 1]) / (raw[above] - raw[above - 1]).clamp(min=1e-9)).clamp(min=0)
    within = normal[above - 1] + fraction * (normal[above] - normal[above - 1])
    beyond = (size.square() - raw[-1].square() + normal[-1].square()).clamp(min=0).sqrt()
    return torch.sign(z) * torch.where(size > raw[-1], beyond, within).to(z)


def _both_ways(quiet: Tensor, n: int) -> Tensor:
    """Pairs that are quiet in either direction, of (N (N - 1),) off-diagonal entries."""
    pairs = ~torch.eye(n, dtype=torch.bool, device=quiet.device)
    matrix = torch.zeros_like(pairs)
    matrix[pairs] = quiet
    return (matrix & matrix.T)[pairs]


def displaced(response: Tensor, n_lags: int, step_s: float) -> Tensor:
    """(K, 2) filters of norm 1 in a correlogram of K lags: the response too late and too early for a connection."""
    shift = round(DISPLACED_S / step_s)
    late = torch.zeros_like(response)
    late[shift:] = response[: len(response) - shift]
    return design(late / late.norm(), n_lags)


def _less_surround(response: Tensor, step_s: float) -> Tensor:
    """(K,) filter of norm 1: the response less its mean over `SURROUND_S`."""
    both = torch.cat([response.new_zeros(len(response) - 1), response])
    width = 2 * round(SURROUND_S / step_s / 2) + 1
    box = torch.ones(1, 1, width, device=response.device) / width
    surround = torch.nn.functional.conv1d(both[None, None], box, padding=width // 2)[0, 0]
    filtered = both - surround
    return filtered / filtered.norm()


def normal_score(z: Tensor, coincidences: Tensor, response: Tensor) -> Tensor:
    """z-scores of a weighted sum of counts, as those of a normal variable with the same tail probability.

    The sum has the skewness of a gamma distribution, whose cube root is nearly normal (Wilson & Hilferty 1931, PNAS
    17:684).

    Parameters
    ----------
    z : (P,) tensor
    coincidences : (P,) tensor
        Expected counts at each lag.
    response : (L,) tensor
        Weights of the lags, with a sum of squares of 1.
    """
    skewness = response.pow(3).sum() / coincidences.clamp(min=0.02).sqrt()
    shape = 4 / skewness.square()
    # There are no fewer coincidences than none: what is further down is noise of other kinds.
    counted = torch.maximum(z, -1 / skewness)
    ratio = 1 + counted / shape.sqrt()
    return 3 * shape.sqrt() * (ratio.pow(1 / 3) - 1 + 1 / (9 * shape)) + z - counted
