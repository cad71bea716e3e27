"""Errors, losses and confusions against counts made by hand and against torchvision's crops."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from torchvision.transforms.v2 import functional as v2  # type: ignore[import-untyped]

from alexc.commands.predict import Format
from alexc.commands.predict import predict as predict_command
from alexc.runtime.data.decoding_work import BadImage
from alexc.runtime.data.folder_layout import Part
from alexc.runtime.data.store import open_store
from alexc.runtime.errors import UserError
from alexc.runtime.evaluation.class_scores import scores_per_class
from alexc.runtime.evaluation.label_scores import LabelTally
from alexc.runtime.evaluation.measure import Scores, Tally, average
from alexc.runtime.evaluation.prediction import predict
from alexc.runtime.evaluation.run_evaluation import (
    Evaluation,
    evaluate_run,
    evaluation_csv,
    evaluation_json,
    evaluation_text,
)
from alexc.runtime.evaluation.trained_network import load_trained_network
from alexc.runtime.network_file import load_network_file
from alexc.runtime.recipes import BinaryCrossEntropy
from alexc.runtime.training.test_only import evaluate_weights
from tests.support import tiny_training as tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, their store and a run of one epoch."""
    home = tmp_path_factory.mktemp("evaluation")
    tiny.make_store(home)
    tiny.run_to(tiny.options(tiny.write_network(home), home / "store", home / "run"), steps=tiny.STEPS_PER_EPOCH)
    return home


@pytest.fixture(scope="module")
def evaluation(home: Path) -> Evaluation:
    return evaluate_run(load_trained_network(home / "run", CPU), None, rows=32)


def test_average_is_the_log_of_the_mean_softmax() -> None:
    logits = torch.randn(4, 10, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = logits.softmax(2).mean(1).log()
    torch.testing.assert_close(average(logits.log_softmax(2)), expected, rtol=1e-12, atol=0)
    # Averaging before the softmax would be something else.
    assert (logits.mean(1).log_softmax(1) - expected).abs().max() > 0.1


def test_tally_counts_as_by_hand() -> None:
    rng = np.random.default_rng(1)
    logits = torch.from_numpy(rng.normal(size=(200, 12)))
    labels = torch.from_numpy(rng.integers(0, 9, 200))
    tally = Tally(classes=9, outputs=12)
    for start in range(0, 200, 33):
        tally.count(logits[start : start + 33].log_softmax(1), labels[start : start + 33])
    scores = tally.scores()
    order = [sorted(range(12), key=lambda k, row=row: -row[k]) for row in logits.tolist()]  # type: ignore[misc]
    top1 = sum(ranks[0] != label for ranks, label in zip(order, labels.tolist(), strict=True))
    top5 = sum(label not in ranks[:5] for ranks, label in zip(order, labels.tolist(), strict=True))
    assert (scores.images, scores.top1_error, scores.top5_error) == (200, top1 / 200, top5 / 200)
    assert scores.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item())
    expected = np.zeros((9, 12), int)
    for ranks, label in zip(order, labels.tolist(), strict=True):
        expected[label, ranks[0]] += 1
    np.testing.assert_array_equal(scores.guesses, expected)


def test_what_is_not_a_number_is_never_right() -> None:
    tally = Tally(classes=3, outputs=3)
    tally.count(torch.full((6, 3), torch.nan), torch.tensor([0, 1, 2, 0, 1, 2]))
    scores = tally.scores()
    assert (scores.top1_error, scores.top5_error) == (1.0, 1.0)
    assert np.isnan(scores.loss)


def test_worst_classes_and_what_they_are_taken_for() -> None:
    tally = Tally(classes=4, outputs=4)
    labels, guesses = [0, 0, 0, 0, 1, 1, 2], [0, 3, 3, 1, 1, 1, 0]
    tally.count(torch.eye(4)[guesses].log_softmax(1), torch.tensor(labels))
    rows = tally.scores().worst_classes(10)
    assert [(row.label, row.images, row.wrong, row.guess, row.times) for row in rows] == [
        (2, 1, 1, 0, 1),
        (0, 4, 3, 3, 2),
        (1, 2, 0, None, 0),
    ]
    assert [row.error for row in rows] == [1.0, 0.75, 0.0]
    assert len(tally.scores().worst_classes(2)) == 2


