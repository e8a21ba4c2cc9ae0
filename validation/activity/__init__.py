"""Statistics of activity, simulations observed like a recording, and surrogates."""
