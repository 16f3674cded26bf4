"""What a plugin says of its weights, held to a form before strangers are shown it."""

import logging
from collections.abc import Mapping
from typing import Annotated

import msgspec

from loupette.plugin import SolverSpec

_log = logging.getLogger(__name__)

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Line = Annotated[str, msgspec.Meta(max_length=300)]
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """How right the answers are, on labelled pictures.

    Attributes:
        right: the share of pictures that were read right; a refusal is not right.
        interval: of `right`, at 95 %.
        n: how many pictures.
        sources: how many kinds of pictures; each counts the same.
        counted: what counts as right, as ``"in any case"``.
        counted_zh: the same in Chinese.
        refused: the share that is refused where the caller sets no threshold.
        median_ms: how long a caller waits for an answer.
        date: when this was measured.
        command: what measured it.
    """

    right: Share
    interval: tuple[Share, Share]
    n: Annotated[int, msgspec.Meta(ge=1)]
    sources: Annotated[int, msgspec.Meta(ge=1)] = 1
    counted: Line = "exact"
    counted_zh: Line = "完全一致"
    refused: Share | None = None
    median_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None
    date: Day
    command: Line


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """One model file.

    Attributes:
        sha256: its hash, in hex.
        model_file: its name.
        date: when it was made.
    """

    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    model_file: Line | None = None
    date: Day | None = None


class Card(Weights, frozen=True, kw_only=True):
    """The part of a card that the catalogue shows; cards may say more.

    Attributes:
        measured: how right the answers are.
        further: the other models of a solver that has several.
    """

    measured: Measured | None = None
    further: Annotated[tuple[Weights, ...], msgspec.Meta(max_length=16)] = ()


def read_card(spec: SolverSpec) -> Card | None:
    """The card of a type, where its plugin gives one that can be read.

    A card is no reason to serve a type or not: what is wrong with one is logged.
    """
    if spec.card is None:
        return None
    try:
        facts: Mapping[str, object] = spec.card()
        return msgspec.convert(facts, Card)
    except Exception as error:  # a stranger's code, and a file of a stranger's
        _log.warning("the card of type %s cannot be shown: %s", spec.type_id, error)
        return None
