"""The classes `Run` and `Runs`: trainings in Python. The commands about runs call the same functions.

Methods import what only they need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from alexc.runtime.errors import UserError
from alexc.runtime.runs.metrics import read_metrics
from alexc.runtime.runs.run_folder import RUNS, RunFolder
from alexc.runtime.runs.run_list import HEADER, NUMERIC, ListedRun, listed_runs, read_run, run_row

from .drawing import Theme, as_wide_as_the_notebook, check_theme, checked_ending
from .net import Net
from .printable import printable
from .table import Table, page_html, page_text

if TYPE_CHECKING:
    from typing import Unpack

    from PIL.Image import Image
    from torch import nn

    from alexc.runtime.data.folder_layout import Part
    from alexc.runtime.evaluation.prediction import Guess
    from alexc.runtime.evaluation.run_evaluation import Evaluation
    from alexc.runtime.evaluation.trained_network import TrainedNetwork

    from .training import Options

_ROWS = 128  # views in a batch


class Run:
    """A training: its settings, its metrics and its weights. `Net.train` and `alexc train` make one.

    It prints as a line of `alexc runs`; Jupyter shows a table. What it says is read from its folder each time.

    Attributes:
        path: the folder of the run.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        """Open a run.

        Raises:
            UserError: the folder is not a run.
        """
        self.path = Path(path)
        self._folder = RunFolder(self.path)
        self._folder.read_record()

    @property
    def listed(self) -> ListedRun:
        """What the table of runs shows: `network`, `epochs_done`, `val_error`, `best_epoch`, `loss` and others."""
        return read_run(self._folder, self.path)

    @property
    def net(self) -> Net:
        """The network.

        Raises:
            SpecError: the run has no spec, because `alexc train` did not find it.
        """
        return Net.from_file(self._folder.spec)

    @property
    def metrics(self) -> Any:  # noqa: ANN401 - pandas need not be there
        """The metrics per epoch: a pandas DataFrame if pandas is installed, else a list with a dict per epoch.

        Columns: epoch, step, train_loss, train_error, val_loss, val_error, val_top5_error, rate, seconds and
        images_per_second. Errors are in 0..1.
        """
        return _data_frame(self._records("epoch"))

    @property
    def steps(self) -> Any:  # noqa: ANN401 - pandas need not be there
        """The metrics per step, in the form of `metrics`: step, epoch, loss and rate. After step 100, every tenth."""
        return _data_frame(self._records("step"))

    def curves(self) -> Curves:
        """Draw loss, error and learning rate over the epochs, as `curves.png` in the run shows them.

        Raises:
            UserError: the metrics are damaged.
        """
        record = self._folder.read_record()
        return Curves(f"{printable(record['network'])}, seed {record['seed']}", tuple(self._all_records()))

    def module(self, device: str = "cpu") -> nn.Module:
        """Return the network with the best weights, in evaluation mode.

        Raises:
            UserError: a file of the run is damaged, or this machine has no such device.
        """
        return self._trained(device).network

    def evaluate(
        self,
        data: str | PathLike[str] | None = None,
        split: Part | None = None,
        device: str | None = None,
        batch: int = _ROWS,
        predictions: str | PathLike[str] | None = None,
    ) -> Evaluation:
        """Measure the best weights on the validation images, as `alexc evaluate` does.

        Args:
            data: a store or a folder of images with the same classes; by default the data of the training.
            split: the part to measure on: "train", "val" or "test"; by default the validation images.
            device: by default the first GPU, else the CPU.
            batch: the largest number of views in a batch.
            predictions: a .csv or .jsonl file for the probabilities of each image.

        Raises:
            UserError: the data does not fit, or a file cannot be read or written.
        """
        from alexc.runtime.device import settings_of_torch_kept
        from alexc.runtime.evaluation.run_evaluation import evaluate_run

        with settings_of_torch_kept():
            return evaluate_run(self._trained(device), _path(data), batch, split, _path(predictions))

    def predict(
        self,
        images: str | PathLike[str] | Image | Iterable[str | PathLike[str] | Image],
        top: int = 5,
        device: str | None = None,
    ) -> Predictions:
        """Return the most likely classes of images, as `alexc predict` does.

        Args:
            images: files, folders of files, or images of Pillow; one or several.
            top: the number of classes per image.
            device: by default the first GPU, else the CPU.

        Raises:
            UserError: an image cannot be used, or a file of the run is damaged.
        """
        from alexc.runtime.data.decoding_work import BadImage
        from alexc.runtime.device import settings_of_torch_kept
        from alexc.runtime.evaluation.prediction import predict

        found = []
        with settings_of_torch_kept():
            trained = self._trained(device)
            for image in _images(images):
                try:
                    found.append(Prediction(image, tuple(predict(trained, image, top))))
                except BadImage as reason:
                    raise UserError(f"{_name(image)} cannot be used: {reason}") from None
        return Predictions(found)

    def report(
        self,
        out: str | PathLike[str] | None = None,
        data: str | PathLike[str] | None = None,
        device: str | None = None,
        batch: int = _ROWS,
    ) -> Path:
        """Write an HTML page about the run, as `alexc report` does; returns its path.

        Args:
            out: the file; by default report.html in the run.
            data: a store or a folder of images with the same classes; by default the data of the training.
            device: by default the first GPU, else the CPU.
            batch: the largest number of views in a batch.

        Raises:
            UserError: the data does not fit, or a file cannot be read or written.
        """
        from alexc.runtime.device import settings_of_torch_kept
        from alexc.runtime.reporting.page import make_report, write_report

        with settings_of_torch_kept():
            report = make_report(self._folder, self._trained(device), _path(data), batch, picture_of(self._folder))
        page = _path(out) or self._folder.report
        write_report(report, page)
        return page

    def resume(self, **options: Unpack[Options]) -> Run:
        """Continue the training, as `alexc train --resume` does. The result is the same as without the interruption.

        Args:
            options: as for `Net.train`. A larger `epochs` continues a run that has ended.

        Raises:
            UserError: an option does not fit, or the training cannot continue.
            Interrupted: Ctrl-C stopped the training again.
        """
        from .training import train_options, train_to_run

        return train_to_run(train_options(self._folder.network, resume=self.path, **options), self._folder)

    def __str__(self) -> str:
        return page_text([self._table()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return page_html([self._table()])

    def _table(self) -> Table:
        _, *rows = zip(HEADER, run_row(self.listed, self.path), strict=True)
        return Table([("run", printable(self.path)), *rows])

    def _all_records(self) -> list[dict[str, Any]]:
        return read_metrics(self._folder.metrics) if self._folder.metrics.exists() else []

    def _records(self, kind: str) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in record.items() if name != "kind"}
            for record in self._all_records()
            if record["kind"] == kind
        ]

    def _trained(self, device: str | None) -> TrainedNetwork:
        from alexc.runtime.device import find_device
        from alexc.runtime.evaluation.trained_network import load_trained_network

        return load_trained_network(self.path, find_device(device))


