"""One reading: solved within its type's deadline, and held to what was asked."""

from loupette.executor import Executor
from loupette.frames import Read, Task
from loupette.options import hold_to_options
from loupette.plugin import Answer, Json
from loupette.registry import ServedType


async def read_once(executor: Executor, served: ServedType, task: Task) -> Answer:
    """Have a task solved; the same for a request, the console's reading again and the command line.

    Args:
        executor: has the type.
        served: the type.
        task: with options that were checked.

    Returns:
        The answer, its confidence in four digits, its detail with plugin and version.

    Raises:
        LoupetteError: as `loupette.pool.WorkerPool.solve` and `loupette.options.hold_to_options`.
    """
    read = await executor.solve(task, deadline_s=served.deadline_s)
    # Rounded once, here: thresholds, replies and the log then speak of the same number.
    answer = Answer(read.result, round(read.confidence, 4), _full_detail(read, served))
    hold_to_options(answer, task.options, min_confidence=served.min_confidence)
    return answer


def _full_detail(read: Read, served: ServedType) -> dict[str, Json]:
    """Which plugin read it, then what it says of it, which cannot change the former."""
    reader: dict[str, Json] = {"plugin": served.plugin, "version": served.version}
    return {**reader, **read.detail, **reader}
