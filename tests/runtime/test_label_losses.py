"""Losses over a vector of targets per image: values, gradients, which guesses are right, and the scores."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from alexc.compiler.pipeline import check_text
from alexc.runtime.evaluation.label_scores import LabelScores, LabelTally
from alexc.runtime.label_losses import LabelLoss, label_loss, wrong_guesses
from alexc.runtime.parallel.batch_shard import NO_LABEL
from alexc.runtime.recipes import BinaryCrossEntropy, LogSquare, Square
from alexc.runtime.training.heads import loss_of_heads, wrong_in_batch
from tests.runtime.test_layers_of_2012 import draw, equal, recorded, recorded_only, tensor
from tests.support.compiled import names_of, network_of

TARGETS = torch.tensor([[1, 0, 1], [0, 0, 1]], dtype=torch.int8)
OUTPUTS = tensor([[0.8, 0.6, -1.2], [0.7, 0.3, 0.4]])
LOSSES: list[LabelLoss] = [BinaryCrossEntropy(), LogSquare(), Square()]


def plain(loss: LabelLoss, output: float, target: int) -> float:
    if isinstance(loss, BinaryCrossEntropy):
        y = 1 / (1 + math.exp(-output))
        return -target * math.log(y) - (1 - target) * math.log(1 - y)
    square = (output - target) ** 2
    return square if isinstance(loss, Square) else math.log(1 + square)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_the_sum_over_the_outputs_of_each_image(loss: LabelLoss) -> None:
    wanted = [
        sum(plain(loss, output, target) for output, target in zip(*each, strict=True))
        for each in zip(OUTPUTS.tolist(), TARGETS.tolist(), strict=True)
    ]
    equal(label_loss(loss, OUTPUTS, TARGETS), wanted)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_of_a_loss(loss: LabelLoss) -> None:
    assert torch.autograd.gradcheck(lambda x: label_loss(loss, x, TARGETS), draw(2, 3, gradient=True))


@recorded_only
@pytest.mark.parametrize(
    ("name", "loss", "outputs"),
    [
        ("cost_crossent2", BinaryCrossEntropy(), "logits"),
        ("cost_rflickr", LogSquare(), "outputs"),
        ("cost_sum2_of_eltsum", Square(), "outputs"),
    ],
)
def test_the_losses_equal_the_recorded_values(name: str, loss: LabelLoss, outputs: str) -> None:
    entry = recorded(name)
    given = tensor(entry[outputs]).requires_grad_()
    made = loss_of_heads(loss, nn.Module(), (given,), tensor(entry["targets"]).to(torch.int8), images=1)
    equal(made.detach(), entry["cost"])
    made.backward()  # type: ignore[no-untyped-call]
    assert given.grad is not None
    equal(given.grad, entry[f"gradient_of_{outputs}"])


def test_a_saturated_sigmoid_has_a_finite_loss() -> None:
    given = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = label_loss(BinaryCrossEntropy(), given, torch.tensor([[0, 1]], dtype=torch.int8))
    assert loss.tolist() == [400.0]
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert given.grad is not None
    assert given.grad.tolist() == [[1.0, -1.0]]


def test_a_class_index_is_one_label_and_rows_without_labels_do_not_count() -> None:
    classes, rows = torch.tensor([2, NO_LABEL]), torch.tensor([[0, 0, 1], [NO_LABEL] * 3], dtype=torch.int8)
    for loss in LOSSES:
        assert label_loss(loss, OUTPUTS, classes).tolist() == label_loss(loss, OUTPUTS, rows).tolist()
        assert label_loss(loss, OUTPUTS, rows)[1] == 0
        assert wrong_in_batch(loss, OUTPUTS, classes) == wrong_in_batch(loss, OUTPUTS, rows) == 1


def test_a_guess_is_right_if_it_is_one_of_the_labels() -> None:
    scores = torch.tensor([[0.9, 0.1, 0.2], [0.1, 0.9, 0.2], [0.4, 0.1, 0.2], [0.6, 0.1, 0.2], [math.nan, 1.0, 1.0]])
    targets = torch.tensor([[1, 0, 1], [1, 0, 1], [0, 0, 0], [0, 0, 0], [1, 1, 1]])
    assert wrong_guesses(scores, targets, 1).tolist() == [False, True, False, True, True]
    assert wrong_guesses(scores, targets, 2).tolist() == [False, False, False, True, True]


def scores_for(loss: LabelLoss, outputs: Tensor, labels: Tensor) -> LabelScores:
    tally = LabelTally(loss, outputs.shape[2])
    for part in (slice(0, 1), slice(1, None)):
        tally.count_views(outputs[part], labels[part])
    again = LabelTally(loss, outputs.shape[2])
    again.take(tally.counts())
    return again.scores()


def test_the_scores_of_labels() -> None:
    outputs = tensor([[[0.9, 0.6, 0.1]], [[0.8, 0.3, 0.7]], [[0.1, 0.2, 0.3]], [[0.0, 0.0, 0.0]]])
    labels = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 0], [NO_LABEL] * 3], dtype=torch.int8)
    found = scores_for(Square(), outputs, labels)
    assert (found.images, found.top1_error, found.top5_error) == (3, 1 / 3, 0)
    assert (found.precision, found.recall) == (2 / 4, 2 / 3)  # claimed: 0 and 1, 0 and 2, none
    assert found.average_precision == pytest.approx((1 + (1 / 2 + 2 / 3) / 2 + 1) / 3)
    assert found.loss == pytest.approx((0.38 + 1.22 + 0.14) / 3)
    worst = [(row.label, row.images, row.precision, row.recall) for row in found.worst_labels(2)]
    assert worst == [(1, 1, 0.0, 0.0), (0, 1, 0.5, 1.0)]


def test_the_sigmoids_of_several_views_are_averaged() -> None:
    outputs, labels = draw(2, 5, 3), TARGETS
    y = outputs.sigmoid().mean(1)
    wanted = -(labels * y.log() + (1 - labels) * (1 - y).log()).sum(1).mean()
    assert scores_for(BinaryCrossEntropy(), outputs, labels).loss == pytest.approx(float(wanted), rel=1e-12)
    assert scores_for(BinaryCrossEntropy(), outputs[:, :1] * 500, labels).loss < math.inf


SPEC = """
network Tags {
  input 3x16x16
  f: linear 3 -> sigmoid
}
train {
  prepare   resize 16 -> center_crop 16
  test      center 16
  loss      %s
  optimizer sgd lr=0.1
  schedule  constant
  batch     4
  epochs    1
}
"""


def test_a_sigmoid_belongs_to_the_loss_that_reads_it() -> None:
    for loss, apart in (("binary_cross_entropy", False), ("log_square", True), ("square", True)):
        checked = check_text(SPEC % loss, "tags.net")
        assert checked.graph is not None, checked.diagnostics
        network, x = network_of(checked.graph, "cpu"), torch.randn(2, 3, 16, 16)
        logits = network.get_submodule("f")(x.flatten(1))
        torch.testing.assert_close(network(x), logits.sigmoid() if apart else logits)
        assert type(names_of(checked.graph)["RECIPE"].loss).__name__.lower() == loss.replace("_", "")


@pytest.mark.parametrize(
    ("loss", "end", "said"),
    [
        ("binary_cross_entropy", "linear 3", "`binary_cross_entropy` reads a sigmoid, and the network does not end"),
        ("cross_entropy", "linear 3 -> sigmoid", "`cross_entropy` reads a softmax, and the network does not end in"),
        ("square", "conv 3 kernel=1", "`square` reads a vector, and the network ends in feature maps of 3x16x16"),
    ],
)
def test_a_loss_that_does_not_fit_the_last_layer_is_told(loss: str, end: str, said: str) -> None:
    checked = check_text((SPEC % loss).replace("linear 3 -> sigmoid", end), "tags.net")
    assert [each.code for each in checked.diagnostics] == ["E0501"]
    assert said in checked.diagnostics[0].headline
