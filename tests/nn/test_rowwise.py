"""Rows in pieces: the scores and gradients of the whole, in the memory of a piece."""

import pytest
import torch

from ir_quality_plugin.nn.rowwise import rowwise


def rows(count=7, seed=0):
    return torch.rand(count, 3, 4, generator=torch.Generator().manual_seed(seed))


def product(restored, guide):
    return (restored.square() * guide).flatten(1).sum(dim=1)


@pytest.mark.parametrize("at_once", [1, 3, 7, 20])
def test_pieces_give_the_scores_and_gradients_of_the_whole(at_once):
    weights = torch.arange(7.0)
    given, expected = (tuple(rows(seed=seed).requires_grad_() for seed in (0, 1)) for _ in range(2))
    (product(*expected) * weights).sum().backward()
    scores = rowwise(product, at_once, *given)
    (scores * weights).sum().backward()
    torch.testing.assert_close(scores, product(*expected))
    for one, other in zip(given, expected, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_only_rows_that_take_a_gradient_get_one():
    restored, guide = rows().requires_grad_(), rows(seed=1)
    rowwise(product, 2, restored, guide).sum().backward()
    assert restored.grad is not None
    assert guide.grad is None


def test_no_more_rows_than_a_piece_are_in_a_graph_at_a_time():
    alive, most = [], []

    class Held(torch.autograd.Function):
        @staticmethod
        def forward(ctx, values):
            alive.append(len(values))
            most.append(sum(alive))
            return values.flatten(1).sum(dim=1)

        @staticmethod
        def backward(ctx, gradient):
            alive.remove(len(gradient))
            return gradient.view(-1, 1, 1).expand(-1, 3, 4)

    rowwise(Held.apply, 2, rows().requires_grad_())
    assert max(most) == 2
    assert not alive


def test_without_a_gradient_there_is_no_graph():
    with torch.no_grad():
        assert not rowwise(product, 2, rows().requires_grad_(), rows()).requires_grad
    assert not rowwise(product, 2, rows(), rows()).requires_grad
