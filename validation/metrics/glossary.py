"""What each metric is called and means: a metric of connectivity or of forecasts is defined here, once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A column: the field of the scores it shows, its printed name, and what it means.

    Every metric is in `scores.json`; the report has those that are `shown`.
    """

    field: str
    name: str
    meaning: str
    lower_is_better: bool = False
    chance: float | None = None
    shown: bool = True


CONNECTIVITY_METRICS = (
    Metric(
        "auprc",
        "AUPRC",
        "Area under the precision-recall curve (average precision), pairs ranked by absolute score: 1 if every true "
        "connection ranks above every absent one; chance is the fraction of pairs that are connected.",
    ),
    Metric(
        "auroc",
        "AUROC",
        "Area under the receiver operating characteristic: the chance that a true connection has a larger absolute "
        "score than an absent pair, ties counting half.",
        chance=0.5,
    ),
    Metric(
        "signed_auroc",
        "signed AUROC",
        "Mean of two AUROCs: excitatory connections against all other pairs ranked by score, and inhibitory "
        "connections against all other pairs ranked by minus the score.",
        chance=0.5,
    ),
    Metric(
        "sign_accuracy",
        "sign accuracy",
        "Fraction of the true connections whose score has the right sign; a score of 0 counts as wrong.",
    ),
    Metric(
        "weight_correlation",
        "weight r",
        "Pearson correlation of true and inferred weight over all pairs, absent ones included.",
        chance=0.0,
    ),
    Metric(
        "direction_accuracy",
        "direction",
        "Among pairs connected in one direction only, the fraction whose absolute score is larger in that direction "
        "than in the reverse one, ties counting half.",
        chance=0.5,
    ),
    Metric(
        "auprc_lift",
        "AUPRC / chance",
        "AUPRC over the fraction of pairs that are connected, its chance level: for networks of different density.",
        chance=1.0,
        shown=False,
    ),
    Metric(
        "signed_auprc",
        "signed AUPRC",
        "Mean of two AUPRCs: excitatory connections among all pairs ranked by score, and inhibitory connections among "
        "all pairs ranked by minus the score. Chance is half the fraction of pairs that are connected.",
        shown=False,
    ),
    Metric(
        "precision_at_k",
        "precision at k",
        "Fraction of true connections among the k pairs with the largest absolute score, k being the number of true "
        "connections; chance is the fraction of pairs that are connected.",
        shown=False,
    ),
    Metric(
        "mcc",
        "MCC",
        "Matthews correlation coefficient of true connections and those that the method calls significant at a false "
        "discovery rate of 5%; 0 if it finds none.",
        chance=0.0,
        shown=False,
    ),
    Metric(
        "f1",
        "F1",
        "Harmonic mean of precision and recall of the connections that the method calls significant at a false "
        "discovery rate of 5%.",
        shown=False,
    ),
    Metric(
        "false_discovery_rate",
        "realised FDR",
        "Fraction of absent pairs among the connections called significant at a false discovery rate of 5%: 0.05 if "
        "the method's errors are as large as it says.",
        lower_is_better=True,
        shown=False,
    ),
    Metric(
        "n_reported",
        "reported",
        "Number of pairs that the method calls significant at a false discovery rate of 5%; all are false where "
        "nothing is connected.",
        shown=False,
    ),
    Metric(
        "false_positive_rate",
        "realised FPR",
        "Fraction of the absent pairs with a p-value below 5%: 0.05 if the method's errors are as large as it says.",
        lower_is_better=True,
        shown=False,
    ),
    Metric(
        "p_value_distance",
        "p-value distance",
        "Largest difference between the distribution of the absent pairs' p-values and the uniform distribution "
        "(Kolmogorov–Smirnov distance); 0 is calibrated.",
        lower_is_better=True,
        shown=False,
    ),
    Metric(
        "ei_accuracy",
        "E/I accuracy",
        "Fraction of the neurons whose outgoing scores sum to the sign of their true outgoing weights; calling all "
        "neurons excitatory is right for as many as are.",
        shown=False,
    ),
    Metric(
        "ei_auroc",
        "E/I AUROC",
        "The chance that an excitatory neuron's outgoing scores have a larger sum than an inhibitory one's.",
        chance=0.5,
        shown=False,
    ),
    Metric(
        "edge_weight_correlation",
        "weight r, connected",
        "Pearson correlation of true and inferred weight over the true connections.",
        chance=0.0,
        shown=False,
    ),
    Metric(
        "block_correlation",
        "cell-type r",
        "Pearson correlation of true and inferred weight, each averaged over all pairs from one cell type to another.",
        chance=0.0,
        shown=False,
    ),
    Metric(
        "delay_error_s",
        "delay error (s)",
        "Mean absolute error of the inferred delay in seconds, over the true connections.",
        lower_is_better=True,
        shown=False,
    ),
    Metric(
        "delay_correlation",
        "delay r",
        "Spearman correlation of true and inferred delay over the true connections.",
        chance=0.0,
        shown=False,
    ),
    *(
        Metric(
            f"fooled_by_{field}",
            f"fooled by {name}",
            f"Among unconnected pairs, the chance that {pair} has a larger absolute score than one that is not. 0.5 if "
            "that does not matter to the method, 1 if it always looks connected.",
            lower_is_better=True,
            chance=0.5,
            shown=False,
        )
        for field, name, pair in (
            ("chain", "chain", "a pair linked by a path over one other neuron"),
            ("common_input", "common input", "a pair that receives from one and the same neuron"),
            ("reverse", "reverse", "a pair connected in the other direction"),
            ("relay", "hidden relay", "a pair strongly linked through hidden neurons"),
            ("unequal_delays", "unequal delays", "a pair that one neuron reaches after different delays"),
        )
    ),
    Metric(
        "effective_auprc",
        "effective AUPRC",
        "AUPRC where pairs with a strong effective connection, through hidden neurons as well, count as connected: as "
        "many as there are connections, which sets the chance level.",
        shown=False,
    ),
    Metric(
        "effective_weight_correlation",
        "effective weight r",
        "Pearson correlation over all pairs of the inferred weight and the true one that includes paths through hidden "
        "neurons.",
        chance=0.0,
        shown=False,
    ),
)
FORECAST_METRICS = (
    Metric(
        "mse",
        "MSE",
        "Mean squared error over held-out steps and neurons, in squared units of the activity; lower is better.",
        lower_is_better=True,
    ),
    Metric(
        "r2",
        "R²",
        "1 − squared error / variance of each neuron, averaged over neurons; 0 for a forecast as good as the neuron's "
        "held-out mean, negative for a worse one. Neurons without held-out variance are left out.",
    ),
    Metric(
        "correlation",
        "correlation",
        "Pearson correlation of forecast and observation over time per neuron, averaged over the neurons that have "
        "one; none for a constant forecast.",
    ),
    Metric("skill_over_mean", "skill over mean", "1 − MSE / MSE of always forecasting each neuron's mean in training."),
    Metric("skill_over_copy", "skill over copy", "1 − MSE / MSE of copying the last observed value."),
    Metric(
        "mae",
        "MAE",
        "Mean absolute error over held-out steps and neurons, in units of the activity; lower is better.",
        lower_is_better=True,
        shown=False,
    ),
    Metric(
        "population_correlation",
        "population correlation",
        "Pearson correlation over time of the mean over neurons of forecast and of observation.",
        shown=False,
    ),
    Metric(
        "behind_synapsnet",
        "behind SynapsNet",
        "Skill over mean of SynapsNet less that of this method, with an interval for the difference (paired, from the "
        "same resamples); SynapsNet is surely better where the interval lies above 0.",
        lower_is_better=True,
        shown=False,
    ),
)
BITS = Metric(
    "bits_per_spike",
    "bits/spike",
    "Gain in Poisson log likelihood over each neuron's mean rate in training, one step ahead, summed over neurons and "
    "divided by the number of held-out spikes, in bits. Forecasts are clipped below at 0.0001 spikes per bin.",
)

OF_RESPONSES = {
    "correlation": "Pearson correlation of predicted and measured responses",
    "rank": "Rank correlation of predicted and measured responses",
    "sign": "Fraction of the clear responses whose sign is predicted, none counting half",
}
WAYS = {
    "response": ("direct", "predicted from the connections from the neurons with light"),
    "passed_on": ("passed on", "with what the others pass on to each other; none where they would do so without end"),
}
# Networks with light (`validation.light.known_neurons`): what connectivity that was inferred without it predicts.
RESPONSE_METRICS = (
    *(
        Metric(f"{way}_{score}{null}", f"{score} of responses, {short}{comma}", f"{meaning}, {how}{end}.", shown=False)
        for way, (short, how) in WAYS.items()
        for score, meaning in OF_RESPONSES.items()
        for null, comma, end in (
            ("", "", ""),
            ("_null", ", null", ": reached by 5% of the shuffles that deal predictions out among neurons"),
        )
    ),
    Metric(
        "response_reliability",
        "reliability of responses",
        "Pearson correlation of the responses in the even and in the odd trials; about its square root is what a "
        "perfect prediction would reach.",
        shown=False,
    ),
)
