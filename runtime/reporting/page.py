"""The whole page: all sections in one HTML file, which loads nothing and runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alexc.printable import printable

from ..data.spread import spread
from ..data.store import Store
from ..errors import UserError
from ..evaluation.measure import Scores, top5_tells
from ..evaluation.run_evaluation import store_of_run
from ..evaluation.trained_network import TrainedNetwork
from ..files import write_bytes, write_error
from ..recipes import CrossEntropy
from ..runs.metrics import read_metrics
from ..runs.run_folder import RunFolder
from . import chart
from .answers import answers_to
from .class_accuracies import ClassAccuracies, class_accuracies
from .confusions import Confusions, confusions_of
from .curves import Curves, curves_of
from .embedded_image import drawing_uri
from .kernels import Kernels, draw_kernels
from .layer_order import PassedLayer, layers_in_order
from .missing import Missing
from .nearest_images import NearestImages, draw_nearest
from .samples import SAMPLES, Sample, draw_samples, sample_numbers
from .settings import Settings, settings_of
from .short_name import short_name
from .templates import template, text_of

_QUERIES = 5
_NO_SPEC = (
    "The run has no spec to draw the network from. Write the spec that it was compiled from into its folder "
    "(alexc compile SPEC --emit net > RUN/network.net) and run `alexc report` again."
)


@dataclass(frozen=True)
class ImageSections:
    """The sections that need the images of the run.

    Attributes:
        views: the number of views averaged per validation image.
        scores: of the validation images.
        classes: how well each class is recognised.
        confusions: what was mistaken for what.
        samples: a few validation images with predictions.
        nearest: the first of these images, with the nearest training images.
    """

    views: int
    scores: Scores
    classes: ClassAccuracies
    confusions: Confusions
    samples: list[Sample]
    nearest: NearestImages | Missing


@dataclass(frozen=True)
class Report:
    """Everything on the page; `top5` says whether it tells the top-5 error."""

    title: str
    settings: Settings
    curves: Curves | Missing
    picture: str | Missing
    kernels: Kernels | Missing
    images: ImageSections | Missing
    top5: bool = True

    def missing(self) -> list[str]:
        """The reasons of missing sections."""
        nearest = self.images.nearest if isinstance(self.images, ImageSections) else None
        sections = (self.curves, self.picture, self.kernels, self.images, nearest)
        return [section.reason for section in sections if isinstance(section, Missing)]


def make_report(run: RunFolder, trained: TrainedNetwork, data: Path | None, rows: int, picture: str | None) -> Report:
    """Everything about a run.

    Args:
        run: the run.
        trained: its network.
        data: a store or a folder of images with the same classes; None for the data of its training.
        rows: the largest number of views in a batch.
        picture: a drawing of the network as an SVG, if there is one.

    Raises:
        UserError: a file of the run is damaged, or `data` does not fit.
    """
    record = run.read_record()
    records = read_metrics(run.metrics) if run.metrics.exists() else []
    layers = layers_in_order(trained.network, trained.file.input_shape)
    store, top5 = _store(trained, data), top5_tells(trained.outputs)
    try:
        curves = curves_of(records, top5)
        settings = settings_of(run, trained, record, records, store if isinstance(store, Store) else None)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{printable(run.record)} or {printable(run.metrics.name)} beside it is damaged: "
            "restore what training wrote"
        ) from None
    return Report(
        title=trained.file.name,
        settings=settings,
        curves=curves,
        picture=Missing(_NO_SPEC) if picture is None else drawing_uri(picture),
        kernels=draw_kernels(layers),
        images=store if isinstance(store, Missing) else _images(trained, layers, store, rows),
        top5=top5,
    )


def write_report(report: Report, path: Path) -> None:
    """Write the page, atomically.

    Raises:
        UserError: it cannot be written.
    """
    try:
        write_bytes(path, page_text(report).encode())
    except OSError as error:
        raise write_error(path, error, ", or name another file with --out") from None


def page_text(report: Report) -> str:
    """The page; the template escapes every name and text."""
    style = text_of("page.css") + text_of("chart.css")
    return template("page.html.jinja").render(report=report, chart_size=chart, style=style)


def _store(trained: TrainedNetwork, data: Path | None) -> Store | Missing:
    """The images; without those of the run, the page is made without them."""
    if not isinstance(trained.file.recipe.loss, CrossEntropy):
        return Missing("No images: the page shows them for networks that give each image one class.")
    try:
        return store_of_run(trained, data)
    except UserError as mistake:
        if data is not None:
            raise
        return Missing(f"No images: {mistake}.")


def _images(trained: TrainedNetwork, layers: list[PassedLayer], store: Store, rows: int) -> ImageSections:
    def name(output: int) -> str:
        return short_name(trained.class_name(output))

    answers = answers_to(trained, store.val, rows)
    scores = answers.scores()
    numbers = sample_numbers(store.val.labels, answers.right, SAMPLES)
    queries = [numbers[place] for place in spread(len(numbers), _QUERIES)]
    classes = [name(label) for label in range(len(store.classes))]
    return ImageSections(
        views=len(trained.test_views()),
        scores=scores,
        classes=class_accuracies(scores, classes),
        confusions=confusions_of(scores.guesses, classes, name),
        samples=draw_samples(store.val, answers, numbers, name),
        nearest=draw_nearest(trained, layers, store, queries, rows, name),
    )