class Runs(Sequence[Run]):
    """The runs in a folder, at any depth, oldest first; prints as `alexc runs` does, and Jupyter shows a table.

    Attributes:
        folder: the folder.
        damaged: messages about runs that are left out.
    """

    def __init__(self, folder: str | PathLike[str] = RUNS) -> None:
        """Find the runs.

        Raises:
            UserError: the folder does not exist, or has no runs.
        """
        self.folder = Path(folder)
        self._listed, self.damaged = listed_runs(self.folder)

    @overload
    def __getitem__(self, index: int) -> Run: ...

    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...

    def __getitem__(self, index: int | slice) -> Run | list[Run]:
        if isinstance(index, slice):
            return [Run(each.run) for each in self._listed[index]]
        return Run(self._listed[index].run)

    def __len__(self) -> int:
        return len(self._listed)

    def __str__(self) -> str:
        return page_text([self._table()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return page_html([self._table()])

    def _table(self) -> Table:
        return Table([HEADER, *(run_row(each, self.folder) for each in self._listed)], NUMERIC)


@dataclass(frozen=True, repr=False)
class Curves:
    """The curves of a run: loss, error and learning rate. Jupyter shows the picture.

    Attributes:
        title: the title of the picture.
        records: the metrics of steps and epochs.
    """

    title: str
    records: tuple[dict[str, Any], ...]

    @property
    def svg(self) -> str:
        """The text of an SVG that is read on light and dark pages."""
        return self._svg("either")

    def save(self, path: str | PathLike[str], theme: Theme = "light") -> None:
        """Write the picture to a file.

        Args:
            path: the file; its name ends in .svg or .png.
            theme: the colours.

        Raises:
            UserError: the name has another ending, the theme is unknown, or the file cannot be written.
        """
        from alexc.runtime.files import write_bytes, write_error
        from alexc.runtime.training.curves import curves_png

        target = Path(path)
        ending = checked_ending(target)
        check_theme(theme)
        try:
            write_bytes(target, self._svg(theme).encode() if ending == ".svg" else curves_png(self._svg(theme)))
        except OSError as error:
            raise write_error(target, error) from None

    def _svg(self, theme: Literal["light", "dark", "either"]) -> str:
        from alexc.runtime.training.curves import curves_svg

        epochs = [each for each in self.records if each["kind"] == "epoch"]
        steps_per_epoch = epochs[0]["step"] / epochs[0]["epoch"] if epochs else None
        top5 = any(each["val_top5_error"] for each in epochs)
        return curves_svg(self.records, self.title, steps_per_epoch, top5, theme)

    def __repr__(self) -> str:
        return f"<Curves of {self.title}>"

    def _repr_svg_(self) -> str:
        return as_wide_as_the_notebook(self.svg)


@dataclass(frozen=True)
class Prediction:
    """The most likely classes of an image.

    Attributes:
        image: the file, or the image of Pillow.
        guesses: the classes, each with `name` and `probability`; the most likely one first.
    """

    image: Path | Image
    guesses: tuple[Guess, ...]


class Predictions(list[Prediction]):
    """The predictions for some images; prints as `alexc predict` does, and Jupyter shows a table."""

    def __str__(self) -> str:
        lines = []
        for each in self:
            lines += [_name(each.image), *(f"{guess.probability:>8.1%}  {guess.name}" for guess in each.guesses)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [
            (_name(each.image) if guess is each.guesses[0] else "", guess.name, f"{guess.probability:.1%}")
            for each in self
            for guess in each.guesses
        ]
        return page_html([Table([("image", "class", "probability"), *rows], ("probability",))])


def picture_of(folder: RunFolder) -> str | None:
    """A drawing of the run's spec as an SVG; None if the run has no spec."""
    return Net.from_file(folder.spec).draw().svg if folder.spec.is_file() else None


def _data_frame(records: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - pandas need not be there
    if find_spec("pandas") is None:
        return records
    from pandas import DataFrame

    return DataFrame(records)


def _path(path: str | PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def _images(images: str | PathLike[str] | Image | Iterable[str | PathLike[str] | Image]) -> Iterator[Path | Image]:
    """The images, each a file or an image of Pillow."""
    from PIL.Image import Image

    from alexc.runtime.evaluation.prediction import image_files

    several = [images] if isinstance(images, str | PathLike | Image) else images
    for each in several:
        if isinstance(each, Image):
            yield each
        else:
            yield from image_files([Path(each)])


def _name(image: Path | Image) -> str:
    return printable(image) if isinstance(image, Path) else f"{image.width}x{image.height} {image.mode}"
