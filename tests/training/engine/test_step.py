"""One step for all jobs: the arithmetic of a loop written out, bit for bit; what is not finite moves no weight."""

import copy

import pytest
import torch
from torch import nn

from talkface.errors import DivergedError
from talkface.training.engine.step import check_finite, seeded, step_on


@pytest.fixture
def network() -> nn.Module:
    with seeded(3):
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


X = torch.arange(48.0).reshape(12, 4).sin()


@pytest.mark.parametrize("grad_clip", [0.0, 0.05])
@pytest.mark.parametrize("parts", [1, 3])
def test_steps_equal_a_loop_written_out(network: nn.Module, grad_clip: float, parts: int) -> None:
    plain = copy.deepcopy(network)
    ours, theirs = (torch.optim.AdamW(each.parameters(), 0.02) for each in (network, plain))
    for step in range(4):
        norm = step_on((network(x).square().mean() for x in X.chunk(parts)), ours, network, step, grad_clip)
        theirs.zero_grad()
        for x in X.chunk(parts):
            plain(x).square().mean().backward()
        largest = torch.nn.utils.clip_grad_norm_(plain.parameters(), grad_clip or float("inf"))
        theirs.step()
        assert norm == float(largest) and norm > 0.05
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), plain.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_part_s_graph_is_freed_before_the_next_is_made(network: nn.Module) -> None:
    events = []

    class Watched(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            events.append("forward")
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            events.append("backward")
            return gradient

    losses = (Watched.apply(network(x)).sum() for x in X.chunk(3))
    step_on(losses, torch.optim.SGD(network.parameters(), 0.1), network, 0)
    assert events == ["forward", "backward"] * 3


def test_a_gradient_that_is_not_finite_is_named_and_moves_nothing(network: nn.Module) -> None:
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    before = copy.deepcopy(network.state_dict())
    for value, said in ((float("inf"), "inf"), (float("nan"), "nan")):
        hook = network[2].weight.register_hook(lambda gradient, value=value: gradient * value)
        with pytest.raises(DivergedError, match=f"^the gradient of 2.weight is {said} at step 6: lower the rate$"):
            step_on([network(X).mean()], optimizer, network, 5, advice="lower the rate")
        hook.remove()
    with pytest.raises(DivergedError, match=r"^the gradient is inf at step 6"):  # finite parts, whose squares are not
        step_on([3e30 * network(X).mean()], optimizer, network, 5)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_values_pass_as_numbers_and_the_first_that_is_not_finite_is_named() -> None:
    assert check_finite({"a": torch.tensor(0.5, requires_grad=True), "b": 2.0}, 0) == {"a": 0.5, "b": 2.0}
    with pytest.raises(DivergedError, match=r"^g/b is -inf at step 1: lower optim.rate, or set run.grad_clip"):
        check_finite({"g/a": 1.0, "g/b": torch.tensor(float("-inf")), "g/c": float("nan")}, 0)


def test_random_numbers_follow_the_seed_inside_and_go_on_outside() -> None:
    def drawn(*entropy: int) -> torch.Tensor:
        with seeded(*entropy):
            return torch.rand(4)

    before = torch.random.get_rng_state()
    assert torch.equal(drawn(1), torch.rand(4, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(drawn(1, 2), drawn(1, 2))
    different = [drawn(1), drawn(2), drawn(1, 0), drawn(1, 1), drawn(2, 1)]
    assert len({tuple(each.tolist()) for each in different}) == 5
    with pytest.raises(KeyError), seeded(1):
        raise KeyError
    assert torch.equal(torch.random.get_rng_state(), before)
