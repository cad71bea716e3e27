"""The page about a run, against what is computed here in another way; how it looks is in `test_report_in_browser`."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from alexc import Net
from alexc.commands.report import report as write_page
from alexc.compiler.drawing.draw import draw_svg
from alexc.runtime.data.store import Store, open_store
from alexc.runtime.errors import UserError
from alexc.runtime.evaluation.trained_network import load_trained_network
from alexc.runtime.layers.local_response_norm import LocalResponseNorm
from alexc.runtime.reporting import nearest_images
from alexc.runtime.reporting.chart import BOTTOM, LEFT, RIGHT, TOP, Line, draw_chart, thinned
from alexc.runtime.reporting.chart import _marks as chart_marks
from alexc.runtime.reporting.confusions import confusions_of
from alexc.runtime.reporting.curves import Curves, curves_of
from alexc.runtime.reporting.kernels import Kernels, draw_kernels
from alexc.runtime.reporting.layer_order import layers_in_order
from alexc.runtime.reporting.missing import Missing
from alexc.runtime.reporting.page import ImageSections, Report, make_report, page_text, write_report
from alexc.runtime.reporting.samples import sample_numbers
from alexc.runtime.reporting.settings import Settings
from alexc.runtime.runs.run_folder import RunFolder
from generated.alexnet import AlexNet
from generated.small import Small
from tests.conftest import ROOT, Alexc
from tests.support import report_of_tiny_run as tiny_report
from tests.support import tiny_training as tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, their store and a run of three epochs; one class is called as a script would be written."""
    return tiny_report.make_home(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def report(home: Path) -> Report:
    return tiny_report.make(home)


@pytest.fixture(scope="module")
def images(report: Report) -> ImageSections:
    assert isinstance(report.images, ImageSections)
    return report.images


def pixels_of(uri: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2]))))


# Kernels: Figure 3.


def test_each_kernel_has_a_tile_and_the_first_half_is_tower_1() -> None:
    network = Small().eval()
    drawn = draw_kernels(layers_in_order(network, (3, 64, 64)))
    assert isinstance(drawn, Kernels)
    assert (drawn.layer, drawn.side, drawn.count) == ("conv1", (5, 5), 32)
    assert [len(tower) for tower in drawn.towers] == [16, 16]
    weights = network.conv1.weight.detach().numpy().astype(np.float64)
    for tile, kernel in zip([*drawn.towers[0], *drawn.towers[1]], weights, strict=True):
        shown = pixels_of(tile)
        for row, column, channel in np.ndindex(5, 5, 3):
            expected = 255 * (kernel[channel, row, column] - kernel.min()) / (kernel.max() - kernel.min())
            assert abs(shown[row, column, channel] - expected) <= 0.5
        assert (shown.min(), shown.max()) == (0, 255)


def test_alexnets_kernels_are_48_and_48() -> None:
    with torch.device("meta"):
        meta = AlexNet()
    network = nn.Sequential(nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), nn.Conv2d(96, 4, 5, groups=meta.conv2.groups))
    drawn = draw_kernels(layers_in_order(network.eval(), (3, 67, 67)))
    assert isinstance(drawn, Kernels)
    assert [len(tower) for tower in drawn.towers] == [48, 48]


@pytest.mark.parametrize(
    ("behind", "towers"),
    [
        ([nn.Conv2d(8, 8, 1)], 1),
        ([nn.Conv2d(8, 8, 1, groups=4)], 4),
        ([nn.Conv2d(8, 8, 1, groups=8)], 1),  # each map by itself: no towers
        ([nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1, groups=2)], 1),  # the second layer reads all maps
        ([LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0, towers=2), nn.Conv2d(8, 8, 1)], 2),
    ],
)
def test_towers_are_told_by_what_reads_the_maps(behind: list[nn.Module], towers: int) -> None:
    drawn = draw_kernels(layers_in_order(nn.Sequential(nn.Conv2d(3, 8, 3), *behind).eval(), (3, 9, 9)))
    assert isinstance(drawn, Kernels)
    assert len(drawn.towers) == towers


