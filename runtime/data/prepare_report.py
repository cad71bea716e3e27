"""The report of `alexc prepare`: counts, conversions, bad files by name, colours."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from alexc.printable import printable

from ..bytes_text import bytes_text
from ..sides import sides_text
from .decode import BACKGROUND, TREATMENTS
from .split import Split
from .store import SPLITS, Geometry, Store

CHANNELS = {1: "grey", 2: "grey, alpha", 3: "R, G, B", 4: "R, G, B, alpha"}
_MOST_GROUPS_SHOWN = 10


def preparation_report(store: Store) -> str:
    """The report of a store, as aligned lines of text."""
    sections = [_overview(store), _treatments(store), _quarantined(store), _duplicates(store)]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def class_table(store: Store) -> str:
    """The classes with their numbers of images, as aligned lines; the first column is the label."""
    counts = [getattr(store, name).images_per_class(len(store.classes)) for name in SPLITS]
    names = [printable(name) for name in store.classes]
    number, name = len(str(len(names))), max(len("class"), *map(len, names))
    lines = [f"{'':>{number}}  {'class':<{name}}" + "".join(f"{split:>11}" for split in SPLITS)]
    for label, (text, *images) in enumerate(zip(names, *counts, strict=True)):
        lines.append(f"{label:>{number}}  {text:<{name}}" + "".join(f"{count:>11,}" for count in images))
    return "\n".join(lines)


def preparation_summary(store: Store) -> str:
    """What `prepare` found, in one line, with the command that shows all of it; safe to print."""
    found = store.preparation
    counts = (
        (len(found.quarantined), "not usable and left out"),
        (len(found.duplicates), "found in two classes or splits"),
        (sum(found.treatments.values()), "converted"),
        (found.small, "scaled up"),
        (found.ignored, "clearly not images"),
    )
    told = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    layout = printable(found.layout)
    if not told:
        return layout
    command = f"alexc inspect {shlex.quote(str(store.path))}"
    return f"{layout}; {told}: `{printable(command)}` shows all"


def _overview(store: Store) -> list[str]:
    geometry = store.geometry
    size = bytes_text(store.train.bytes + store.val.bytes)
    kind = "raw pixels" if store.quality is None else f"JPEGs of quality {store.quality}"
    bits = f" of {geometry.bits} bits" if geometry.bits > 8 else ""
    color = store.mean_image.mean(axis=(0, 1))
    rows = [
        ("store", printable(store.path)),
        (
            "size",
            f"{size} of {kind}{bits}, {' x '.join(map(str, geometry.shape[:2]))} per image, {_scaled(geometry)}",
        ),
        ("layout", store.preparation.layout),
        ("labels" if store.several_labels else "classes", f"{len(store.classes):,}"),
        *((name, _split_text(getattr(store, name), len(store.classes))) for name in SPLITS),
        ("mean colour", ", ".join(f"{value:.2f}" for value in color) + f"  ({CHANNELS[geometry.channels]} of 0..255)"),
        ("eigenvalues", ", ".join(f"{value:.5f}" for value in store.eigenvalues) + "  (of colours in 0..1)"),
        ("identity", store.identity[:16]),
    ]
    return list(_aligned(rows))


def _scaled(geometry: Geometry) -> str:
    if isinstance(geometry.resize, int):
        return f"shorter side {geometry.resize}"
    return f"scaled to {' x '.join(map(str, geometry.resize))}"


def _split_text(split: Split, classes: int) -> str:
    counts = split.images_per_class(classes)
    least, most = int(counts.min()), int(counts.max())
    per_class = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    what = "class" if split.label_sets is None else "label"
    return f"{len(split):,} images, {per_class} per {what}"


def _treatments(store: Store) -> list[str]:
    found = store.preparation
    notes = TREATMENTS | {
        "transparent": f"put on the colour {BACKGROUND}",
        "orientation": "turned upright" if found.exif else "ignored, as is usual; --exif turns them upright",
    }
    rows = [(name, f"{found.treatments[name]:>9,}  {notes[name]}") for name in TREATMENTS if name in found.treatments]
    if found.small:
        rows.append(("small", f"{found.small:>9,}  scaled up to {sides_text(store.geometry.resize)} pixels"))
    if found.ignored:
        rows.append(("ignored", f"{found.ignored:>9,}  clearly not images"))
    return ["Treated:", *(f"  {line}" for line in _aligned(rows))] if rows else []


def _quarantined(store: Store) -> list[str]:
    bad = store.preparation.quarantined
    if not bad:
        return []
    rows = [(printable(file), printable(reason)) for file, reason in bad]
    return [f"Left out, not usable ({len(bad):,}):", *(f"  {line}" for line in _aligned(rows))]


def _duplicates(store: Store) -> list[str]:
    groups = store.preparation.duplicates
    if not groups:
        return []
    lines = [f"  {' = '.join(printable(file) for file in group)}" for group in groups[:_MOST_GROUPS_SHOWN]]
    if len(groups) > _MOST_GROUPS_SHOWN:
        lines.append(f"  and {len(groups) - _MOST_GROUPS_SHOWN:,} more, in the store's manifest.json")
    return [f"The same image in two classes or splits ({len(groups):,}), kept as they are:", *lines]


def _aligned(rows: Iterable[tuple[str, str]]) -> Iterable[str]:
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    return (f"{name:<{width}}  {text}" for name, text in rows)
