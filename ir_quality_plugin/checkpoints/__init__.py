"""Files of weights: read safely, renamed from the authors' releases, written with their card."""
