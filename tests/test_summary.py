"""Mean, spread and range of neurons, from blocks of steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synapsnet.model.summary import Summary

CUTS = st.lists(st.integers(1, 39), max_size=4, unique=True).map(sorted)


@given(CUTS, st.floats(-1e4, 1e4), st.sampled_from([torch.float32, torch.float64]))
def test_blocks_have_the_moments_of_the_whole(cuts, level, kind):
    values = np.random.default_rng(0).normal(level, 2.0, (40, 3))
    values[:, 1] = level
    whole = torch.from_numpy(values).to(kind)
    before = whole.clone()
    found = Summary.of(torch.tensor_split(whole, cuts))
    assert torch.equal(whole, before)
    values = before.double().numpy()
    assert found.n_steps == 40
    assert found.mean.numpy() == pytest.approx(values.mean(axis=0), rel=1e-6, abs=1e-6)
    assert found.spread.numpy()[[0, 2]] == pytest.approx(values[:, [0, 2]].std(axis=0, ddof=1), rel=1e-5)
    assert found.spread[1] == 0 and found.scale[1] == 1
    assert torch.equal(found.lowest, before.amin(0)) and torch.equal(found.highest, before.amax(0))


def test_the_summary_of_normalised_values_is_that_summary_normalised():
    values = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 3 + 5
    centre, scale = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 2.0, 4.0])
    found, expected = Summary.of([values]).normalised(centre, scale), Summary.of([(values - centre) / scale])
    for name in ("mean", "spread", "lowest", "highest"):
        assert torch.allclose(getattr(found, name), getattr(expected, name), atol=1e-5), name
