"""`alexc weights import`: the layers of other people's files find their places, or the file is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_text
from alexc.runtime.errors import UserError
from alexc.runtime.layer_matching import match_layers
from alexc.runtime.network_file import NetworkFile, load_network_file
from alexc.runtime.weights_import import import_weights
from tests.conftest import Alexc

pytestmark = pytest.mark.slow  # torchvision alone takes seconds to load

# Twelve convolutions of one shape, so that their order is all that tells them apart.
SPEC = """network Deep {
  input 3x16x16
  first: conv 4 kernel=3 pad=1
  repeat 12 { conv 4 kernel=3 pad=1 -> relu }
  fc: linear 5 -> softmax
}
train {
  prepare   resize 16 -> center_crop 16
  test      center 16
  loss      cross_entropy
  optimizer sgd lr=0.01
  schedule  constant
  batch     4
  epochs    1
}
"""


class Deep(nn.Module):
    """The same network as others would write it; `classifier` sorts before `features`, `features.10` before `.3`."""

    def __init__(self) -> None:
        super().__init__()
        convs = [nn.Conv2d(3 if index == 0 else 4, 4, 3, padding=1) for index in range(13)]
        steps = [convs[0], *(step for conv in convs[1:] for step in (conv, nn.ReLU()))]
        self.features = nn.Sequential(*steps)
        self.classifier = nn.Linear(4 * 16 * 16, 5)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.classifier(self.features(x).flatten(1))
        return made


@pytest.fixture
def reference() -> Deep:
    torch.manual_seed(3)
    return Deep()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> NetworkFile:
    graph = check_text(SPEC, "deep.net").graph
    assert graph is not None
    path = tmp_path_factory.mktemp("generated") / "deep.py"
    path.write_text(write_pytorch(graph, "deep.net"))
    return load_network_file(path)


@pytest.mark.parametrize("name", ["deep.pt", "deep.safetensors", "nested.pt"])
def test_the_network_computes_what_the_other_one_did(
    name: str, tmp_path: Path, network: NetworkFile, reference: Deep
) -> None:
    write(reference, tmp_path / name)
    import_weights(tmp_path / name, network, [], tmp_path / "out.safetensors")
    ours = network.build(seed=0)
    ours.load_state_dict(load_file(tmp_path / "out.safetensors"))
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(ours(images), reference(images), rtol=1e-5, atol=1e-6)


def test_the_command_prints_where_each_layer_goes(
    tmp_path: Path, alexc: Alexc, network: NetworkFile, reference: Deep
) -> None:
    write(reference, tmp_path / "given.safetensors")
    result = alexc("weights", "import", "given.safetensors", "--into", network.path)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["features.0", "->", "first", "weight", "4x3x3x3,", "bias", "4"]
    assert lines[-1] == "deep.safetensors  written: 14 layers"


def write(reference: Deep, path: Path) -> None:
    state = reference.state_dict()
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"epoch": 3, "model": state} if path.stem == "nested" else state, path)


def test_what_was_written_can_be_read_again(tmp_path: Path, network: NetworkFile) -> None:
    saved = network.build(seed=1).state_dict()
    save_file(saved, tmp_path / "a.safetensors")
    imported = import_weights(tmp_path / "a.safetensors", network, [], tmp_path / "b.safetensors")
    assert all(match.source == match.target for match in imported.matches)
    again = load_file(tmp_path / "b.safetensors")
    assert all(torch.equal(again[name], saved[name]) for name in saved)


def test_layers_are_left_out_by_name(tmp_path: Path, network: NetworkFile, reference: Deep) -> None:
    state = {**reference.state_dict(), "aux1.fc.weight": torch.ones(7, 7), "aux1.conv.bias": torch.ones(7)}
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"no place for aux1.fc \(weight 7x7\), aux1.conv \(bias 7\)"):
        import_weights(tmp_path / "a.pt", network, [], tmp_path / "out.safetensors")
    imported = import_weights(tmp_path / "a.pt", network, ["aux1"], tmp_path / "out.safetensors")
    assert len(imported.matches) == 14
    with pytest.raises(UserError, match="no layer `aux2` to leave out; it has aux1, classifier, features"):
        import_weights(tmp_path / "a.pt", network, ["aux2"], tmp_path / "other.safetensors")


def test_a_counter_that_old_checkpoints_lack_is_not_asked_for() -> None:
    given = {"bn1.weight": torch.ones(3), "bn1.running_mean": torch.ones(3)}
    wanted = {"a.weight": torch.ones(3), "a.running_mean": torch.ones(3), "a.num_batches_tracked": torch.tensor(0)}
    assert [(match.source, match.target) for match in match_layers(given, wanted)] == [("bn1", "a")]


def tensors(**sizes: int) -> dict[str, Tensor]:
    return {f"{name.replace('_', '.')}.weight": torch.zeros(size) for name, size in sizes.items()}


def test_layers_under_one_name_stay_together() -> None:
    """Without that, `aux` would come to stand where `body.b` belongs."""
    matches = match_layers(tensors(aux=2, body_a=1, body_b=2), tensors(one=1, two=2, three=2))
    assert [match.source for match in matches] == ["body.a", "body.b", "aux"]


def test_layers_in_another_order_are_refused() -> None:
    with pytest.raises(UserError, match=r"in another order: nothing that comes next in it fits one \(weight 1\)"):
        match_layers({"0.weight": torch.zeros(2), "1.weight": torch.zeros(1)}, tensors(one=1, two=2))
    with pytest.raises(UserError, match=r"in another order: .* fits two \(weight 2\)"):
        match_layers(tensors(a_x=1, a_y=3, b=2), tensors(one=1, two=2, three=3))


def test_a_name_of_very_many_parts_is_refused() -> None:
    with pytest.raises(UserError, match="is nested under more than 32 names"):
        match_layers({"a." * 100_000 + "weight": torch.zeros(1)}, tensors(one=1))


class Attack:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch owned",)


def write_text(path: Path) -> None:
    path.write_text("no weights")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "text.pt": (write_text, "is not a checkpoint that can be read without running code from it"),
    "text.safetensors": (write_text, "is not a valid safetensors file"),
    "empty.pt": (Path.touch, "is not a checkpoint"),
    "empty.safetensors": (Path.touch, "is not a valid safetensors file"),
    "attack.pt": (lambda path: torch.save({"a": Attack()}, path), "without running code from it"),
    "folder.pt": (Path.mkdir, "is a folder: expected a .safetensors file or a checkpoint of torch"),
    "missing.pt": (lambda path: None, "does not exist"),
    "missing.safetensors": (lambda path: None, "does not exist"),
    "list.pt": (lambda path: torch.save([torch.ones(2)], path), "holds no table of tensors"),
    "number.pt": (lambda path: torch.save({"lr": 0.1}, path), "`lr` is not a tensor"),
    "integers.pt": (lambda path: torch.save({"a.weight": torch.ones(2, dtype=torch.int8)}, path), "holds torch.int8"),
    "sparse.pt": (lambda path: torch.save({"a.weight": torch.eye(3).to_sparse()}, path), "expected dense"),
    "escape.pt": (lambda path: torch.save({"\x1b[2Ja.weight": torch.ones(2)}, path), r"no place for \x1b[2Ja"),
}


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")  # by torch.load; harmless
@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_weights_is_refused(
    name: str, tmp_path: Path, network: NetworkFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, message = REFUSED[name]
    make(tmp_path / name)
    with pytest.raises(UserError) as mistake:
        import_weights(tmp_path / name, network, [], tmp_path / "out.safetensors")
    assert message in str(mistake.value)
    assert name in str(mistake.value)
    assert not (tmp_path / "out.safetensors").exists()
    assert not (tmp_path / "owned").exists()


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path, network: NetworkFile, reference: Deep) -> None:
    torch.save(reference.state_dict(), tmp_path / "a.pt")
    mine = tmp_path / "mine.safetensors"
    mine.write_text("mine")
    with pytest.raises(UserError, match="is already there"):
        import_weights(tmp_path / "a.pt", network, [], mine)
    assert mine.read_text() == "mine"
    with pytest.raises(
        UserError, match=r"out\.safetensors cannot be written \(no such file or directory\): make the folder "
    ):
        import_weights(tmp_path / "a.pt", network, [], tmp_path / "nowhere" / "out.safetensors")


def test_a_run_and_its_checkpoints_are_told_the_way_out(tmp_path: Path, network: NetworkFile) -> None:
    checkpoint = tmp_path / "best.pt"
    torch.save({"network": {"conv.weight": torch.zeros(1)}, "state": {"epoch": 1}}, checkpoint)
    for source in (tmp_path, checkpoint):
        with pytest.raises(UserError, match="`alexc weights export` writes the weights of a run"):
            import_weights(source, network, [], tmp_path / "out.safetensors")
