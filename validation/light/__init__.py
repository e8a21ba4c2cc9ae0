"""Pulses of light in a recording, and whether connectivity predicts the responses to them."""
