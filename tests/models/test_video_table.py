"""W: only the rows of a batch move, each by an Adam of its own."""

import torch

from talkface.models.video_table import VideoTable


def test_only_the_rows_of_the_batch_move():
    table = VideoTable(6, 4)
    before = table.weight.clone()
    for _ in range(3):  # and go on not moving in later steps, as under a dense Adam's momentum they would
        table.step(torch.tensor([1, 4]), torch.ones(2, 4), 0.1)
    moved = (table.weight != before).any(1)
    assert moved.tolist() == [False, True, False, False, True, False]
    assert table.steps.tolist() == [0, 3, 0, 0, 3, 0]


def test_a_row_that_is_always_there_moves_as_torch_s_adam():
    torch.manual_seed(0)
    table = VideoTable(3, 4)
    row = torch.nn.Parameter(table.weight[2].clone())
    adam = torch.optim.Adam([row], 0.01, betas=(0.0, 0.999))
    for _ in range(5):
        gradient = torch.randn(1, 4)
        row.grad = gradient[0].clone()
        adam.step()
        table.step(torch.tensor([2]), gradient, 0.01)
    assert torch.allclose(table.weight[2], row, atol=1e-6)


def test_a_row_met_late_starts_like_any_other():
    table = VideoTable(2, 4)
    for _ in range(100):
        table.step(torch.tensor([0]), torch.ones(1, 4), 0.01)
    before = table.weight[1].clone()
    table.step(torch.tensor([1]), torch.ones(1, 4), 0.01)
    assert torch.allclose(table.weight[1], before - 0.01, atol=1e-5)


def test_a_video_met_twice_in_a_batch_sums_its_gradients():
    torch.manual_seed(0)
    twice, once = VideoTable(2, 3), VideoTable(2, 3)
    once.load_state_dict(twice.state_dict())
    gradient = torch.randn(2, 3)
    twice.step(torch.tensor([1, 1]), gradient, 0.1)
    once.step(torch.tensor([1]), gradient.sum(0, keepdim=True), 0.1)
    assert torch.allclose(twice.weight, once.weight) and twice.steps.tolist() == [0, 1]


def test_rows_are_copies():
    table = VideoTable(2, 3)
    rows = table.rows(torch.tensor([0])).requires_grad_()
    (rows * 2).sum().backward()
    assert rows.grad is not None and not table.weight.requires_grad
