"""Duels of many methods on many images: some pairs at a time, with the numbers of all at once."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from ir_quality_plugin.metrics import paired


def test_pairs_are_taken_some_at_a_time_with_the_same_result(monkeypatch):
    scores = np.random.default_rng(0).normal(size=(50, 6))
    scores[3, 2] = np.nan
    methods = list("abcdef")
    expected = paired.duels(scores, methods, True)
    monkeypatch.setattr(paired, "CELLS", 200)
    found = paired.duels(scores, methods, True)
    assert [replace(duel, interval=()) for duel in found] == [replace(duel, interval=()) for duel in expected]
    for duel, whole in zip(found, expected, strict=True):
        assert duel.interval == pytest.approx(whole.interval)  # sums in another order differ in the last bit


def test_memory_follows_the_images_and_not_the_pairs_of_methods(monkeypatch):
    monkeypatch.setattr(paired, "CELLS", 20_000)
    monkeypatch.setattr(paired.bootstrap_means, "__defaults__", (paired.CONFIDENCE, 4, 0, 1))

    def peak(methods):
        scores = np.random.default_rng(0).normal(size=(20_000, methods))
        tracemalloc.start()
        paired.duels(scores, [str(method) for method in range(methods)], True)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(16) < 1.5 * peak(2)
