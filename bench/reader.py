"""One recogniser in a process of its own, asked line by line: the worker of ``peers.py``.

``PYTHON reader.py NAME CORE`` reads requests as JSON from its standard input and answers each with
the text and the milliseconds from the file's bytes to the text, on one thread and one core. It runs
under the Python that has the recogniser, so it imports nothing of the other.
"""

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DIGITS = "0123456789"
SUMS = DIGITS + "+-*/=?xX×÷"
ALNUM, ARITH = 50200, 50100

Read = Callable[[bytes, int, str], str]
"""From the bytes of an image, its type and the characters it may hold ("" for any) to the text."""


def main() -> None:
    """Answer until the input ends."""
    name, core = sys.argv[1], int(sys.argv[2])
    os.sched_setaffinity(0, {core})
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # Whatever a recogniser prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    version, readers = load_loupette() if name == "loupette" else load_ddddocr(beta=name == "beta")
    answers.write(json.dumps({"version": version}) + "\n")
    for line in sys.stdin:
        answers.write(json.dumps(answer(readers, json.loads(line))) + "\n")


def answer(readers: dict[str, Read], request: dict[str, Any]) -> dict[str, Any]:
    """The text that one way of reading sees in a file, or the memory held."""
    if "way" not in request:
        return {"rss_mib": rss_mib()}
    image = Path(request["image"]).read_bytes()
    started_s = time.perf_counter()
    text = readers[request["way"]](image, request["type"], request["charset"])
    return {"text": text, "ms": (time.perf_counter() - started_s) * 1000}


def rss_mib() -> float:
    """Memory held now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def load_loupette() -> tuple[str, dict[str, Read]]:
    """As a worker of the server has it: all installed types, from bytes to answer."""
    import loupette
    from loupette.frames import Read as Answered
    from loupette.frames import Task
    from loupette.manager import load_plugins
    from loupette.solving import Solvers

    solvers = Solvers(load_plugins().loaded)

    def read(image: bytes, type_id: int, charset: str) -> str:
        options = {"charset": charset} if charset and type_id == ALNUM else {}
        reply = solvers.answer(Task(type_id, image, options=options))
        return reply.result if isinstance(reply, Answered) else ""

    return loupette.__version__, {"free": read, "charset": read}


def load_ddddocr(*, beta: bool) -> tuple[str, dict[str, Read]]:
    """With its default model or its beta model; transparent pictures are put on white.

    Its ``set_ranges`` drops all other characters from what was read. Choosing among the allowed
    ones by its probabilities reads more, so it is asked for both.
    """
    from importlib.metadata import version

    import numpy as np
    import onnxruntime  # type: ignore[import-not-found]  # in the peers' environment only

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # It offers no setting for this, and its own threads would compete for the one core.
    onnxruntime.InferenceSession = functools.partial(
        onnxruntime.InferenceSession, sess_options=options
    )
    import ddddocr  # type: ignore[import-not-found]  # in the peers' environment only

    engine = ddddocr.DdddOcr(show_ad=False, beta=beta)
    # Ranges once set cannot be taken back; a second engine, not made before it is needed.
    limited = functools.cache(lambda: ddddocr.DdddOcr(show_ad=False, beta=beta))

    def free(image: bytes, type_id: int, charset: str) -> str:
        return str(engine.classification(image, png_fix=True))

    def ranges(image: bytes, type_id: int, charset: str) -> str:
        limited().set_ranges(charset)
        return str(limited().classification(image, png_fix=True))

    def charset_by_probability(image: bytes, type_id: int, charset: str) -> str:
        told = engine.classification(image, png_fix=True, probability=True)
        steps = np.array(told["probabilities"]).reshape(-1, len(told["charset"]))
        allowed = [i for i, char in enumerate(told["charset"]) if char == "" or char in charset]
        path = [allowed[i] for i in steps[:, allowed].argmax(axis=1)]
        merged = [now for before, now in zip([-1, *path], path, strict=False) if now != before]
        return "".join(told["charset"][i] for i in merged)

    return version("ddddocr"), {
        "free": free,
        "ranges": ranges,
        "charset": charset_by_probability,
    }


if __name__ == "__main__":
    main()
