"""Values that the shell completes; read without torch, since a Tab should not wait for it."""

from __future__ import annotations

# As in the catalogue; a test holds the two together.
SCORERS = ("teacheriqa", "ckdn", "cvrkd", "teacheriqa-s", "ckdn-s", "cvrkd-s")


def scorers(incomplete: str) -> list[str]:
    """Names of scorers that begin like this."""
    return [name for name in SCORERS if name.startswith(incomplete)]
