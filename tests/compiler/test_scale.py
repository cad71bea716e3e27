"""The compile time per layer does not depend on the number of layers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.compile import FORMS, measure


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.__name__)
def test_time_per_layer_does_not_grow_with_the_number_of_layers(form: Callable[[int], str]) -> None:
    measure(form, 100)  # imports are not counted
    few = min(measure(form, 10**3).total for _ in range(3))
    many = measure(form, 10**4).total
    if many > 4 * few:  # something else may have taken the processor
        many = measure(form, 10**4).total
    assert many <= 4 * few, f"{many:.0f} µs per layer, and {few:.0f} µs with a tenth of the layers"
