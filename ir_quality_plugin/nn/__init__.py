"""Building blocks on torch alone: residual stages, inception blocks, attention, mixers, pixels and crops."""
