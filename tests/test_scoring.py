"""Scoring a run against any method: registered, of another package, or a class that has a place only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reports.html import write_report
from synapsnet import Connectome, InputError, Recording, Settings, deconvolution, fit_run, load_run
from validation import scoring
from validation.scoring import load_results, score_run

OURS = f"{__name__}:Both"


class Both:
    """Infers, and forecasts: the mean and the last step."""

    def infer(self, recording: Recording) -> Connectome:
        x = deconvolution.deconvolve(recording)
        x = x - x.mean(axis=0)
        weight = x[1:].T @ x[:-1]
        np.fill_diagonal(weight, 0)
        return Connectome(weight)

    def fit(self, recording: Recording) -> Both:
        self.mean = recording.values.mean(axis=0)
        return self

    def forecast(self, recording: Recording, horizon: int) -> np.ndarray:
        return np.broadcast_to(self.mean, (horizon, *recording.values.shape)).copy()


class Neither:
    """No method."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    n = 5
    traces = np.zeros((1500, n))
    for t in range(1, len(traces)):
        traces[t] = 0.8 * traces[t - 1] + (rng.random(n) < 0.1)
    weight = np.zeros((n, n))
    weight[1, 0] = weight[3, 2] = 1.0
    recording = Recording.from_array(traces + 0.1 * rng.normal(size=traces.shape), 0.03, "calcium",
                                     connectome=Connectome(weight))  # fmt: skip
    folder = tmp_path_factory.mktemp("scoring") / "run"
    fit_run(recording, folder, settings=Settings(epochs=1, n_hidden=2, horizon=4), device="cpu")
    return folder


def test_a_class_is_scored_as_a_registered_method_is(run, tmp_path, monkeypatch):
    loads, solved = [], []
    monkeypatch.setattr(scoring, "load_run", lambda *args, **options: loads.append(1) or load_run(*args, **options))
    solver = deconvolution._deconvolve
    monkeypatch.setattr(deconvolution, "_deconvolve", lambda *given: solved.append(1) or solver(*given))
    results = score_run(run, against=["lagged-correlation", "glm", OURS, "ar"], device="cpu")
    assert (len(loads), len(solved)) == (1, 1)
    assert [s.method for s in results.scores.connectivity] == ["synapsnet", "lagged-correlation", "glm", OURS]
    assert {"ar", OURS, "synapsnet", "mean"} <= {s.method for s in results.scores.forecast}
    assert results.labels[OURS] == "Both"
    assert list(results.inferred) == ["synapsnet", "lagged-correlation", "glm", OURS]
    assert set(results.example.predicted[OURS]) == {1, 4}
    assert load_results(run).scores.model_dump_json() == results.scores.model_dump_json()
    page = tmp_path / "report.html"
    write_report([results], page)
    assert ">Both<" in page.read_text()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("glmm", "did you mean 'glm'"),
        ("synapsnet", "There is no method 'synapsnet'"),
        ("oracle", "There is no method 'oracle'"),
        (f"{__name__}:Neither", "is not a method"),
        ("nowhere:Method", "needs a module 'nowhere'"),
    ],
)
def test_what_is_no_comparator_is_refused_before_anything_is_fitted(run, name, sentence):
    with pytest.raises(InputError, match=sentence):
        score_run(run, against=["var", name], device="cpu")
