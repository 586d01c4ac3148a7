"""Training under Accelerate: typed options, building, the loop, validation, state and the guard."""
