"""What a page draws of an answer: the picture, the places in it, how sure each character is."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loupette.decoding import sniff
from loupette.errors import BadImage

_MOST_BOXES = 64


@dataclass(frozen=True)
class Box:
    """A place in the picture that the detail of an answer names."""

    label: str
    x: float
    y: float
    width: float
    height: float
    is_answer: bool


def picture_url(image: object) -> str | None:
    """The picture itself, for the page; only of a kind that a browser may be given."""
    if not isinstance(image, bytes):
        return None
    try:
        return f"data:image/{sniff(image)};base64,{base64.b64encode(image).decode()}"
    except BadImage:
        return None


def find_boxes(detail: Mapping[str, Any]) -> list[Box]:
    """All places that an answer's detail names: ``box``, its candidates', and any by its name."""
    found = []
    for name, value in detail.items():
        if _is_box(value):
            found.append(_box("" if name == "box" else name, value, is_answer=name == "box"))
        elif isinstance(value, list):
            found += [
                _box(_label(part), part["box"], is_answer=name == "characters")
                for part in value
                if isinstance(part, dict) and _is_box(part.get("box"))
            ]
    # The answer last, so that it is on top.
    return sorted(found, key=lambda box: box.is_answer)[-_MOST_BOXES:]


def find_characters(detail: Mapping[str, Any]) -> list[tuple[str, float]]:
    """How sure each character is, where the detail says so."""
    parts: Sequence[Any] = detail.get("characters") or ()
    return [
        (str(part["text"]), float(part["confidence"]))
        for part in parts
        if isinstance(part, dict)
        and isinstance(part.get("confidence"), int | float)
        and "text" in part
    ]


def _box(label: str, place: Sequence[float], *, is_answer: bool) -> Box:
    x, y, width, height = place
    return Box(label, x, y, width, height, is_answer)


def _label(part: Mapping[str, Any]) -> str:
    value = part.get("text") or part.get("label") or part.get("score") or ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)[:40]


def _is_box(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(part, int | float) and not isinstance(part, bool) for part in value)
    )
