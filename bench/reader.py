"""One recogniser in a process of its own, asked line by line: the worker of ``peers.py``.

``PYTHON reader.py NAME CORE`` reads requests as JSON from its standard input and answers each with
the text and the milliseconds of processor time from the files' bytes to the text, on one thread. It
runs under the Python that has the recogniser, so it imports nothing of the other.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from recognisers import LOADERS, Challenge, Read


def main() -> None:
    """Answer until the input ends."""
    name, core = sys.argv[1], int(sys.argv[2])
    os.sched_setaffinity(0, {core})
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # Whatever a recogniser prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    version, ways = LOADERS[name]()
    answers.write(json.dumps({"version": version}) + "\n")
    for line in sys.stdin:
        answers.write(json.dumps(answer(ways, json.loads(line))) + "\n")


def answer(ways: dict[str, Read], request: dict[str, Any]) -> dict[str, Any]:
    """The text that one way of reading sees in the files, or the memory held."""
    if "way" not in request:
        return {"rss_mib": rss_mib()}
    read = ways[request["way"]]
    challenge = Challenge(
        request["type"],
        Path(request["image"]).read_bytes(),
        Path(request["image2"]).read_bytes() if request["image2"] else None,
        request["charset"],
    )
    started_s = time.process_time()
    try:
        text = read(challenge)
    except Exception as error:  # a peer's code: whatever it raises is no answer, and is said
        print(f"{request['image']}: {error!r}", file=sys.stderr)
        text = ""
    return {"text": text, "ms": (time.process_time() - started_s) * 1000}


def rss_mib() -> float:
    """Memory held now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
