"""Settings of forks of Caffe that change how a net is computed, not what: they are left out, with a warning."""

from __future__ import annotations

from collections.abc import Sequence

from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Span

from .fields import Fields
from .layer import CaffeLayer

_SMALL_BATCHES = "W0901", "Intel's Caffe normalises over so many images; alexc over the whole batch"
_ON_NODES = "W0902", "it says how Intel's Caffe trains on several machines"
_OF_NETS = {"bn_stats_batch_size": _SMALL_BATCHES, "multinode": _ON_NODES}
_OF_LAYERS = {
    "multinode": _ON_NODES,
    "quantization_param": ("W0902", "Intel's Caffe computes with whole numbers there; alexc does not"),
}
# The fields of a `batch_norm_param`, which its translation skips.
OF_NORMS = {
    "stats_batch_size": _SMALL_BATCHES,
    **dict.fromkeys(
        ("filler", "bias_filler", "use_weight_bias", "bias_term"),
        ("W0902", "only Intel's Caffe reads it in a BatchNorm; the Scale after it has the initial values"),
    ),
}


def ignore_settings(net: Fields, layers: Sequence[CaffeLayer], findings: list[Diagnostic]) -> None:
    """Count these settings as read, with one warning for each, at its first place."""
    places: dict[tuple[str, str, str], list[Span]] = {}
    for fields, settings in [(net, _OF_NETS), *((layer.fields, _OF_LAYERS) for layer in layers)]:
        for name in fields.ignore(*settings):
            places.setdefault((name, *settings[name]), []).append(fields.span_of(name))
    for layer in layers:
        for name, said in OF_NORMS.items():
            found = layer.fields.places("batch_norm_param", name)
            if found:
                places.setdefault((name, *said), []).append(found[0])
    for (name, code, reason), spans in places.items():
        more = f" of {len(spans)} layers" if len(spans) > 1 else ""
        findings.append(Diagnostic(code, f"`{name}`{more} is left out: {reason}", spans[0]))
