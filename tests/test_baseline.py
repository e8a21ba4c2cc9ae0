"""Baselines: what counts as worse, and what cannot be compared."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from results_table import results
from scipy import stats

from synapsnet.cli.benchmark import baseline_compare, baseline_save
from synapsnet.errors import InputError
from validation.benchmark.baseline import EVERYWHERE, compare, load_baseline, make_baseline, save_baseline
from validation.benchmark.table import write_table

SETTINGS = ("random, long", "random, short", "shared, long")
GLM = {
    (*setting.split(", "), "glm", seed): 0.7 + 0.01 * (seed - 2) - 0.1 * (setting == "random, short")
    for setting in SETTINGS
    for seed in (1, 2, 3)
}
BASELINE = make_baseline(results(), "glm")


def worse(changes: dict) -> set[tuple[str, str]]:
    found = compare(results({**GLM, **changes}), BASELINE)
    return {(change.metric, change.setting) for change in found if change.worse}


def test_the_same_results_are_not_worse():
    changes = compare(results(), BASELINE)
    assert len(changes) == 2 * 4  # metrics; settings and all of them
    assert all(change.change.value == 0 and not change.worse for change in changes)


def test_a_change_is_paired_by_seed_and_tested_against_zero():
    losses = [0.08, 0.1, 0.11]
    changed = {
        ("random", "long", "glm", seed): GLM["random", "long", "glm", seed] - loss
        for seed, loss in enumerate(losses, 1)
    }
    (found,) = (
        change
        for change in compare(results(changed), BASELINE)
        if (change.setting, change.metric) == ("random, long", "auprc")
    )
    low, high = stats.ttest_1samp([-loss for loss in losses], 0).confidence_interval(0.95)
    assert (found.change.value, found.change.low, found.change.high) == pytest.approx((-0.29 / 3, low, high))
    assert found.worse
    assert str(found) == f"auprc on random, long: -0.0967 [{low:+.3g}, {high:+.3g}] over 3 cases"


@settings(max_examples=10)
@given(st.floats(0.001, 0.5))
def test_a_method_that_loses_everywhere_is_worse_and_one_that_gains_is_not(amount: float):
    noisy = {key: value - amount * (1 + 0.1 * key[3]) for key, value in GLM.items()}
    assert ("auprc", EVERYWHERE) in worse(noisy)
    assert not worse({key: value + amount * (1 + 0.1 * key[3]) for key, value in GLM.items()})


def test_one_small_loss_among_many_comparisons_is_not_worse():
    losses = [0.01, 0.03, 0.02]
    assert stats.ttest_1samp(losses, 0, alternative="greater").pvalue < 0.05
    assert not worse(
        {("random", "long", "glm", seed): 0.69 + 0.01 * seed - 0.01 - loss for seed, loss in enumerate(losses, 1)}
    )


def test_noise_is_not_worse():
    assert not worse({key: value + 0.02 * (-1) ** key[3] * (key[0] == "shared") for key, value in GLM.items()})


def test_a_method_that_fails_now_is_worse():
    changes = compare(results({("random", "long", "glm", 2): "ValueError"}), BASELINE)
    found = [change for change in changes if change.worse]
    assert {(change.metric, change.setting) for change in found} == {
        (metric, setting) for metric in ("auprc", "weight_correlation") for setting in ("random, long", EVERYWHERE)
    }
    assert str(found[0]) == "auprc on random, long: 1 of 3 cases have no score any more"


def test_a_failure_that_is_gone_is_not_worse():
    then = make_baseline(results({("random", "long", "glm", 2): "ValueError"}), "glm")
    assert not any(change.worse for change in compare(results(), then))


def test_a_single_unit_proves_nothing():
    one = results()
    one = one[(one["seed"] == 1) & (one["network"] == "shared")]
    now = results({("shared", "long", "glm", 1): 0.1})
    assert not any(change.worse for change in compare(now, make_baseline(one, "glm")))


def test_files(tmp_path: Path):
    save_baseline(BASELINE, tmp_path / "glm.json")
    assert load_baseline(tmp_path / "glm.json") == BASELINE
    with pytest.raises(InputError, match="There is no baseline"):
        load_baseline(tmp_path / "absent.json")
    (tmp_path / "broken.json").write_text("[]")
    with pytest.raises(InputError, match="is no baseline"):
        load_baseline(tmp_path / "broken.json")


def test_the_command_line_exits_with_1_and_names_what_is_worse(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_table(results(), tmp_path)
    baseline_save("glm-1", method="glm", results=tmp_path, folder=tmp_path / "kept")
    baseline_compare("glm-1", results=tmp_path, folder=tmp_path / "kept")
    assert "8 scores compared with glm-1, 0 significantly worse." in capsys.readouterr().out
    write_table(results({key: value - 0.1 for key, value in GLM.items()}), tmp_path)
    with pytest.raises(typer.Exit) as end:
        baseline_compare("glm-1", results=tmp_path, folder=tmp_path / "kept")
    assert end.value.exit_code == 1
    assert "auprc on random, long: -0.1 [-0.1, -0.1] over 3 cases" in capsys.readouterr().err


def test_what_cannot_be_compared():
    table = results()
    with pytest.raises(InputError, match="lack random, short"):
        compare(table[table["observation"] == "long"], BASELINE)
    with pytest.raises(InputError, match="lack seed 3 of random, long"):
        compare(table[table["seed"] < 3], BASELINE)
    with pytest.raises(InputError, match="has other settings than when the baseline was made"):
        compare(table.assign(network_spec='{"name": "lif-random"}'), BASELINE)
    with pytest.raises(InputError, match="no method in the results 'gml'; did you mean 'glm'"):
        make_baseline(table, "gml")
