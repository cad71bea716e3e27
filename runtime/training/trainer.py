"""The training loop: epochs, steps, validation and checkpoints."""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alexc.printable import printable

from ..augmentations.view import View
from ..data.batch_loader import Batch, BatchLoader, groups_of
from ..data.random_streams import epoch_order
from ..data.split import DrawnImages, Images
from ..data.store import Store
from ..data.views import TrainingViews
from ..device import place_images, seed_generators
from ..errors import UserError
from ..evaluation.label_scores import LabelScores, tally_for
from ..evaluation.measure import Scores, measure, top5_tells
from ..layers.dropout import fix_masks
from ..progress import Progress
from ..runs.console import print_epoch, print_note
from ..runs.epoch_metrics import EpochMetrics, loss_text
from ..runs.metrics import Ending, Metrics
from ..runs.run_folder import RunFolder
from .class_balance import drawn_images
from .device_numbers import DeviceNumbers
from .finite import all_finite, any_not_finite
from .heads import heads_of, loss_of_heads, wrong_in_batch
from .model import Model
from .precision import autocast
from .settings import Settings
from .state import TrainingState

_ALL_STEPS_RECORDED = 100
_STEPS_BETWEEN_RECORDS = 10
_BY_SIGNAL = "by a signal"


class Stopped(Exception):  # noqa: N818 - an ending that the user asked for, not an error
    """The training stopped, between two steps or in a validation, because it was asked to; the message says how."""


@dataclass(frozen=True, eq=False)
class Data:
    """The images of a training.

    Attributes:
        store: the prepared images.
        loader: renders batches of views.
        views: draws the random views of training.
        validation_view: the one view per image of validation.
        class_weights: (classes,), the weights of the classes in the loss; None without weights.
    """

    store: Store
    loader: BatchLoader
    views: TrainingViews
    validation_view: View
    class_weights: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """The records of a training.

    Attributes:
        folder: the folder of the run.
        metrics: the log of steps and epochs.
        identity: what every checkpoint of the run holds, and what a run to resume must agree in.
        save_every: steps between two checkpoints within an epoch.
        print_freq: steps between two printed lines; None prints none.
    """

    folder: RunFolder
    metrics: Metrics
    identity: dict[str, Any]
    save_every: int
    print_freq: int | None


@dataclass(frozen=True)
class StepResult:
    """What all ranks know of a step.

    Attributes:
        images: the number of images of the whole batch.
        rate: the learning rate, before the multipliers of layers.
        loss: the mean loss of the whole batch.
        wrong: how many images of it were classified wrongly.
        skipped: whether the loss scale made a gradient overflow, so that the weights stay.
        stop: whether any rank was asked to stop.
    """

    images: int
    rate: float
    loss: float
    wrong: int
    skipped: bool
    stop: bool


@dataclass(frozen=True, eq=False)
class Step:
    """A step that the device computes or has computed.

    Attributes:
        images: the number of images of the whole batch.
        rate: the learning rate, before the multipliers of layers.
        numbers: of this rank: its part of the mean loss, how many images were classified wrongly, and whether a
            gradient is not finite.
    """

    images: int
    rate: float
    numbers: DeviceNumbers


