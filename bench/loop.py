"""The bare solver in one process, without HTTP, keys or money: ``python loop.py SECONDS``.

It is what a worker does between receiving a frame and sending one, in a loop over the pictures of
``servers.py``. It says when it is loaded, begins at a line on its standard input, and writes how
many pictures it read, in how many seconds, with how much processor time.
"""

import json
import sys
import time

from loupette.frames import Task
from loupette.manager import load_plugins
from loupette.solving import Solvers
from servers import ALNUM, pictures


def main() -> None:
    """Load, wait, read until the time is over."""
    seconds = float(sys.argv[1])
    solvers = Solvers(load_plugins().loaded)
    tasks = [Task(ALNUM, picture) for picture in pictures()]
    for task in tasks:
        solvers.answer(task)
    print("loaded", flush=True)
    sys.stdin.readline()
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    count, elapsed_s = 0, 0.0
    while elapsed_s < seconds:
        solvers.answer(tasks[count % len(tasks)])
        count += 1
        elapsed_s = time.perf_counter() - started_s
    cpu_s = time.process_time() - started_cpu_s
    print(json.dumps({"count": count, "seconds": elapsed_s, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main()
