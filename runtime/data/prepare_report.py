"""The report of `alexc prepare`: counts, conversions, bad files by name, colours."""

from __future__ import annotations

from collections.abc import Iterable

from alexc.printable import printable, shell_line
from alexc.table import aligned, listed

from ..bytes_text import bytes_text
from ..sides import sides_text
from .decode import BACKGROUND, TREATMENTS
from .split import Split
from .store import SPLITS, Geometry, Store

CHANNELS = {1: "grey", 2: "grey, alpha", 3: "R, G, B", 4: "R, G, B, alpha"}
_MOST_GROUPS_SHOWN = 10


def preparation_report(store: Store, width: int | None = None) -> str:
    """The report of a store, as aligned lines of text; in a terminal of `width` columns, they are wrapped at blanks."""
    sections = [_overview(store, width), _treatments(store, width), _quarantined(store, width), _duplicates(store)]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def class_table(store: Store, width: int | None = None) -> str:
    """The classes with their numbers of images, as aligned lines; the first column is the label."""
    counts = [getattr(store, name).images_per_class(len(store.classes)) for name in SPLITS]
    rows: list[tuple[str, ...]] = [("", "class", *SPLITS)]
    for label, (name, *images) in enumerate(zip(store.classes, *counts, strict=True)):
        rows.append((str(label), printable(name), *(f"{count:,}" for count in images)))
    return "\n".join(aligned(rows, ("", *SPLITS), width))


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
    return f"{layout}; {told}: `alexc inspect {shell_line(store.path)}` shows all"


def _overview(store: Store, width: int | None) -> list[str]:
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
    return listed(rows, width)


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


def _treatments(store: Store, width: int | None) -> list[str]:
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
    return ["Treated:", *_indented(rows, width)] if rows else []


def _quarantined(store: Store, width: int | None) -> list[str]:
    bad = store.preparation.quarantined
    if not bad:
        return []
    rows = [(printable(file), printable(reason)) for file, reason in bad]
    return [f"Left out, not usable ({len(bad):,}):", *_indented(rows, width)]


def _duplicates(store: Store) -> list[str]:
    groups = store.preparation.duplicates
    if not groups:
        return []
    lines = [f"  {' = '.join(printable(file) for file in group)}" for group in groups[:_MOST_GROUPS_SHOWN]]
    if len(groups) > _MOST_GROUPS_SHOWN:
        lines.append(f"  and {len(groups) - _MOST_GROUPS_SHOWN:,} more, in the store's manifest.json")
    return [f"The same image in two classes or splits ({len(groups):,}), kept as they are:", *lines]


def _indented(rows: Iterable[tuple[str, str]], width: int | None) -> list[str]:
    return listed([(f"  {name}", text) for name, text in rows], width)