def ten_crop_probabilities(home: Path, path: Path) -> torch.Tensor:
    """Ten crops by torchvision, each without the mean image in its own window; the mean of the softmax."""
    store = open_store(home / "store")
    mean = torch.from_numpy(store.mean_image).permute(2, 0, 1)
    network = load_network_file(home / "run" / "network.py").build(0).eval()
    network.load_state_dict(torch.load(home / "run" / "best.pt", weights_only=True)["weights"])
    with Image.open(path) as image:
        decoded = v2.pil_to_tensor(image)
    pixels = v2.center_crop(v2.resize(decoded, [24], antialias=True), [20]).double()
    five = v2.five_crop(pixels - mean, [tiny.SIZE])
    views = torch.stack([*five, *(v2.horizontal_flip(view) for view in five)]).float()
    with torch.no_grad():
        probabilities: torch.Tensor = network(views).softmax(1).mean(0)
    return probabilities


@pytest.mark.slow
def test_ten_crops_are_those_of_the_paper(home: Path, evaluation: Evaluation) -> None:
    right = 0
    loss = 0.0
    store = open_store(home / "store")
    for file, label in zip(store.val.files, store.val.labels, strict=True):
        probabilities = ten_crop_probabilities(home, home / "images" / file)
        right += int(probabilities.argmax() == label)
        loss -= float(probabilities[label].log()) / len(store.val)
    assert list(evaluation.scores) == ["10 crops", "centre"]
    assert evaluation.scores["10 crops"].top1_error == pytest.approx(1 - right / len(store.val))
    assert evaluation.scores["10 crops"].loss == pytest.approx(loss, rel=1e-4)
    epoch = next(record for record in tiny.metrics(home / "run") if record["kind"] == "epoch")
    assert evaluation.scores["centre"].top1_error == pytest.approx(epoch["val_error"])
    assert evaluation.scores["centre"].loss == pytest.approx(epoch["val_loss"], rel=1e-5)
    assert evaluation.scores["centre"].loss != evaluation.scores["10 crops"].loss


def test_report_is_aligned_and_complete(evaluation: Evaluation) -> None:
    lines = evaluation_text(evaluation).splitlines()
    table = lines[3:6]
    assert [line.split()[0] for line in table] == ["views", "10", "centre"]
    assert len({len(line) for line in table}) == 1
    worst = lines[7:]
    assert worst[0].split("  ")[0] == "worst classes"
    assert {line.split()[0] for line in worst[1:]} == set(tiny.CLASSES)
    assert len({line.index("%") for line in worst[1:]}) == 1


@pytest.mark.parametrize(("outputs", "told"), [(4, False), (5, False), (6, True)])
def test_the_top5_error_is_told_if_there_are_more_than_five_outputs(
    evaluation: Evaluation, outputs: int, told: bool
) -> None:
    found = replace(evaluation, trained=replace(evaluation.trained, outputs=outputs))
    assert ("top-5 error" in evaluation_text(found)) == told
    assert max(map(len, evaluation_text(found, 60).splitlines()[4:])) <= 60


def test_json_says_the_same(evaluation: Evaluation) -> None:
    report = json.loads(evaluation_json(evaluation))
    assert report["images"] == tiny.VAL_IMAGES
    assert report["views"]["10 crops"]["top1_error"] == evaluation.scores["10 crops"].top1_error
    assert {row["class"] for row in report["worst_classes"]} == set(tiny.CLASSES)


def test_precision_and_recall_of_each_class_are_those_of_the_formulas() -> None:
    rng = np.random.default_rng(2)
    labels, guesses = rng.integers(0, 5, 300), rng.integers(1, 8, 300)  # nobody guesses 0; three outputs have no class
    tally = Tally(classes=6, outputs=8)
    tally.count(torch.eye(8)[torch.from_numpy(guesses)].log_softmax(1), torch.from_numpy(labels))
    found = scores_per_class(tally.scores(), 6)
    for label, each in enumerate(found):
        right = int(((labels == label) & (guesses == label)).sum())
        support, given = int((labels == label).sum()), int((guesses == label).sum())
        assert each.support == support
        assert each.precision == (right / given if given else None)
        assert each.recall == (right / support if support else None)
    assert (found[0].precision, found[5].recall) == (None, None)


