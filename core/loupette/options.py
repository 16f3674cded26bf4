"""The request's ``options``: checked before solving, and held against the answer after it."""

from collections.abc import Callable, Mapping
from typing import Any

from loupette.errors import BadField, LowConfidence, OptionsBroken, UnsupportedOption
from loupette.plugin import (
    CASE,
    CHARSET,
    MAX_LENGTH,
    MIN_LENGTH,
    Answer,
    Option,
    OptionValue,
    SolverSpec,
)

MIN_CONFIDENCE = Option(
    "min_confidence",
    "number",
    "低于此置信度的结果视为识别失败,不扣费",
    "an answer less certain than this is refused, and free",
    minimum=0,
    maximum=1,
)
"""Taken by every type; the engine applies it, so no plugin declares it."""


_SHOWN = 40  # characters of a name that nobody knows; the caller's own may have megabytes


def accepted_options(spec: SolverSpec) -> tuple[Option, ...]:
    """All options that a type takes."""
    return (*spec.options, MIN_CONFIDENCE)


def check_options(posted: Mapping[str, object], spec: SolverSpec) -> dict[str, OptionValue]:
    """Check names, kinds and ranges; an option posted as null counts as absent.

    Raises:
        UnsupportedOption: the type does not take it.
        BadField: wrong kind, out of range, or options that exclude each other.
    """
    known = {option.name: option for option in accepted_options(spec)}
    checked: dict[str, OptionValue] = {}
    for name, value in posted.items():
        if name not in known:
            raise UnsupportedOption(
                f"type {spec.type_id} does not take options.{name[:_SHOWN]};"
                f" it takes {', '.join(known)}"
            )
        if value is not None:
            checked[name] = _check_value(known[name], value)
    shortest, longest = checked.get("min_length"), checked.get("max_length")
    if isinstance(shortest, int) and isinstance(longest, int) and shortest > longest:
        raise BadField(f"options.min_length {shortest} is above options.max_length {longest}")
    return checked


def _check_value(option: Option, value: object) -> OptionValue:
    name = f"options.{option.name}"
    if option.kind == "choice":
        if value not in option.choices:
            raise BadField(f"{name} must be one of {', '.join(option.choices)}")
        return str(value)
    if option.kind == "text":
        if not isinstance(value, str):
            raise BadField(f"{name} must be a text")
        _check_range(option, len(value), f"{name} has {len(value)} characters")
        return value
    wanted = int if option.kind == "integer" else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise BadField(f"{name} must be {'an integer' if option.kind == 'integer' else 'a number'}")
    _check_range(option, value, f"{name} is {value}")
    return value


def _check_range(option: Option, size: float, found: str) -> None:
    low, high = option.minimum, option.maximum
    if (low is not None and not size >= low) or (high is not None and not size <= high):
        raise BadField(f"{found}, must be within {low} and {high}")


def hold_to_options(
    answer: Answer, options: Mapping[str, OptionValue], *, min_confidence: float
) -> None:
    """Refuse an answer that the caller did not ask for, whatever the solver made of the options.

    Args:
        answer: what the solver gave.
        options: checked, so that the type takes each of them.
        min_confidence: of the type.

    Raises:
        OptionsBroken: a text option is broken.
        LowConfidence: below the caller's threshold, or the type's where the caller set none.
    """
    threshold = float(options.get(MIN_CONFIDENCE.name, min_confidence))
    if answer.confidence < threshold:
        raise LowConfidence(
            f"confidence {answer.confidence:g} is below the threshold {threshold:g}",
            detail={"confidence": answer.confidence, "min_confidence": threshold},
        )
    for name, value in options.items():
        is_kept = _TEXT_RULES.get(name)
        if is_kept and not is_kept(answer.result, value):
            raise OptionsBroken(f"what was read does not fit options.{name} = {value!r}")


# By name, so that a plugin's own variant (fewer characters, another default) is held to as well.
_TEXT_RULES: Mapping[str, Callable[[str, Any], bool]] = {
    CHARSET.name: lambda text, charset: set(text) <= set(charset),
    MIN_LENGTH.name: lambda text, length: len(text) >= length,
    MAX_LENGTH.name: lambda text, length: len(text) <= length,
    CASE.name: lambda text, case: case == "keep" or text == getattr(text, case)(),
}
