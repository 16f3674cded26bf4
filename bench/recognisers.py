"""The recognisers that are compared, each as functions from a challenge to its text.

Every loader imports what it needs by itself: no environment has them all.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

ALNUM = 50200


@dataclass(frozen=True)
class Challenge:
    """What a recogniser is given.

    Attributes:
        image2: a slider's piece, where that is given too.
        charset: the characters that may occur; "" for any.
    """

    type_id: int
    image: bytes
    image2: bytes | None
    charset: str


Read = Callable[[Challenge], str]
"""From a challenge to its text; "" if it has none."""

Loaded = tuple[str, dict[str, Read]]
"""A version, and each way of reading by its name."""


def load_loupette() -> Loaded:
    """As a worker of the server has it: all installed types, from bytes to answer."""
    import loupette
    from loupette.frames import Read as Answered
    from loupette.frames import Task
    from loupette.manager import load_plugins
    from loupette.solving import Solvers

    solvers = Solvers(load_plugins().loaded)

    def read(given: Challenge) -> str:
        told = given.charset and given.type_id == ALNUM
        options = {"charset": given.charset} if told else {}
        reply = solvers.answer(Task(given.type_id, given.image, given.image2, options))
        return reply.result if isinstance(reply, Answered) else ""

    return loupette.__version__, {"free": read, "charset": read}


def load_ddddocr(*, beta: bool = False) -> Loaded:
    """With its default model or its beta model; transparent pictures are put on white.

    Its ``set_ranges`` drops all other characters from what was read. Choosing among the allowed
    ones by its probabilities reads more, so it is asked for both.
    """
    from importlib.metadata import version

    import numpy as np

    _use_one_thread()
    import ddddocr  # type: ignore[import-not-found]  # in the peers' environment only

    engine = ddddocr.DdddOcr(show_ad=False, beta=beta)
    # Ranges once set cannot be taken back; a second engine, not made before it is needed.
    limited = functools.cache(lambda: ddddocr.DdddOcr(show_ad=False, beta=beta))

    def free(given: Challenge) -> str:
        return str(engine.classification(given.image, png_fix=True))

    def ranges(given: Challenge) -> str:
        limited().set_ranges(given.charset)
        return str(limited().classification(given.image, png_fix=True))

    def charset_by_probability(given: Challenge) -> str:
        told = engine.classification(given.image, png_fix=True, probability=True)
        steps = np.array(told["probabilities"]).reshape(-1, len(told["charset"]))
        allowed = [
            i for i, char in enumerate(told["charset"]) if char == "" or char in given.charset
        ]
        path = [allowed[i] for i in steps[:, allowed].argmax(axis=1)]
        merged = [now for before, now in zip([-1, *path], path, strict=False) if now != before]
        return "".join(told["charset"][i] for i in merged)

    return version("ddddocr"), {
        "free": free,
        "ranges": ranges,
        "charset": charset_by_probability,
    }


def load_slide_match() -> Loaded:
    """Without ddddocr's models; it tells the centre of where the piece's whole file fits."""
    from importlib.metadata import version

    _use_one_thread()
    import ddddocr

    engine = ddddocr.DdddOcr(det=False, ocr=False, show_ad=False)

    def match(given: Challenge) -> str:
        return str(engine.slide_match(given.image2, given.image)["target"][0])

    return version("ddddocr"), {"free": match}


def load_captcha_recognizer() -> Loaded:
    """The left edge of the box that it finds in one image."""
    from importlib.metadata import version

    _use_one_thread()
    # Only in the peers' environment, as ddddocr.
    from captcha_recognizer import slider  # type: ignore[import-not-found]

    engine = slider.Slider()

    def identify(given: Challenge) -> str:
        box, _ = engine.identify(source=given.image)
        return str(box[0]) if box else ""

    return version("captcha-recognizer"), {"free": identify}


def _use_one_thread() -> None:
    """Before a peer loads: it offers no setting, and threads would compete for the one core."""
    import cv2
    import onnxruntime  # type: ignore[import-not-found]  # in the peers' environment only

    cv2.setNumThreads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    onnxruntime.InferenceSession = functools.partial(
        onnxruntime.InferenceSession, sess_options=options
    )


LOADERS: dict[str, Callable[[], Loaded]] = {
    "loupette": load_loupette,
    "ddddocr": load_ddddocr,
    "beta": functools.partial(load_ddddocr, beta=True),
    "slide_match": load_slide_match,
    "captcha-recognizer": load_captcha_recognizer,
}
"""By the names that ``reader.py`` is started with."""