def test_precision_and_recall_of_each_label_are_those_of_the_formulas() -> None:
    rng = np.random.default_rng(3)
    targets, outputs = rng.random((200, 4)) < 0.3, rng.normal(size=(200, 4)) - 0.2
    targets[:, 3] = False
    tally = LabelTally(BinaryCrossEntropy(), 4)
    tally.count_views(torch.from_numpy(outputs)[:, None], torch.from_numpy(targets.astype(np.int8)))
    found = scores_per_class(tally.scores(), 4)
    claims = outputs >= 0  # a probability of 0.5
    for label, each in enumerate(found):
        right = int((claims & targets)[:, label].sum())
        assert each.support == targets[:, label].sum()
        assert each.precision == pytest.approx(right / claims[:, label].sum())
        assert each.recall == (pytest.approx(right / each.support) if each.support else None)


def test_json_and_csv_have_every_class_and_the_confusion_matrix(evaluation: Evaluation) -> None:
    report = json.loads(evaluation_json(evaluation))
    main = evaluation.main
    assert isinstance(main, Scores)
    names = [*tiny.CLASSES, "output 3"]
    assert report["confusion_matrix"] == {
        "rows": list(tiny.CLASSES),
        "columns": names,
        "counts": main.guesses.tolist(),
    }
    rows = list(csv.DictReader(evaluation_csv(evaluation).splitlines()))
    assert [row["class"] for row in rows] == [each["class"] for each in report["per_class"]] == list(tiny.CLASSES)
    for row, each, guesses in zip(rows, report["per_class"], main.guesses.tolist(), strict=True):
        assert int(row["support"]) == each["support"] == sum(guesses)
        assert float(row["recall"]) == each["recall"]
        assert row["precision"] == ("" if each["precision"] is None else str(each["precision"]))
        assert [int(row[f"as {name}"]) for name in names] == guesses


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_predictions_are_those_of_every_image(home: Path, tmp_path: Path, evaluation: Evaluation, ending: str) -> None:
    trained, out = load_trained_network(home / "run", CPU), tmp_path / f"predictions.{ending}"
    evaluate_run(trained, None, rows=32, predictions=out)
    lines = out.read_text().splitlines()
    if ending == "csv":
        rows = [dict(row) for row in csv.DictReader(lines)]
        said = [(row.pop("file"), row.pop("label"), {name: float(row[name]) for name in row}) for row in rows]
    else:
        said = [tuple(json.loads(line).values()) for line in lines]
    split = open_store(home / "store").val
    assert [file for file, _, _ in said] == list(split.files)
    assert [label for _, label, _ in said] == [tiny.CLASSES[label] for label in split.labels]
    for file, _, probabilities in said[:3]:
        expected = {
            guess.name.removesuffix(", no class"): guess.probability
            for guess in predict(trained, home / "images" / file)
        }
        assert probabilities == pytest.approx(expected, rel=1e-4)
    right = sum(max(each, key=lambda name: each[name]) == label for _, label, each in said)
    assert right == round((1 - evaluation.main.top1_error) * len(said))
    with pytest.raises(UserError, match=r"is already there: move it away, or name another file with --predictions"):
        evaluate_run(trained, None, rows=32, predictions=out)
    with pytest.raises(UserError, match=r"expected a name that ends in .csv or .jsonl"):
        evaluate_run(trained, None, rows=32, predictions=tmp_path / "predictions")