def test_a_kernel_of_one_value_is_grey() -> None:
    convolution = nn.Conv2d(3, 2, 3)
    nn.init.constant_(convolution.weight, 0.25)
    drawn = draw_kernels(layers_in_order(nn.Sequential(convolution).eval(), (3, 9, 9)))
    assert isinstance(drawn, Kernels)
    assert np.unique(pixels_of(drawn.towers[0][0])).tolist() == [128]


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(243, 4)), "1, is no convolution but a Linear"),
        (nn.Sequential(nn.Conv2d(3, 3, 3, groups=3)), "do not read red, green and blue"),
    ],
)
def test_where_there_are_no_kernels_the_page_says_why(network: nn.Module, reason: str) -> None:
    drawn = draw_kernels(layers_in_order(network.eval(), (3, 9, 9)))
    assert isinstance(drawn, Missing)
    assert reason in drawn.reason


# Curves.


def test_a_charts_points_lie_where_the_numbers_say() -> None:
    values = (4.0, None, 2.0, 1.0)
    chart = draw_chart("loss", "epoch", [Line("a", "train", tuple(zip(range(1, 5), values, strict=True)))], ".3g")
    assert chart is not None
    marks = {float(tick.text): tick.place for tick in chart.y_ticks}
    assert marks[0] == BOTTOM
    assert marks[max(marks)] == TOP
    (line,) = chart.lines
    points = [tuple(map(float, pair)) for pair in re.findall(r"[ML]([\d.]+) ([\d.]+)", line.path)]
    expected = [
        (LEFT + (RIGHT - LEFT) * x / 4, BOTTOM - (BOTTOM - TOP) * y / max(marks)) for x, y in ((1, 4), (3, 2), (4, 1))
    ]
    np.testing.assert_allclose(points, expected, atol=0.051)
    assert line.path.count("M") == 2  # a gap where there is no number
    assert chart.description == "loss against epoch. a: from 4 to 1."


def test_a_logarithmic_chart_has_powers_of_ten() -> None:
    points = ((0.0, 0.01), (1.0, 0.001), (2.0, 0.0))
    chart = draw_chart("learning rate", "epoch", [Line("rate", "rate", points, stepped=True)], ".3g", logarithmic=True)
    assert chart is not None
    assert [tick.text for tick in chart.y_ticks] == ["0.001", "0.01"]
    assert [tick.place for tick in chart.y_ticks] == [BOTTOM, TOP]
    middle = (LEFT + RIGHT) / 2
    assert chart.lines[0].path == f"M{LEFT} {TOP}H{middle:g}V{BOTTOM}"
    assert draw_chart("x", "epoch", [Line("a", "train", ((0.0, None),))], ".3g") is None


def test_many_points_become_means_of_neighbours() -> None:
    values = np.random.default_rng(0).normal(size=1001)
    means = thinned([(float(place), float(value)) for place, value in enumerate(values)])
    assert len(means) == 334
    assert means[0] == pytest.approx((1.0, values[:3].mean()))
    assert means[-1] == pytest.approx((999.5, values[999:].mean()))
    assert thinned([(0.0, 1.0), (1.0, None)]) == ((0.0, 1.0), (1.0, None))


def test_curves_have_every_epoch_and_every_note() -> None:
    step = {"kind": "step", "step": 2, "epoch": 1, "loss": None, "rate": 0.1}
    figures = {"train_loss": 1.5, "train_error": 0.5, "val_loss": None, "val_top5_error": 0.0, "rate": 0.1}
    ends = [
        {"kind": "epoch", "step": 4 * epoch, "epoch": epoch, "val_error": error, **figures, "images_per_second": 1234.4}
        for epoch, error in ((1, 0.5), (2, 0.25), (3, None))
    ]
    note = {"kind": "note", "step": 4, "epoch": 1, "text": "rate divided\n<b>"}
    curves = curves_of([step, ends[0], note, *ends[1:]])
    assert isinstance(curves, Curves)
    assert curves.epochs[1] == ("2", "1.5000", "50.0%", "-", "25.0%", "0.0%", "0.1", "1,234")
    assert curves.best == 2
    assert curves.notes == (("epoch 1, step 4", "rate divided\\n<b>"),)
    assert [chart.title for chart in curves.charts] == ["loss", "error", "learning rate"]
    assert isinstance(curves_of([]), Missing)
    before_an_epoch = curves_of([step])
    assert isinstance(before_an_epoch, Curves)
    assert [(chart.title, chart.x_title) for chart in before_an_epoch.charts] == [("learning rate", "step")]
    few_classes = curves_of([step, *ends], top5=False)
    assert isinstance(few_classes, Curves)
    assert [(len(few_classes.header), len(row)) for row in few_classes.epochs] == [(7, 7)] * 3
    assert "top-5" not in str(few_classes)


