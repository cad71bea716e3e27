"""The training loop: steps, epochs, validation, checkpoints."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from alexc.printable import printable

from ..augmentations.augmentation import View
from ..data.batch_loader import Batch, BatchLoader, groups_of
from ..data.random_streams import epoch_order
from ..data.store import Store
from ..data.views import TrainingViews
from ..device import place_images
from ..errors import UserError
from ..evaluation.measure import Scores, Tally, measure
from ..layers.dropout import fix_masks
from ..parallel.batch_shard import NO_LABEL
from ..parallel.gradient_sum import GradientSum
from ..parallel.rank import Rank
from ..progress import Progress
from ..recipes import Recipe
from ..runs.console import print_epoch, print_note
from ..runs.epoch_metrics import EpochMetrics
from ..runs.metrics import Metrics
from ..runs.run_folder import RunFolder
from .averaged_weights import AveragedWeights
from .clipping import clip_gradients
from .early_stopping import EarlyStopping
from .heads import cross_entropy_of_heads, heads_of
from .optimizer import Optimizer
from .precision import LossScale, autocast
from .schedule import Schedule
from .sgd import parameter_names
from .state import TrainingState

ALL_STEPS_RECORDED = 100
STEPS_BETWEEN_RECORDS = 10


class Stopped(Exception):  # noqa: N818 - an ending that was asked for, not a fault
    """The training was asked to stop, and stopped between two steps or in a validation."""


@dataclass(frozen=True, eq=False)
class Training:
    """All that a training needs, checked and in place; `training_setup` makes it.

    Attributes:
        rank: which part of the training this process has.
        network: what it has of the network, on its device.
        names: the weights and buffers of the whole network, in its order.
        moment_names: the weights of the whole network, in the optimiser's order.
        device: where it computes.
        outputs: how many outputs the network has.
        optimizer: moves the network's weights.
        gradients: sums them over the ranks; None in one process.
        loss_scale: what the loss is multiplied by for its gradients.
        average: of the weights, which is validated in their place; None where the recipe has none.
        early_stopping: ends the training by what it has reached.
        recipe: how to train.
        schedule: the learning rate.
        store: the images.
        feed: renders them.
        views: draws the views of training.
        central: the one view of validation.
        state: how far the training is.
        epochs: how many there are.
        batch: images a step.
        seed: of every draw.
        frozen: the layers that stay as they are.
        parts: into how many parts a batch is cut, which are computed one after the other; each is shared by the ranks.
        print_every: steps from one printed line to the next; None for no such lines.
        save_every: steps from one checkpoint to the next, within an epoch.
        run: the folder to save in.
        metrics: the record to write.
        identity: what a checkpoint must agree in: see `training_setup`.
    """

    rank: Rank
    network: nn.Module
    names: Sequence[str]
    moment_names: Sequence[str]
    device: torch.device
    outputs: int
    optimizer: Optimizer
    gradients: GradientSum | None
    loss_scale: LossScale
    average: AveragedWeights | None
    early_stopping: EarlyStopping
    recipe: Recipe
    schedule: Schedule
    store: Store
    feed: BatchLoader
    views: TrainingViews
    central: View
    state: TrainingState
    epochs: int
    batch: int
    seed: int
    frozen: Sequence[nn.Module]
    parts: int
    print_every: int | None
    save_every: int
    run: RunFolder
    metrics: Metrics
    identity: dict[str, Any]

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to train: all epochs are done, or the schedule or the early end ended them."""
        return self.state.epoch >= self.epochs or self.schedule.ended or self.early_stopping.ended


