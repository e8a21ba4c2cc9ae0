"""How far connectivity inferred from a recording without ground truth can be believed."""
