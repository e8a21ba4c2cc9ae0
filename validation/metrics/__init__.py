"""How well inferred connectivity and forecasts agree with the truth, with intervals and paired tests."""
