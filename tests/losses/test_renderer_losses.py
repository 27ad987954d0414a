"""Pixel and adversarial terms against hand-computed numbers."""

import math

import pytest
import torch

from talkface.losses.adversarial import (
    bce_discriminator,
    bce_generator,
    feature_matching,
    hinge_discriminator,
    hinge_generator,
)
from talkface.losses.pixel import dynamic_l1, dynamic_weights, edge_l1, weighted_l1


def test_weighted_l1_counts_by_weight():
    generated = torch.tensor([[[[1.0, 3.0]]]])
    weights = torch.tensor([[[[1.0, 3.0]]]])
    assert weighted_l1(generated, torch.zeros_like(generated), weights) == pytest.approx((1 + 9) / 2 / 2)


def test_dynamic_weights_add_up_and_pass_no_gradient():
    mask = torch.tensor(0.25, requires_grad=True)
    weights = dynamic_weights(torch.tensor(1.0), mask, 3.0)
    assert float(weights) == 3.75 and not weights.requires_grad


def test_dynamic_l1_is_atvgnet_s_third_term():
    attention = torch.tensor([[[[0.0, 1.0]]]], requires_grad=True)
    generated = torch.tensor([[[[1.0, 3.0]]]], requires_grad=True)
    weights = dynamic_weights(torch.zeros(1, 1, 1, 2), attention, 0.0)
    loss = dynamic_l1(generated, torch.zeros(1, 1, 1, 2), weights)
    assert float(loss.detach()) == (1 * 0.5 + 3 * 1.5) / 2  # the floor, and the floor + 1
    loss.backward()
    assert attention.grad is None and generated.grad is not None


def test_edges_ignore_a_constant_shift():
    picture = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    assert edge_l1(picture + 0.3, picture, torch.ones(1, 1, 6, 6)) == pytest.approx(0, abs=1e-6)
    assert edge_l1(torch.zeros_like(picture), picture, torch.ones(1, 1, 6, 6)) > 0.1


def test_hinge_terms():
    scores = torch.tensor([1.0, 2.0, 3.0])
    assert hinge_generator(scores) == -2
    assert hinge_discriminator(torch.tensor([-2.0, 0.0]), torch.tensor([2.0, 0.0])) == pytest.approx(0.5 + 0.5)


def test_cross_entropy_terms():
    fake, real = torch.tensor([0.0, 2.0]), torch.tensor([0.0, -1.0])
    odds = [math.log(2), math.log(1 + math.exp(2)), math.log(2), math.log(1 + math.exp(1))]
    assert bce_discriminator(fake, real) == pytest.approx((odds[0] + odds[1]) / 2 + (odds[2] + odds[3]) / 2)
    assert bce_generator(fake) == pytest.approx((math.log(2) + math.log(1 + math.exp(-2))) / 2)
    assert torch.isfinite(bce_generator(torch.tensor([-1000.0])))


def test_feature_matching_leaves_the_real_features_alone():
    real = torch.zeros(2, requires_grad=True)
    fake = torch.tensor([1.0, 3.0], requires_grad=True)
    loss = feature_matching([fake, fake], [real, real], "mean")
    loss.backward()
    assert float(loss.detach()) == 2 and real.grad is None