def test_a_folder_is_predicted_in_every_format(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(home / "images" / "val", tmp_path / "images")
    (folder / "notes.txt").write_text("no image")
    (folder / "bad.png").write_text("no image")
    files = sorted(str(path) for path in folder.rglob("*.png"))
    with pytest.raises(typer.Exit):
        predict_command(home / "run", [folder], "cpu", top=2, format=Format.JSON)
    printed, errors = capsys.readouterr()
    answers = json.loads(printed)
    assert [each["file"] for each in answers] == files
    assert [each["file"] for each in answers if "error" in each] == [str(folder / "bad.png")]
    assert errors.splitlines() == [f"error: {folder / 'bad.png'} cannot be used: {answers[0]['error']}"]
    good = [each for each in answers if "error" not in each]
    (folder / "bad.png").unlink()
    predict_command(home / "run", [folder], "cpu", top=2, format=Format.CSV)
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row["file"], row["class"], float(row["probability"])) for row in rows] == [
        (each["file"], guess["class"], guess["probability"]) for each in good for guess in each["classes"]
    ]
    assert [row["rank"] for row in rows] == ["1", "2"] * len(good)
    predict_command(home / "run", [Path(files[1])], "cpu", top=1)
    assert len(capsys.readouterr().out.splitlines()) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty has no images"):
        predict_command(home / "run", [tmp_path / "empty"], "cpu", format=Format.JSON)


def test_a_recipe_with_one_view_reports_one(home: Path, tmp_path: Path) -> None:
    network = tiny.write_network(tmp_path, ("TenCrop(16)", "CenterView(16)"))
    tiny.run_to(tiny.options(network, home / "store", tmp_path / "run"), steps=4)
    assert list(evaluate_run(load_trained_network(tmp_path / "run", CPU), None, rows=1).scores) == ["centre"]


@pytest.mark.slow
def test_data_of_other_classes_is_refused(home: Path, tmp_path: Path) -> None:
    other = tiny.make_store(tmp_path, classes=("blue", "green", "yellow"))
    with pytest.raises(UserError, match=r"has other classes than .*, for example 'yellow'"):
        evaluate_run(load_trained_network(home / "run", CPU), other, rows=32)


def test_data_that_is_gone_is_named(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "run", tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["store"]["path"] = str(tmp_path / "gone")
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"gone, is gone: name a store or a folder with --data"):
        evaluate_run(load_trained_network(tmp_path / "run", CPU), None, rows=32)


def test_predicts_from_the_run_alone(home: Path, tmp_path: Path) -> None:
    """As the ten crops of the original file, with the store nowhere near."""
    shutil.copytree(home / "run", tmp_path / "elsewhere")
    trained = load_trained_network(tmp_path / "elsewhere", CPU)
    for path in sorted((home / "images" / "val").glob("*/*.png"))[:4]:
        guesses = predict(trained, path)
        expected = ten_crop_probabilities(home, path)
        names = [*tiny.CLASSES, "output 3, no class"]
        assert [guess.name for guess in guesses] == [names[i] for i in expected.argsort(descending=True)]
        assert [guess.probability for guess in guesses] == pytest.approx(
            expected.sort(descending=True).values.tolist(), rel=1e-4
        )
        assert sum(guess.probability for guess in guesses) == pytest.approx(1)


def test_a_bad_image_has_a_reason(home: Path) -> None:
    with pytest.raises(BadImage, match="not an image"):
        predict(load_trained_network(home / "run", CPU), home / "tiny.py")


