"""Neuron models: networks that lack a wiring. A network is one of these and a way of being connected."""