@pytest.mark.parametrize(
    ("high", "least", "marks"),
    [
        (2.3, 0, [0, 0.5, 1, 1.5, 2, 2.5]),
        (7.1, 0, [0, 2, 4, 6, 8]),
        (1.0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1.5e-9, 0, [0, 5e-10, 1e-9, 1.5e-9]),
        (3e300, 0, [0, 1e300, 2e300, 3e300]),
        (2, 1, [0, 1, 2]),
        (90, 1, [0, 20, 40, 60, 80, 100]),
        (0.4, 1, [0, 1]),
        (0.03, 1, [0, 1]),
        (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_the_marks_of_an_axis_are_round_and_few(high: float, least: float, marks: list[float]) -> None:
    assert chart_marks(high, least) == pytest.approx(marks)


def test_marks_of_any_size() -> None:
    for exponent in range(-323, 308):
        for digits in (1.0, 1.0000001, 1.9, 2, 5.000001, 9.99):
            high = digits * 10.0**exponent
            marks = chart_marks(high)
            assert 1 <= len(marks) - 1 <= 5
            assert marks[-2] < high <= marks[-1] * (1 + 1e-9)


# Confusions and predictions.


@pytest.mark.slow
def test_confusions_are_those_of_each_image_answered_alone(home: Path, images: ImageSections) -> None:
    trained, store = load_trained_network(home / "run", CPU), open_store(home / "store")
    counts = np.zeros((3, 4), int)
    for number, label in enumerate(store.val.labels.tolist()):
        shown = torch.from_numpy(np.stack([view_of(store, store.val.image(number), *at) for at in tiny_report.TEN]))
        with torch.no_grad():
            answer = trained.network(shown.permute(0, 3, 1, 2)).softmax(1).mean(0)
        counts[label, int(answer.argmax())] += 1
    assert images.scores.images == tiny.VAL_IMAGES
    assert images.scores.top1_error == 1 - np.trace(counts) / tiny.VAL_IMAGES
    accuracies = {row.name: (row.images, row.accuracy) for row in images.classes.rows}
    right = counts.diagonal() / counts.sum(axis=1)
    assert images.classes.mean == pytest.approx(right.mean())
    assert sorted(accuracies.values()) == sorted(
        (int(row.sum()), row[label] / row.sum()) for label, row in enumerate(counts)
    )
    assert [row.accuracy for row in images.classes.rows] == sorted(right)
    assert images.confusions.rows is not None
    for label, (_, cells) in enumerate(images.confusions.rows):
        assert [cell.count for cell in cells][:3] == counts[label, :3].tolist()
        assert [cell.right for cell in cells] == [place == label for place in range(len(cells))]
        assert [cell.share for cell in cells][:3] == pytest.approx(counts[label, :3] / counts[label].sum())


def test_frequent_confusions_and_outputs_without_a_class() -> None:
    guesses = np.array([[5, 2, 0, 1], [3, 0, 0, 0], [0, 2, 8, 0]])
    found = confusions_of(guesses, ["a", "b", "c"], lambda output: ["a", "b", "c", "output 3"][output])
    listed = [(each.true, each.predicted, each.count, each.share) for each in found.frequent]
    assert listed == [("b", "a", 3, 1.0), ("a", "b", 2, 0.25), ("c", "b", 2, 0.2), ("a", "output 3", 1, 0.125)]
    assert (found.columns, found.kinds) == (("a", "b", "c", "no class"), 4)
    assert found.rows is not None
    assert [cell.count for cell in found.rows[0][1]] == [5, 2, 0, 1]
    many = confusions_of(np.ones((31, 31), np.int64), [str(label) for label in range(31)], str)
    assert many.rows is None
    assert (len(many.frequent), many.kinds) == (12, 930)


def test_samples_are_half_wrong_and_spread_over_classes() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        classes, size = int(rng.integers(1, 20)), int(rng.integers(1, 60))
        labels, right = rng.integers(0, classes, size), rng.random(size) < rng.random()
        chosen = sample_numbers(labels, right, 8)
        assert len(set(chosen)) == len(chosen) == min(8, size)
        assert labels[chosen].tolist() == sorted(labels[chosen].tolist())
        wrong = int((~right).sum())
        least = min(4, wrong)
        assert least <= (~right[chosen]).sum() <= max(least, 8 - int(right.sum()))
        wrongly = [number for number in chosen if not right[number]]
        assert_least_shown_first(labels, np.flatnonzero(~right), wrongly, wrongly)
        assert_least_shown_first(labels, np.flatnonzero(right), sorted(set(chosen) - set(wrongly)), chosen)


def assert_least_shown_first(
    labels: NDArray[np.int64], there: NDArray[np.int64], taken: list[int], shown: list[int]
) -> None:
    """No class of what was taken is shown twice more than one of which there was another image to take."""
    times = np.bincount(labels[shown], minlength=20)
    left = labels[np.setdiff1d(there, taken)]
    if len(left) and taken:
        assert times[labels[taken]].max() <= times[left].min() + 1


@pytest.mark.slow
def test_samples_show_the_images_their_classes_and_probabilities(home: Path, images: ImageSections) -> None:
    trained, store = load_trained_network(home / "run", CPU), open_store(home / "store")
    assert len(images.samples) == 8
    for sample in images.samples:
        number = store.val.files.index(sample.file)
        assert sample.true == tiny_report.SHOWN[store.val.labels[number]]
        assert np.abs(pixels_of(sample.image).astype(int) - store.val.image(number)).mean() < 12  # it is a JPEG
        shown = torch.from_numpy(np.stack([view_of(store, store.val.image(number), *at) for at in tiny_report.TEN]))
        with torch.no_grad():
            answer = trained.network(shown.permute(0, 3, 1, 2)).softmax(1).mean(0).numpy()
        order = np.argsort(-answer)
        assert [guess.probability for guess in sample.guesses] == pytest.approx(answer[order], abs=1e-5)
        names = [*tiny_report.SHOWN, "output 3, no class"]
        assert [guess.name for guess in sample.guesses] == [names[output] for output in order]
        assert [guess.true for guess in sample.guesses] == [output == store.val.labels[number] for output in order]
        assert sample.right == (order[0] == store.val.labels[number])


# Nearest training images: Figure 4, right.


@pytest.mark.slow
@pytest.mark.parametrize("rows", [4, 128])
def test_nearest_images_are_those_of_a_brute_force_search(home: Path, rows: int) -> None:
    trained, store = load_trained_network(home / "run", CPU), open_store(home / "store")
    layers = layers_in_order(trained.network, (3, 16, 16))
    last = next(layer for layer in reversed(layers) if layer.has_weights)
    assert last.name == "fc"
    queries = [0, 3, 8]
    found = nearest_images.search_nearest(trained, last, store, queries, range(26), rows)
    train = features(trained.network, store, [store.train.image(number) for number in range(26)])
    wanted = features(trained.network, store, [store.val.image(number) for number in queries])
    assert found.numbers == train.shape[1] == 216
    for query, nearest in zip(wanted, found.found, strict=True):
        distances = np.sqrt(((train - query) ** 2).sum(axis=1))
        order = np.argsort(distances)[:6]
        assert [number for _, number in nearest] == order.tolist()
        assert [distance for distance, _ in nearest] == pytest.approx(distances[order], rel=1e-4)


@pytest.mark.slow
def test_a_large_training_set_is_searched_in_part(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_images, "MOST_SEARCHED", 10)
    made = tiny_report.make(home)
    assert isinstance(made.images, ImageSections)
    assert isinstance(made.images.nearest, nearest_images.NearestImages)
    assert (made.images.nearest.searched, made.images.nearest.images) == (10, 26)
    assert "10 of the 26 training images were searched, evenly spaced." in page_text(made)
    store = open_store(home / "store")
    searched = {store.train.files[number] for number in (0, 3, 6, 8, 11, 14, 17, 19, 22, 25)}
    shown = {each.picture.file for _, found in made.images.nearest.rows for each in found}
    assert shown <= searched


def view_of(store: Store, image: NDArray[np.uint8], top: int, left: int, mirrored: bool) -> NDArray[np.float32]:
    """(16, 16, 3): a window of the image less the mean image there."""
    window = (image - store.mean_image)[top : top + 16, left : left + 16]
    return np.ascontiguousarray(window[:, ::-1] if mirrored else window, np.float32)


def features(network: nn.Module, store: Store, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """What tiny's last layer reads of the centre of each image, in float64, written out by hand."""
    weights = {name: value.double() for name, value in network.state_dict().items()}
    x = torch.from_numpy(np.stack([(image - store.mean_image)[2:18, 2:18] for image in pictures])).permute(0, 3, 1, 2)
    x = F.conv2d(x / 64, weights["conv.weight"], weights["conv.bias"])
    shape = (1, -1, 1, 1)
    mean, variance = weights["norm.running_mean"].view(shape), weights["norm.running_var"].view(shape)
    x = (x - mean) / (variance + 1e-5).sqrt() * weights["norm.weight"].view(shape) + weights["norm.bias"].view(shape)
    x = F.max_pool2d(x.relu(), 2).flatten(1)
    return np.asarray(x.numpy() * 0.5)  # dropout that scales in the test


# The page.


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.slow
def test_the_page_loads_nothing_and_runs_nothing(report: Report) -> None:
    text = page_text(report)
    assert "top-5" not in text  # the network has four outputs
    page = Elements(text)
    (policy,) = [made for tag, made in page.found if tag == "meta" and made.get("http-equiv")]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    for tag, attributes in page.found:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
        assert not [name for name in attributes if name.startswith("on")]
        assert "src" not in attributes or (attributes["src"] or "").startswith("data:image/")
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?://|url\(|@import|javascript:", text)


@pytest.mark.slow
def test_names_are_escaped_and_cut(report: Report) -> None:
    text = page_text(report)
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    page = Elements(text)
    assert "<script>alert(1)</script>" in page.text
    assert tiny_report.SHOWN[1] in page.text
    assert len(tiny_report.SHOWN[1]) == 40
    assert "b" * 41 not in text
    assert "\u202e" not in text


@pytest.mark.slow
def test_every_section_is_there_and_every_image_is_told(home: Path, report: Report) -> None:
    page = Elements(page_text(report))
    sections = [attributes["id"] for tag, attributes in page.found if tag == "section"]
    assert sections == ["settings", "curves", "network", "kernels", "classes", "confusions", "predictions", "nearest"]
    images = [attributes for tag, attributes in page.found if tag == "img"]
    assert all("alt" in attributes for attributes in images)
    tiles = [attributes for attributes in images if attributes.get("class") == "tile"]
    assert len(tiles) == 6
    assert len([each for each in images if (each["src"] or "").startswith("data:image/jpeg")]) == 8 + 5 * 7
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in page.found if tag == "th")
    record = json.loads((home / "run" / "run.json").read_text())
    for told in (
        "Tiny, 1,336 parameters, reads 3x16x16",
        "26 to train, 9 to validate, 3 classes",
        "3 of 3",
        record["commands"][0]["device_name"],
        f"torch {record['commands'][0]['versions']['torch']}",
    ):
        assert told in page.text


@pytest.mark.slow
def test_the_picture_is_an_image_whose_scripts_stay_inside(report: Report) -> None:
    assert "<script" in tiny_report.PICTURE
    (picture,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page_text(report))
    assert base64.b64decode(picture).decode() == tiny_report.PICTURE


@pytest.mark.slow
def test_the_same_run_gives_the_same_page(home: Path, report: Report) -> None:
    assert page_text(tiny_report.make(home)) == page_text(report)


# The command.


@pytest.mark.slow
def test_the_command_writes_the_page_and_says_what_is_missing(home: Path, tmp_path: Path, alexc: Alexc) -> None:
    result = alexc("report", home / "run")
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{home / 'run' / 'report.html'}  written\n"
    assert "note: The run has no spec to draw the network from" in result.stderr
    page = (home / "run" / "report.html").read_text(encoding="utf-8")
    assert "--emit net &gt; RUN/network.net" in page
    assert alexc("report", home / "run", "-o", tmp_path / "page.html").returncode == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    nowhere = alexc("report", home / "run", "--out", tmp_path / "no" / "page.html")
    assert (nowhere.returncode, nowhere.stdout) == (1, "")
    assert "cannot be written" in nowhere.stderr


@pytest.mark.slow
def test_the_spec_of_the_run_is_drawn(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "run", tmp_path / "run")
    shutil.copy(ROOT / "examples" / "small.net", tmp_path / "run" / "network.net")
    write_page(tmp_path / "run", device="cpu")
    (picture,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', (tmp_path / "run" / "report.html").read_text())
    assert base64.b64decode(picture).decode() == draw_svg(Net.from_file(ROOT / "examples" / "small.net").graph)


@pytest.mark.slow
def test_without_the_images_the_page_is_made_of_the_rest(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(home / "run", run)
    record = json.loads((run / "run.json").read_text())
    record["store"]["path"] = str(tmp_path / "gone")
    (run / "run.json").write_text(json.dumps(record))
    trained = load_trained_network(run, CPU)
    made = make_report(RunFolder(run), trained, None, 32, tiny_report.PICTURE)
    assert isinstance(made.images, Missing)
    (reason,) = made.missing()
    assert "gone, is gone: name a store or a folder with --data" in reason
    page = Elements(page_text(made))
    assert page.text.count(reason) == 4
    best = min(each["val_error"] for each in tiny.metrics(run) if each["kind"] == "epoch")
    assert f"top-1 error{best:.1%}" in page.text.replace("\n", "")
    elsewhere = make_report(RunFolder(run), trained, home / "store", 32, tiny_report.PICTURE)
    assert isinstance(elsewhere.images, ImageSections)
    with pytest.raises(UserError, match="is not a folder"):
        make_report(RunFolder(run), trained, tmp_path / "nowhere", 32, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("run.json", b"{", "run.json is damaged"),
        ("run.json", b'{"store": {"path": "x"}, "commands": []}', "is damaged: restore what training wrote"),
        ("metrics.jsonl", b'{"kind": "step"}\n', "is damaged: restore what training wrote"),
        ("metrics.jsonl", b'["step"]\n', "is damaged: restore what training wrote"),
        ("metrics.jsonl", b"\xff\n", "metrics.jsonl"),
        ("best.pt", b"weights", "best.pt is damaged"),
    ],
)
def test_a_damaged_run_is_told(home: Path, tmp_path: Path, alexc: Alexc, file: str, content: bytes, told: str) -> None:
    shutil.copytree(home / "run", tmp_path / "run", ignore=shutil.ignore_patterns("report.html"))
    (tmp_path / "run" / file).write_bytes(content)
    result = alexc("report", tmp_path / "run")
    assert (result.returncode, result.stdout) == (1, "")
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
def test_no_run_is_told(tmp_path: Path, alexc: Alexc) -> None:
    result = alexc("report", tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert "is not a run" in result.stderr


def test_a_page_where_everything_is_missing_is_still_a_page(tmp_path: Path) -> None:
    missing = Missing("It is <not> there.")
    made = Report("Net", Settings((("network", "Net"),), ()), missing, missing, missing, missing)
    write_report(made, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.count("It is &lt;not&gt; there.") == 7
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="folder cannot be written"):
        write_report(made, tmp_path / "folder")