def train(training: Training, interrupted: Callable[[], bool], steps: int | None = None) -> None:
    """Train to the end of the last epoch or of the schedule.

    Args:
        training: what to train; its state says where to go on.
        interrupted: asked after each step and before each batch of validation whether to stop there; where several
            processes train, it is enough that one is asked to.
        steps: stop after this many steps since the beginning, before the next one; None for no such limit.

    Raises:
        Stopped: when it was asked to stop; what was done is saved.
        UserError: when the loss, a gradient or a weight is no longer finite, before that is saved; or when a
            checkpoint cannot be saved.
    """
    state = training.state
    limit = math.inf if steps is None else steps
    try:
        stop = training.rank.any(interrupted())
        while not training.is_over:
            watch = _Stopwatch()
            with _epoch_progress(training) as progress:
                for images, parts in _rest_of_epoch(training):
                    if stop or state.step >= limit:
                        raise Stopped
                    loss, wrong, stop = take_step(training, images, parts, interrupted)
                    state.count_step(images, loss, wrong, watch.lap())
                    progress.advance(images, f"loss {state.loss_sum / state.images:.4f}")
                    _record_step(training, loss)
                    if state.step % training.save_every == 0:
                        save(training)
            with _averaged(training):
                scores = _validate(training, interrupted)
            _finish_epoch(training, scores, watch.lap())
    except Stopped:
        save(training)
        raise


def save(training: Training) -> None:
    """Save the newest checkpoint: whole weights, whatever the mesh.

    Raises:
        UserError: when a weight is not finite, or the disk is full; the checkpoints before stay.
    """
    _check_weights(training)
    rank = training.rank
    weights = rank.whole(training.network.state_dict(), training.names)
    own_names = parameter_names(training.network)
    moments = {
        name: list(rank.whole(dict(zip(own_names, values, strict=True)), training.moment_names).values())
        for name, values in training.optimizer.moments().items()
    }
    average = {} if training.average is None else rank.whole(training.average.values(), training.names)

    def write() -> int:
        training.state.metrics_bytes = training.metrics.sync()
        training.run.save_last(
            training.identity
            | {
                "state": asdict(training.state),
                "schedule": training.schedule.state(),
                "weights": weights,
                "moments": moments,
                "average": average,
                "loss_scale": asdict(training.loss_scale),
                "early_stopping": training.early_stopping.state(),
            }
        )
        return training.state.metrics_bytes

    training.state.metrics_bytes = rank.on_rank_zero(write)


def _averaged(training: Training) -> AbstractContextManager[None]:
    """A context in which the network has the weights that are validated and kept as the best."""
    return nullcontext() if training.average is None else training.average.in_network()


def _epoch_progress(training: Training) -> Progress:
    task = f"epoch {training.state.epoch + 1}/{training.epochs}"
    return Progress(task, len(training.store.train), "images", done=training.state.images)


def _rest_of_epoch(training: Training) -> Iterator[tuple[int, Iterator[tuple[Batch, bool]]]]:
    """The batches of the current epoch that are not done yet, in an order that is a function of (seed, epoch).

    Of each how many images it has, and its parts one after the other, with whether one is the last: all are to be used.
    """
    state, split = training.state, training.store.train
    epoch = state.epoch
    groups = groups_of(epoch_order(training.seed, epoch, len(split)), training.batch)[state.position :]
    cut = [groups_of(group, part_size(len(group), training.parts)) for group in groups]
    flat = [part for parts in cut for part in parts]
    batches = training.feed.batches(split, flat, lambda image: (training.views.view(epoch, image),))
    with closing(batches):
        for group, parts in zip(groups, cut, strict=True):
            yield len(group), ((next(batches), part is parts[-1]) for part in parts)


