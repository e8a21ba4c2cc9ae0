"""From a trained model to connections: evidence for each pair, its calibration, the posterior, delays."""
