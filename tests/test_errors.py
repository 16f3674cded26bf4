"""The tree itself; what HTTP makes of it is in tests/web/test_responses.py."""

import inspect
import re

import pytest

from loupette import errors
from loupette.errors import (
    BadImage,
    CallerError,
    LoupetteError,
    LowConfidence,
    OperatorError,
    OptionsBroken,
    RateLimited,
    Unsolvable,
)

ALL = [
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, LoupetteError)
]
_SAMPLES = {
    RateLimited: RateLimited("m", retry_after_s=1.0),
    errors.Overloaded: errors.Overloaded("m", retry_after_s=1.0),
    Unsolvable: Unsolvable("no_gap", "m"),
}


def make(kind: type[LoupetteError]) -> LoupetteError:
    return _SAMPLES.get(kind) or kind("m")


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_keeps_its_message(kind: type[LoupetteError]) -> None:
    error = make(kind)
    assert (error.message, str(error), dict(error.detail)) == ("m", "m", {})


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_says_what_it_is_for(kind: type[LoupetteError]) -> None:
    assert kind.__doc__


def test_module_docstring_draws_every_class_below_its_parent() -> None:
    drawn = re.findall(r"^([│ ]*(?:[├└]── )?)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    path: list[str] = []
    parents = {}
    for indent, name in drawn[1:]:  # the first line is a sentence
        depth = len(indent) // 4
        path = [*path[:depth], name]
        parents[name] = path[depth - 1] if depth else "Exception"
    assert parents == {kind.__name__: kind.__bases__[0].__name__ for kind in ALL}


def test_caller_and_operator_errors_are_apart() -> None:
    assert not [k for k in ALL if issubclass(k, CallerError) and issubclass(k, OperatorError)]


def test_unsolvable_carries_the_plugins_own_reason_and_detail() -> None:
    error = Unsolvable("two_gaps", "there are two", detail={"candidates": [3, 90]})
    assert error.reason == "two_gaps"
    assert error.detail == {"candidates": [3, 90]}


@pytest.mark.parametrize(
    ("error", "reason"),
    [(LowConfidence("m"), "low_confidence"), (OptionsBroken("m"), "options_broken")],
)
def test_the_engines_refusals_are_unsolvable_with_a_fixed_reason(
    error: Unsolvable, reason: str
) -> None:
    assert isinstance(error, Unsolvable)
    assert error.reason == reason


def test_rate_limited_says_when_to_come_again() -> None:
    assert RateLimited("m", retry_after_s=0.25).retry_after_s == 0.25


def test_bad_images_have_reasons_of_their_own() -> None:
    reasons = [kind.reason for kind in ALL if issubclass(kind, BadImage)]
    assert len(reasons) == len(set(reasons)) == 6
