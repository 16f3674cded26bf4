"""What a plugin gives (`SolverSpec`, `Solver`, `Answer`) and what it is handed (`Challenge`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from loupette.errors import Unsolvable

Pixels: TypeAlias = npt.NDArray[np.uint8]
OptionValue: TypeAlias = str | int | float
LARGEST_TYPE_ID = 10**9
"""Beyond it is no type ID of anybody; it fits every database and every language's integers."""
FIRST_FREE_TYPE_ID = 60000
"""From here on IDs are free for anybody's packages."""
DOCUMENTED_TYPES = {10200: "通用滑块", 50100: "计算题", 50200: "通用数英"}
"""IDs below that have a meaning, with their names; the others are kept for types to come."""
MAX_BATCH = 16
"""Challenges that a solver is asked at once at most."""
Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"


@dataclass(frozen=True)
class Picture:
    """One posted image, decoded.

    Attributes:
        frames: uint8, (count, height, width, 4), RGBA; one frame unless it is an animation.
        format: ``"png"``, ``"jpeg"``, ``"gif"``, ``"webp"`` or ``"bmp"``.
    """

    frames: Pixels
    format: str

    @property
    def width(self) -> int:
        """Width in pixels, as posted."""
        return int(self.frames.shape[2])

    @property
    def height(self) -> int:
        """Height in pixels, as posted."""
        return int(self.frames.shape[1])

    @property
    def rgba(self) -> Pixels:
        """The first frame: uint8, (height, width, 4)."""
        frame: Pixels = self.frames[0]
        return frame

    @cached_property
    def rgb(self) -> Pixels:
        """The first frame on white: uint8, (height, width, 3)."""
        rgb: Pixels = self.rgb_frames[0]
        return rgb

    @cached_property
    def rgb_frames(self) -> Pixels:
        """All frames on white: uint8, (count, height, width, 3)."""
        # Channel by channel, as all at once take twice the time and more.
        *channels, alpha = (self.frames[..., index] for index in range(4))
        if alpha.min() < 255:
            alpha = alpha.astype(np.uint16)
            white = 255 * (255 - alpha) + 127
            channels = [(channel * alpha + white) // 255 for channel in channels]
        on_white = np.empty((*self.frames.shape[:3], 3), np.uint8)
        for index, channel in enumerate(channels):
            on_white[..., index] = channel
        return on_white


@dataclass(frozen=True)
class Option:
    """One option that a type accepts in the request's ``options`` object.

    Attributes:
        name: key in the request.
        kind: what the value must be; ``"choice"`` means one of `choices`.
        zh: one line for the catalogue, in Chinese.
        en: the same in English.
        default: what holds when the caller says nothing; ``None`` for no restriction.
        minimum: smallest number, or shortest text.
        maximum: largest number, or longest text.
        choices: the accepted words, for ``"choice"``.
    """

    name: str
    kind: Literal["text", "integer", "number", "choice"]
    zh: str
    en: str
    default: OptionValue | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


CHARSET = Option(
    "charset",
    "text",
    "结果只能由这些字符组成",
    "the answer may contain these characters only",
    minimum=1,
    maximum=200,
)
MIN_LENGTH = Option(
    "min_length", "integer", "结果的最少字符数", "fewest characters", minimum=1, maximum=64
)
MAX_LENGTH = Option(
    "max_length", "integer", "结果的最多字符数", "most characters", minimum=1, maximum=64
)
CASE = Option(
    "case",
    "choice",
    "字母大小写:保持、大写、小写",
    "case of letters: as read, upper or lower",
    default="keep",
    choices=("keep", "upper", "lower"),
)
TEXT_OPTIONS = (CHARSET, MIN_LENGTH, MAX_LENGTH, CASE)
"""Options of a type that answers with text. The solver uses them while it reads; the engine
refuses an answer that breaks them, so they bind whatever the solver does."""


@dataclass(frozen=True)
class Challenge:
    """What a solver is asked.

    Attributes:
        image: the posted image.
        image2: the second image (a slider's piece), only for types that accept one.
        options: checked against the spec's `Option`s; an absent one is not set by the caller.
    """

    image: Picture
    image2: Picture | None = None
    options: Mapping[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a solver read.

    Attributes:
        result: what the caller pays for.
        confidence: 0..1, how likely the result is right.
        detail: JSON-ready facts beside it (boxes, candidates, the expression).

    All of it together may take 256 KiB.
    """

    result: str
    confidence: float
    detail: Mapping[str, Json] = field(default_factory=dict)


class Solver(Protocol):
    """A loaded solver. One instance serves one worker process, one call at a time."""

    def solve(self, challenge: Challenge) -> Answer:
        """Read one challenge.

        Args:
            challenge: image and options, already checked.

        Returns:
            The answer, with its confidence.

        Raises:
            Unsolvable: it cannot tell. Anything else counts as a crash of the solver.
        """
        ...


class BatchSolver(Solver, Protocol):
    """A solver that reads several challenges at once; say so with ``SolverSpec(batch=True)``."""

    def solve_batch(self, challenges: Sequence[Challenge]) -> Sequence[Answer | Unsolvable]:
        """Read several challenges; the same answers as `solve`, one for each, in order.

        Args:
            challenges: at least one.

        Returns:
            For each challenge its answer, or the refusal (returned here, not raised).
        """
        ...


@dataclass(frozen=True)
class Placement:
    """What a type takes of a Ray cluster; registry.toml may decide otherwise.

    Attributes:
        replicas: workers that are always there.
        max_replicas: workers that there may be while challenges wait; `replicas` if it is less.
        cpus: cores that each of them reserves; parts of one are allowed.
        gpus: likewise.
        batch: challenges in one call at most.
    """

    replicas: int = 2
    max_replicas: int = 0
    cpus: float = 1.0
    gpus: float = 0.0
    batch: int = MAX_BATCH


@dataclass(frozen=True)
class SolverSpec:
    """One type that a plugin can read, described without loading anything.

    Attributes:
        type_id: the documented integer; third-party packages use 60000 and up.
        name: what callers see as ``group_name``, in Chinese.
        name_en: the same in English.
        price: suggested price in yuan, at most six decimals; registry.toml decides.
        load: makes the solver; called once in each worker process, so heavy imports go in it.
        sample: makes an image of this type (PNG bytes) that the solver reads; shown in the
            catalogue and solved before a server calls itself ready.
        sample_answer: the sample's true answer.
        options: accepted options, beside ``min_confidence``, which every type takes.
        second_image: ``"no"``, or ``"optional"`` where `Challenge.image2` is used when given.
        batch: the solver is a `BatchSolver`.
        card: reads the card of the weights as ``loupette.toolkit.weights`` writes it: ``sha256``,
            ``model_file``, ``date`` and ``measured``, which the catalogue shows, and ``further``,
            a list of the cards of its other models; None where there is none.
        placement: what it takes of a Ray cluster where ``executor = "ray"`` in registry.toml, which
            may decide otherwise.
    """

    type_id: int
    name: str
    name_en: str
    price: Decimal
    load: Callable[[], Solver]
    sample: Callable[[], bytes]
    sample_answer: str
    options: tuple[Option, ...] = ()
    second_image: Literal["no", "optional"] = "no"
    batch: bool = False
    card: Callable[[], Mapping[str, Json]] | None = None
    placement: Placement = Placement()
