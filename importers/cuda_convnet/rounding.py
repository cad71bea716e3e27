"""`quantF` and `quantB` of 2013: what travels between GPUs, and its gradients, is rounded to float16."""

from __future__ import annotations

from collections.abc import Mapping

from alexc.compiler.text.diagnostics import Diagnostic

from .layers import CudaLayer

_KEYS = ("quantF", "quantB")


def sends_half(layers: Mapping[str, CudaLayer], findings: list[Diagnostic]) -> bool:
    """Whether all that travels between GPUs is rounded in both directions; a warning if only a part is."""
    travels = {
        name
        for layer in layers.values()
        for name in layer.inputs
        if layer.gpus and layers[name].gpus and layer.gpus != layers[name].gpus
    }
    rounded: dict[tuple[str, str], CudaLayer] = {}
    for layer in layers.values():
        for key in _KEYS:
            written = layer.parameters.text(key, "none").lower() if layer.parameters is not None else "none"
            if written == "half":
                rounded[layer.name, key] = layer
            elif written != "none":
                assert layer.parameters is not None
                raise layer.parameters.error("E0904", f"`{key}` must be `half` or `none`, not `{written}`", key)
    missing = [(name, key) for name in sorted(travels) for key in _KEYS if (name, key) not in rounded]
    if not rounded or not missing:
        return bool(rounded and travels)
    (_, key), layer = next(iter(rounded.items()))
    assert layer.parameters is not None
    name, without = missing[0]
    message = f"`{key}` of `{layer.name}` rounds a part of what travels between GPUs, which has no counterpart"
    help_ = f"`{name}` travels too, without `{without}=half`; `send half` of a placement rounds everything"
    findings.append(Diagnostic("W0901", message, layer.parameters.span(key), help=help_))
    return False
