"""Networks with auxiliary heads: when the heads are computed, and what the loss is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from alexc.compiler.pipeline import check_text
from alexc.runtime.training.heads import cross_entropy_of_heads, heads_of
from tests.support.compiled import network_of

SPEC = """
network Heads {
  input 3x16x16
  stem: conv 8 kernel=3 pad=1 -> relu
  left: stem -> conv 4 kernel=1 -> relu
  right: stem -> conv 4 kernel=3 pad=1 -> relu
  both: concat left right
  aux1: both -> maxpool 4 -> linear 6 -> relu -> linear 10 -> softmax share=0.3
  middle: both -> conv 8 kernel=3 stride=2 -> relu
  aux2: middle -> linear 10 -> softmax share=0.5
  top: middle -> linear 10 -> softmax
}
"""


def compiled() -> nn.Module:
    graph = check_text(SPEC, "heads.net").graph
    assert graph is not None
    return network_of(graph, "cpu").double()


def test_auxiliary_heads_are_computed_in_training_only() -> None:
    network, images = compiled(), torch.randn(2, 3, 16, 16, dtype=torch.float64)
    calls: list[str] = []
    for name, child in network.named_children():
        child.register_forward_hook(lambda *_, name=name: calls.append(name))
    logits = network.eval()(images)
    assert not any(name.startswith("aux") for name in calls)
    main, aux1, aux2 = network.train()(images)
    torch.testing.assert_close(main, logits)
    assert sum(name.startswith("aux") for name in calls) == 3

    layer = dict(network.named_children())
    stem = F.relu(layer["stem"](images))
    both = torch.cat([F.relu(layer["left"](stem)), F.relu(layer["right"](stem))], 1)
    hidden = F.relu(layer["aux1_linear"](F.max_pool2d(both, 4).flatten(1)))
    torch.testing.assert_close(aux1, layer["aux1_linear2"](hidden))
    torch.testing.assert_close(aux2, layer["aux2"](F.relu(layer["middle"](both)).flatten(1)))


def test_each_head_has_its_weight_in_the_loss() -> None:
    network, labels = compiled().train(), torch.tensor([3, 7])
    heads = heads_of(network(torch.randn(2, 3, 16, 16, dtype=torch.float64)))
    main, aux1, aux2 = (-head.log_softmax(1)[[0, 1], labels].mean() for head in heads)
    torch.testing.assert_close(cross_entropy_of_heads(network, heads, labels, 2), main + 0.3 * aux1 + 0.5 * aux2)


def test_the_loss_of_one_head_is_cross_entropy() -> None:
    logits, labels = torch.randn(4, 5), torch.tensor([0, 1, 2, 3])
    loss = cross_entropy_of_heads(nn.Identity(), heads_of(logits), labels, 4)
    assert torch.equal(loss, F.cross_entropy(logits, labels))


def test_label_smoothing_spreads_a_part_of_each_target_evenly() -> None:
    logits, labels = torch.randn(4, 5, dtype=torch.float64), torch.tensor([0, 1, 2, -100])
    target = torch.full((3, 5), 0.1 / 5, dtype=torch.float64)
    target[range(3), labels[:3]] += 0.9
    by_hand = -(target * logits[:3].log_softmax(1)).sum() / 3
    made = cross_entropy_of_heads(nn.Identity(), heads_of(logits), labels, 3, smoothing=0.1)
    torch.testing.assert_close(made, by_hand, rtol=1e-13, atol=0)


def test_all_heads_count_as_parameters_and_none_is_unused() -> None:
    graph = check_text(SPEC, "heads.net").graph
    assert graph is not None
    assert graph.parameters == sum(each.numel() for each in compiled().parameters())
    assert [head.layer.line for head in graph.heads] == ["top", "aux1", "aux2"]


def test_a_branch_that_nothing_reads_is_an_error() -> None:
    (found,) = check_text(SPEC.replace("concat left right", "add left left"), "heads.net").diagnostics
    assert (found.code, found.headline) == ("E0212", "the output of `right.relu` is not used")