@dataclass(frozen=True, eq=False)
class Trainer:
    """Trains a model on data and records it in a run; `set_up` makes it.

    Attributes:
        settings: the recipe and the options of the training.
        model: the network, its optimiser and their state.
        data: the images.
        run: the folder, the log and what identifies the run.
        state: how far the training has come: the steps whose results were read.
        ahead: the number of steps that the device may be ahead of the results that are read.
    """

    settings: Settings
    model: Model
    data: Data
    run: Run
    state: TrainingState
    ahead: int = 0
    _underway: deque[Step] = field(default_factory=deque, init=False)

    @property
    def steps_per_epoch(self) -> int:
        """Steps per epoch; the last batch may be smaller."""
        return self.settings.steps_per_epoch(len(self.data.store.train))

    @property
    def epochs(self) -> int:
        """The epochs of the training; the last one ends early if the length is in iterations and they are done."""
        return self.settings.epochs(len(self.data.store.train))

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to train: all epochs are done, or the schedule or early stopping ended them."""
        model = self.model
        return self.state.epoch >= self.epochs or model.schedule.ended or model.early_stopping.ended

    def train(self, interrupted: Callable[[], bool], steps: int | None = None) -> None:
        """Train from the current state to the end.

        Args:
            interrupted: asked after each step, and before each batch of validation, whether to stop there. If several
                ranks train, all stop when one is asked to.
            steps: stop after this many steps since the beginning; None for no limit.

        Raises:
            Stopped: the training was asked to stop; what was done is saved.
            UserError: the loss, a gradient or a weight is not finite, or a checkpoint cannot be saved.
        """
        limit = math.inf if steps is None else steps
        try:
            stop = self.model.rank.any(interrupted())
            while not self.is_over:
                watch = _Stopwatch()
                with self._epoch_progress() as progress:
                    for images, micro_batches in self._remaining_batches():
                        if stop or self._begun >= limit:
                            self._count(self.results(interrupted), watch, progress)
                            raise Stopped(_BY_SIGNAL if stop else "as --steps says")
                        stop = self._count(self.take_step(images, micro_batches, interrupted), watch, progress)
                        if self._begun % self.run.save_every == 0:
                            stop |= self._count(self.results(interrupted), watch, progress)
                            self.save()
                    stop |= self._count(self.results(interrupted), watch, progress)
                with self.model.validated_weights():
                    scores = self._validate(interrupted)
                self._finish_epoch(scores, watch.lap())
        except Stopped as stopped:
            self.save()
            self._record_end("stopped", str(stopped))
            raise
        self._record_end("finished", "nothing is left to train")

    def take_step(
        self, images: int, micro_batches: Iterable[tuple[Batch, bool]], interrupted: Callable[[], bool]
    ) -> Iterator[StepResult]:
        """Take one step on the mean loss of a batch.

        Args:
            images: the number of images of the whole batch.
            micro_batches: its micro-batches, each with whether it is the last.
            interrupted: whether this rank is asked to stop.

        Returns:
            The results that are due, each before the next one is read: of this step, or of an earlier one if the
            device may be ahead.

        Raises:
            UserError: the loss or a gradient is not finite, and that step did not change the weights.
        """
        model = self.model
        model.train(self.state.epoch)
        model.optimizer.zero_grad(set_to_none=True)
        outcomes, done = [], 0
        for micro_batch, is_last in micro_batches:
            if model.gradient_sum is not None:
                model.gradient_sum.begin(is_last)
            outcomes.append(self._backward(done, micro_batch, images))
            done += micro_batch.count
        if model.gradient_sum is not None:
            model.gradient_sum.wait()
        model.set_rates(self._begun, self.steps_per_epoch)
        loss, wrong = (torch.stack(each).sum() for each in zip(*outcomes, strict=True))
        not_finite = any_not_finite(model.gradients(), model.device)
        step = Step(images, model.optimizer.rate, DeviceNumbers(loss, wrong, not_finite))
        if self.ahead:
            model.update(unless=not_finite)
            self._underway.append(step)
            return self.results(interrupted, self.ahead)
        scale = model.loss_scale.scale
        result = self._read(step, interrupted())
        if not result.skipped:
            model.update(scale)
        return iter([result])

    def results(self, interrupted: Callable[[], bool], ahead: int = 0) -> Iterator[StepResult]:
        """Read the results of the steps under way, oldest first, but for the last `ahead`.

        Raises:
            UserError: the loss or a gradient is not finite.
        """
        while len(self._underway) > ahead:
            yield self._read(self._underway.popleft(), interrupted())

    def save(self) -> None:
        """Save the newest checkpoint, with whole weights whatever the mesh.

        Raises:
            UserError: a weight is not finite, or the disk is full; the checkpoints before it stay.
        """
        self._check_weights()
        model_state, state, run = self.model.state_dict(), self.state, self.run

        def write() -> int:
            state.metrics_bytes = run.metrics.sync()
            run.folder.save_last(run.identity | {"state": state.state_dict()} | model_state)
            return state.metrics_bytes

        state.metrics_bytes = self.model.rank.on_rank_zero(write)

    @property
    def _begun(self) -> int:
        """The number of steps begun, of which the results of some may not have been read."""
        return self.state.step + len(self._underway)

    def _count(self, results: Iterable[StepResult], watch: _Stopwatch, progress: Progress) -> bool:
        """Count and record results. Returns whether a rank was asked to stop."""
        state, stop = self.state, False
        for result in results:
            stop |= result.stop
            state.count_step(result.images, result.loss, result.wrong, watch.lap())
            progress.advance(result.images, f"loss {loss_text(state.loss_sum / state.images)}")
            self._record_step(result)
        return stop

    def _remaining_batches(self) -> Iterator[tuple[int, Iterator[tuple[Batch, bool]]]]:
        """The batches of the current epoch that are not done yet; their order is a function of (seed, epoch).

        Yields the number of images of each batch and its micro-batches, each with whether it is the last. All of them
        must be used before the next batch.
        """
        data, settings, epoch = self.data, self.settings, self.state.epoch
        split, order = self._images_of_epoch(epoch)
        groups = groups_of(order, settings.recipe.batch)[self.state.position :]
        if settings.recipe.iterations is not None:
            groups = groups[: settings.recipe.iterations - self.state.step]
        cut = [groups_of(group, settings.micro_batch_size(len(group))) for group in groups]
        flat = [micro_batch for micro_batches in cut for micro_batch in micro_batches]
        batches = data.loader.batches(split, flat, data.views.of_epoch(epoch, order).take)
        with closing(batches):
            for group, micro_batches in zip(groups, cut, strict=True):
                weight = self._weight_of(split, group)
                parts = ((replace(next(batches), weight=weight), each is micro_batches[-1]) for each in micro_batches)
                yield len(group), parts

    def _images_of_epoch(self, epoch: int) -> tuple[Images, NDArray[np.int64]]:
        """The images that an epoch shows, and their order.

        The sampler `weighted` can draw an image several times. So each draw is an image of its own, with its own view.
        """
        train, settings = self.data.store.train, self.settings
        if settings.sampler == "random":
            return train, epoch_order(settings.seed, epoch, len(train))
        drawn = drawn_images(train, len(self.data.store.classes), settings.seed, epoch)
        return DrawnImages(train, drawn), np.arange(len(drawn))

    def _weight_of(self, split: Images, group: NDArray[np.int64]) -> float | None:
        """The sum of the weights of a batch, in float64, so that every rank has the same; None without weights."""
        weights = self.data.class_weights
        return None if weights is None else float(weights[split.targets(group, 0)].sum())

    def _backward(self, first: int, micro_batch: Batch, images: int) -> tuple[Tensor, Tensor]:
        """Add the gradients of a micro-batch that begins at position `first` of a batch of `images` images.

        Returns:
            Its part of the mean loss of the batch, and how many of its images were classified wrongly.
        """
        model, recipe = self.model, self.settings.recipe
        labels = micro_batch.labels.to(model.device, non_blocking=model.device.type == "cuda")
        _seed_layers(model.network, self.settings.seed, self._begun, first, model.device)
        with autocast(recipe.precision, model.device):
            heads = heads_of(model.network(place_images(micro_batch.images, model.device)))
        total = images if micro_batch.weight is None else micro_batch.weight
        loss = loss_of_heads(recipe.loss, model.network, heads, labels, total, model.class_weights)
        torch.autograd.backward(loss * model.loss_scale.scale)
        return loss.detach(), wrong_in_batch(recipe.loss, heads[0].detach(), labels)

    def _read(self, step: Step, stop: bool) -> StepResult:
        """The result of a step, summed over all ranks in one message."""
        model = self.model
        loss, wrong, not_finite = step.numbers.read()
        counted = (loss, wrong) if model.rank.reports_metrics else (0.0, 0.0)
        values = torch.tensor([*counted, not_finite, float(stop)], dtype=torch.float64)
        loss, wrong, not_finite, stop = model.rank.sum(values).tolist()
        if not math.isfinite(loss):  # this loss is not scaled
            raise self._not_finite(f"the loss is {loss}", step.rate)
        skipped = model.loss_scale.skips(bool(not_finite))
        if not_finite and not skipped:
            raise self._not_finite("a gradient is not finite", step.rate)
        return StepResult(step.images, step.rate, loss, round(wrong), skipped, bool(stop))

    def _validate(self, interrupted: Callable[[], bool]) -> Scores | LabelScores:
        """The loss and the errors on the validation split, with one view per image."""
        model, data = self.model, self.data

        def stop_if_interrupted() -> None:
            if model.rank.any(interrupted()):
                raise Stopped(_BY_SIGNAL)

        tally = tally_for(self.settings.recipe.loss, len(data.store.classes), model.outputs)
        measure(
            model.network,
            data.loader,
            data.store.val,
            (data.validation_view,),
            self.settings.recipe.batch,
            [(tally, (0,))],
            "validation",
            stop_if_interrupted,
            self.settings.recipe.loss,
        )
        tally.take(model.rank.sum(tally.counts() * model.rank.reports_metrics))
        return tally.scores()

    def _finish_epoch(self, scores: Scores | LabelScores, seconds: float) -> None:
        """Record the epoch, show it to the schedule and to early stopping, and save.

        The best weights are saved first, so that `last.pt` never refers to best weights that are not there.
        """
        state, model, run = self.state, self.model, self.run
        epoch, rate = state.epoch + 1, model.schedule.rate_at(state.step - 1, self.steps_per_epoch)
        metrics = EpochMetrics(
            state.loss_sum / state.images, state.wrong / state.images, scores.loss, scores.top1_error, scores.top5_error
        )
        images_per_second = state.images / state.seconds
        seconds += state.seconds
        run.metrics.epoch(state.step, epoch, metrics, rate, seconds, images_per_second)
        print_epoch(epoch, metrics, rate, images_per_second, seconds, top5_tells(model.outputs))
        for note in (model.schedule.after_epoch(metrics), model.early_stopping.after_epoch(metrics)):
            if note is not None:
                run.metrics.note(state.step, epoch, note)
                print_note(note)
        if state.count_epoch(scores.top1_error):
            self._check_weights()
            with model.validated_weights():
                weights = model.whole_weights()
                best = run.identity | {"epoch": epoch, "weights": weights}
                model.rank.on_rank_zero(lambda: run.folder.save_best(best))
        self.save()

    def _epoch_progress(self) -> Progress:
        state, recipe = self.state, self.settings.recipe
        task, images = f"epoch {state.epoch + 1}/{self.epochs}", len(self.data.store.train)
        if recipe.iterations is not None:
            images = min(images, state.images + (recipe.iterations - state.step) * recipe.batch)
        return Progress(task, images, "images", done=state.images, part=(state.epoch, self.epochs))

    def _record_step(self, result: StepResult) -> None:
        state, run, loss, rate = self.state, self.run, result.loss, result.rate
        if run.print_freq and state.step % run.print_freq == 0 and self.model.rank.is_rank_zero:
            print_note(f"epoch {state.epoch + 1}  step {state.step:,}  loss {loss_text(loss)}  rate {rate:.3g}")
        if state.step <= _ALL_STEPS_RECORDED or state.step % _STEPS_BETWEEN_RECORDS == 0:
            run.metrics.step(state.step, state.epoch + 1, loss, rate)

    def _record_end(self, ending: Ending, reason: str) -> None:
        """Record how the training ended, so that one that crashed can be told from one that was stopped."""
        self.run.metrics.ended(ending, self.state.step, self.state.epoch + bool(self.state.position), reason)

    def _check_weights(self) -> None:
        """Raise if a weight is not finite, on all ranks."""
        values = [value for value in self.model.network.state_dict().values() if value.is_floating_point()]
        if self.model.rank.any(not all_finite(values)):
            raise self._not_finite("a weight is not finite", self.model.optimizer.rate)

    def _not_finite(self, what: str, rate: float) -> UserError:
        """Record that the training must stop; returns the error. All ranks have found it."""
        state = self.state
        self.run.metrics.ended("diverged", state.step + 1, state.epoch + 1, what)
        return self.model.rank.reported_once(
            UserError(
                f"{what} at step {state.step + 1} (epoch {state.epoch + 1}), and the training has stopped there; the "
                f"checkpoints in {printable(self.run.folder.path)} are from before. Usually the learning rate "
                f"({rate:g} now) is too high: lower `lr` in the spec, compile it, and train again "
                "from the beginning. `alexc check` warns if the pixels are not scaled for the initial weights"
            )
        )


def _seed_layers(network: nn.Module, seed: int, step: int, first: int, device: torch.device) -> None:
    """Make all random draws for a micro-batch, whose first image has this position in its batch, reproducible.

    Dropout masks are those of the whole batch. Layers that use torch's own generator draw for the micro-batch.
    """
    fix_masks(network, seed, step, first, device)
    place = f"{seed}/{step}" + (f"/{first}" if first else "")
    seed_generators(int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "big") >> 1, device)


class _Stopwatch:
    """Counts seconds from one lap to the next."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last call, or since the beginning."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        return seconds