def part_size(images: int, parts: int) -> int:
    """Images of each of the parts that a batch is cut into; the last one may be smaller, and there may be fewer."""
    return -(-images // parts)


def _steps_an_epoch(training: Training) -> int:
    return -(-len(training.store.train) // training.batch)


def take_step(
    training: Training, images: int, parts: Iterable[tuple[Batch, bool]], interrupted: Callable[[], bool]
) -> tuple[float, int, bool]:
    """One step on the mean loss of a batch of so many images, part by part.

    Returns:
        That loss, how many guesses were wrong, and whether any process was asked to stop.
    """
    network, optimizer = training.network, training.optimizer
    network.train()
    for layer in training.frozen:
        layer.eval()  # running statistics stay, too
    optimizer.zero_grad(set_to_none=True)
    made = []
    for number, (part, last) in enumerate(parts):
        if training.gradients is not None:
            training.gradients.begin(last)
        made.append(_gradients_of_part(training, number, part, images))
    if training.gradients is not None:
        training.gradients.wait()
    loss, wrong = (torch.stack(each).sum() for each in zip(*made, strict=True))
    figures = _Figures.of(training, loss, wrong, interrupted())
    optimizer.rate = training.schedule.rate_at(training.state.step, _steps_an_epoch(training))
    _check_loss(training, figures)
    scale = training.loss_scale.scale
    if not training.loss_scale.skips(figures.spoilt):
        _check_gradients(training, figures)
        _move_weights(training, scale)
    return figures.loss, figures.wrong, figures.stop


def _gradients_of_part(training: Training, number: int, part: Batch, images: int) -> tuple[Tensor, Tensor]:
    """Add the gradients of a part of a batch of `images` images.

    Returns:
        Its share of the batch's mean loss, and how many guesses were wrong.
    """
    network, labels = training.network, part.labels.to(training.device)
    _fix_draws(network, training.seed, training.state.step, number)
    with autocast(training.recipe.precision, training.device):
        heads = heads_of(network(place_images(part.images, training.device)))
    loss = cross_entropy_of_heads(network, heads, labels, images, training.recipe.loss.smoothing)
    torch.autograd.backward(loss * training.loss_scale.scale)
    wrong = ((heads[0].detach().argmax(1) != labels) & (labels != NO_LABEL)).sum()
    return loss.detach(), wrong


def _move_weights(training: Training, scale: float) -> None:
    """Take the step that the gradients of the loss, multiplied by `scale`, ask for."""
    network = training.network
    if scale != 1.0:
        for weight in network.parameters():
            if weight.grad is not None:
                weight.grad.mul_(1.0 / scale)
    clip_gradients(network, training.recipe.gradients, training.rank)
    training.optimizer.step()
    if training.average is not None:
        training.average.update()


@dataclass(frozen=True)
class _Figures:
    """What all processes know of a step.

    Attributes:
        loss: of the whole batch.
        wrong: how many guesses were.
        spoilt: whether a gradient is not finite.
        stop: whether any process was asked to stop.
    """

    loss: float
    wrong: int
    spoilt: bool
    stop: bool

    @staticmethod
    def of(training: Training, loss: Tensor, wrong: Tensor, stop: bool) -> _Figures:
        """Those of this process's part, and those of the others, in one message."""
        gradients = [weight.grad for weight in training.network.parameters() if weight.grad is not None]
        counted = (loss.item(), wrong.item()) if training.rank.counts else (0.0, 0)
        spoilt = not _all_finite(gradients)
        figures = torch.tensor([*counted, float(spoilt), float(stop)], dtype=torch.float64)
        total, all_wrong, spoilt, stop = training.rank.sum(figures).tolist()
        return _Figures(total, round(all_wrong), bool(spoilt), bool(stop))


def _fix_draws(network: nn.Module, seed: int, step: int, part: int) -> None:
    """Make whatever the network draws in this part of a step a function of (seed, step, part)."""
    place = f"{seed}/{step}" + (f"/{part}" if part else "")
    digest = hashlib.sha256(place.encode()).digest()
    fix_masks(network, seed if not part else int.from_bytes(digest[8:15], "big"), step)
    torch.manual_seed(int.from_bytes(digest[:8], "big") >> 1)  # for layers that use torch's own generator


def _check_loss(training: Training, figures: _Figures) -> None:
    """Refuse a step whose loss, which no scale has touched, would spoil the weights."""
    if not math.isfinite(figures.loss):
        raise training.rank.agreed(_not_finite(training, f"the loss is {figures.loss}"))


def _check_gradients(training: Training, figures: _Figures) -> None:
    """Refuse a step whose gradients would."""
    if figures.spoilt:
        raise training.rank.agreed(_not_finite(training, "a gradient is not finite"))


def _check_weights(training: Training) -> None:
    """Refuse to save weights that a step has made infinite."""
    values = [value for value in training.network.state_dict().values() if value.is_floating_point()]
    if training.rank.any(not _all_finite(values)):
        raise training.rank.agreed(_not_finite(training, "a weight is not finite"))


def _all_finite(tensors: list[Tensor]) -> bool:
    if not tensors:
        return True
    # A sum is finite when every term is, but for overflow: the least and the largest value tell, in twice the time.
    if bool(torch.stack([tensor.sum() for tensor in tensors]).isfinite().all()):
        return True
    return bool(torch.stack([bound for tensor in tensors for bound in torch.aminmax(tensor)]).isfinite().all())


def _not_finite(training: Training, what: str) -> UserError:
    state = training.state
    saved = f"the checkpoints in {printable(training.run.path)} are from before"
    return UserError(
        f"{what} at step {state.step + 1} (epoch {state.epoch + 1}), and the training has stopped there; {saved}. "
        f"Usually the learning rate ({training.optimizer.rate:g} now) is too high: lower `lr` in the spec, "
        "compile it and train anew"
    )


def _record_step(training: Training, loss: float) -> None:
    state = training.state
    if training.print_every and state.step % training.print_every == 0 and training.rank.is_rank_zero:
        print_note(f"epoch {state.epoch + 1}  step {state.step:,}  loss {loss:.4f}  rate {training.optimizer.rate:.3g}")
    if state.step <= ALL_STEPS_RECORDED or state.step % STEPS_BETWEEN_RECORDS == 0:
        training.metrics.step(state.step, state.epoch + 1, loss, training.optimizer.rate)


def _validate(training: Training, interrupted: Callable[[], bool]) -> Scores:
    """Loss and errors on the validation split, by the central view alone."""

    def stop_if_interrupted() -> None:
        if training.rank.any(interrupted()):
            raise Stopped

    tally = Tally(len(training.store.classes), training.outputs)
    measure(
        training.network,
        training.feed,
        training.store.val,
        (training.central,),
        training.batch,
        [(tally, (0,))],
        "validation",
        stop_if_interrupted,
    )
    tally.take(training.rank.sum(tally.counts() * training.rank.counts))
    return tally.scores()


def _finish_epoch(training: Training, scores: Scores, seconds: float) -> None:
    """Record the epoch, let the schedule see it, and save: the best first, so that `last` never tells of a lost one."""
    state, schedule, metrics = training.state, training.schedule, training.metrics
    epoch, rate = state.epoch + 1, schedule.rate_at(state.step - 1, _steps_an_epoch(training))
    figures = EpochMetrics(
        state.loss_sum / state.images, state.wrong / state.images, scores.loss, scores.top1_error, scores.top5_error
    )
    images_per_second = state.images / state.seconds
    seconds += state.seconds
    metrics.epoch(state.step, epoch, figures, rate, seconds, images_per_second)
    print_epoch(epoch, figures, rate, images_per_second, seconds)
    for note in (schedule.after_epoch(getattr(figures, schedule.of)), training.early_stopping.after_epoch(figures)):
        if note is not None:
            metrics.note(state.step, epoch, note)
            print_note(note)
    if state.count_epoch(scores.top1_error):
        _check_weights(training)
        with _averaged(training):
            weights = training.rank.whole(training.network.state_dict(), training.names)
            training.rank.on_rank_zero(
                lambda: training.run.save_best(training.identity | {"epoch": epoch, "weights": weights})
            )
    save(training)


class _Stopwatch:
    """Counts seconds from one lap to the next."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last call, or since the beginning."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        return seconds