def test_runs_that_are_none(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run: expected a folder that `alexc train` made"):
        load_trained_network(tmp_path, CPU)
    run = tmp_path / "run"
    shutil.copytree(home / "run", run)
    (run / "network.py").write_text((run / "network.py").read_text() + "\n# a comment changes nothing\n")
    load_trained_network(run, CPU)
    (run / "network.py").write_text((run / "network.py").read_text() + "\nCHANGED = True\n")
    with pytest.raises(UserError, match=r"network\.py was changed after the training began"):
        load_trained_network(run, CPU)
    shutil.copy(home / "tiny.py", run / "network.py")
    (run / "best.pt").write_bytes((run / "best.pt").read_bytes()[:-1])
    with pytest.raises(UserError, match=r"best\.pt is damaged"):
        load_trained_network(run, CPU)
    (run / "best.pt").unlink()
    assert load_trained_network(run, CPU).checkpoint.name == "last.pt"


def flat_folder(root: Path, classes: tuple[str, ...] = tiny.CLASSES, images: int = 10) -> Path:
    """A folder of class folders with `images` images each, in the tints of the training images."""
    rng = np.random.default_rng(9)
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(images):
            pixels = rng.integers(0, 160, (30, 40, 3), dtype=np.uint8)
            pixels[..., tiny.CLASSES.index(name)] += 40
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


def wrong_share(home: Path, folder: Path) -> float:
    """The share of a folder's images that the run of `home` gets wrong, one by one by `predict`."""
    trained = load_trained_network(home / "run", CPU)
    guesses = [(path.parent.name, predict(trained, path)[0].name) for path in folder.glob("*/*.png")]
    return sum(name != guess for name, guess in guesses) / len(guesses)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def evaluate(home: Path, data: Path | None, part: Part | None = None) -> Evaluation:
    return evaluate_run(load_trained_network(home / "run", CPU), data, 32, part)


@pytest.mark.slow
def test_a_folder_that_is_only_tested_is_taken_whole(home: Path, here: Path) -> None:
    folder = flat_folder(here / "flat")
    found = evaluate(home, folder)
    assert json.loads(evaluation_json(found))["images"] == 30
    assert found.scores["10 crops"].top1_error == pytest.approx(wrong_share(home, folder))
    assert evaluation_text(found).splitlines()[1].startswith("data  30 images, 3 classes")
    again = evaluate(home, found.images.store.path)  # the store that was made
    assert again.scores["centre"].top1_error == found.scores["centre"].top1_error
    with pytest.raises(UserError, match=r"--split train: .* has no folder for it, but class folders"):
        evaluate(home, folder, "train")


@pytest.mark.slow
def test_labels_go_by_name_and_a_class_without_images_is_a_note(home: Path, here: Path) -> None:
    folder = flat_folder(here / "flat", ("green", "red"))
    found = evaluate(home, folder)
    assert found.scores["10 crops"].top1_error == pytest.approx(wrong_share(home, folder))
    assert "note  no image of 1 of the 3 classes: blue" in evaluation_text(found).splitlines()
    report = json.loads(evaluation_json(found))
    assert report["missing_classes"] == ["blue"]
    assert {row["class"] for row in report["worst_classes"]} == {"green", "red"}
    flat_folder(here / "other", ("green",)).joinpath("green").rename(here / "other" / "yellow")
    with pytest.raises(UserError, match=r"has other classes than .*, for example 'yellow'"):
        evaluate(home, here / "other")


@pytest.mark.slow
def test_a_test_folder_is_measured_beside_the_folders_of_training(home: Path, here: Path) -> None:
    shutil.copytree(home / "images", here / "images")
    flat_folder(here / "images" / "Testing")
    assert len(evaluate(home, here / "images", "test").images.split) == 30
    with pytest.raises(UserError, match=r"--split test: .*images has no folder for it, but train, val"):
        evaluate(home, None, "test")
    assert len(evaluate(home, None, "train").images.split) == tiny.TRAIN_IMAGES
    assert len(evaluate(home, None, "val").images.split) == tiny.VAL_IMAGES
    shutil.rmtree(here / "images" / "train")
    assert len(evaluate(home, here / "images").images.split) == tiny.VAL_IMAGES


@pytest.mark.slow
def test_a_folder_that_was_trained_on_is_measured_on_the_images_held_out(here: Path) -> None:
    folder = flat_folder(here / "flat")
    tiny.run_to(tiny.options(tiny.write_network(here), folder, here / "run"), steps=tiny.STEPS_PER_EPOCH)
    assert len(evaluate(here, folder).images.split) == len(evaluate(here, None).images.split) == 6
    shutil.rmtree("stores")
    assert len(evaluate(here, folder).images.split) == 6
    with pytest.raises(UserError, match=r"--split test: .*flat has no folder for it, but class folders"):
        evaluate(here, folder, "test")
    options = tiny.options(tiny.write_network(here), folder, here / "none", weights=here / "run" / "best.pt")
    assert len(evaluate_weights(options).images.split) == 6
    plain = torch.load(here / "run" / "best.pt", weights_only=True)["weights"]
    torch.save(plain, here / "weights.pth")
    assert len(evaluate_weights(replace(options, weights=here / "weights.pth")).images.split) == 30
