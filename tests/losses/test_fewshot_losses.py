"""Content and match terms: hand numbers, and where their gradients go."""

import pytest
import torch

from talkface.losses.content import feature_l1
from talkface.losses.matching import embedding_match


def test_content_sums_the_layers():
    fake = [torch.zeros(1, 2, 4, 4), torch.ones(1, 3)]
    real = [torch.full((1, 2, 4, 4), 0.5), torch.full((1, 3), 3.0)]
    assert feature_l1(fake, real).item() == pytest.approx(2.5)


def test_content_has_the_right_gradient_for_the_fake():
    real = torch.randn(1, 2, 3, 3, dtype=torch.float64)
    fake = (real + torch.rand_like(real) + 0.1).requires_grad_()
    feature_l1([fake], [real]).backward()
    assert torch.allclose(fake.grad.float(), torch.full((1, 2, 3, 3), 1 / 18))


def test_match_moves_the_embedder_and_never_w():
    embedding = torch.tensor([[1.0, 5.0]], requires_grad=True)
    rows = torch.tensor([[2.0, 2.0]], requires_grad=True)
    loss = embedding_match(embedding, rows)
    loss.backward()
    assert loss.item() == pytest.approx(2)
    assert embedding.grad.tolist() == [[-0.5, 0.5]]
    assert rows.grad is None
