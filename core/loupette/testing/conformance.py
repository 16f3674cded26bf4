"""The checks that a type must pass, by tier; each is a function that anybody may call.

A check is given a `Subject`, says in a line what it saw, and raises `NotMet` where the type falls
short, with what was expected.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from loupette.errors import BadField, OptionsBroken, PluginError, Unsolvable
from loupette.frames import BadInput, Crashed, Read, Reply, Task
from loupette.options import check_options as check_posted
from loupette.options import hold_to_options
from loupette.plugin import CHARSET, MAX_LENGTH, MIN_LENGTH, Answer, Option, OptionValue
from loupette.plugin.types import DOCUMENTED_TYPES, FIRST_FREE_TYPE_ID
from loupette.testing.pictures import BLANK, hostile_images, make_challenge
from loupette.testing.subject import Subject
from loupette.tiers import Tier
from loupette.toolkit.weights import CARD, find_bare_models, find_wrong_cards
from loupette.trial import measure_loaded, read_sample
from loupette.usage import Took, resident_bytes, timed
from loupette.wording import counted

HEAVY = ("ai_edge_litert", "cv2", "keras", "onnxruntime", "scipy", "skimage", "tensorflow", "torch")
"""What listing types must not load; whatever a solver needs is imported by `SolverSpec.load`."""
SURE = 0.5
"""A blank image must not be answered with a confidence like this."""
DEADLINE_S = 5.0
"""The registry's default: a server ends a solver that takes longer.

Times are the longer of two (`loupette.usage.Took`): that of the CPU, and that of the clock less
waiting for a processor. So a busy machine fails nobody, and who sleeps is not quick. What hangs is
ended by `report`.
"""
MEDIAN_S = 1.0
"""For reading its sample, in the median."""
LOADED_BYTES = 256 * 1024**2
"""What a worker may have more in RAM with the type loaded than without."""
GROWTH_BYTES = 16 * 1024**2
"""What it may have more in RAM after many reads."""
_READS, _WARM_UP = 50, 10
_LONGEST_S = 20.0  # of repeating; a slow solver is read less often


class NotMet(Exception):
    """A type falls short of a check; the text says what was seen and what was expected."""


@dataclass(frozen=True)
class Check:
    """One thing that a type must do.

    Attributes:
        name: of the check.
        tier: the lowest that demands it.
        promise: what passing it means.
        run: says what it saw, or raises `NotMet`.
    """

    name: str
    tier: Tier
    promise: str
    run: Callable[[Subject], str]


def check_type_id(subject: Subject) -> str:
    """A documented ID has its documented meaning; all others are from 60000 up."""
    type_id, name = subject.spec.type_id, subject.spec.name
    if type_id < FIRST_FREE_TYPE_ID and DOCUMENTED_TYPES.get(type_id) != name:
        raise NotMet(
            f"type ID {type_id} is below {FIRST_FREE_TYPE_ID}, and {name!r} is not documented"
            f" under it: take one from {FIRST_FREE_TYPE_ID} up that no other plugin uses"
        )
    return f"{type_id} {name} ({subject.spec.name_en})"


def check_import(subject: Subject) -> str:
    """Listing types loads no framework: every command and every worker does it."""
    script = (
        "import sys; from loupette.sources import import_plugin\n"
        f"import_plugin({subject.plugin.module!r}).loupette_solvers()\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        raise NotMet(f"it cannot be imported alone: {done.stderr.strip().splitlines()[-1:]}")
    if loaded := done.stdout.splitlines()[-1]:
        raise NotMet(f"listing its types imports {loaded}; import that in SolverSpec.load")
    return "listing its types loads no framework"


def check_sample(subject: Subject) -> str:
    """It reads its own sample, as it must before a server is ready."""
    if failure := subject.solvers.warm(subject.spec.type_id):
        raise NotMet(failure)
    return f"reads its own sample as {subject.spec.sample_answer!r}"


def check_determinism(subject: Subject) -> str:
    """One image has one answer, whatever was read before, and by whichever worker."""
    first = subject.ask(subject.sample)
    subject.ask(hostile_images()["noise"])
    if (again := subject.ask(subject.sample)) != first:
        raise NotMet(f"its sample is read as {_tell(first)}, then as {_tell(again)}")
    other = subject.load_anew().answer(Task(subject.spec.type_id, subject.sample))
    if other != first:
        raise NotMet(f"one solver reads its sample as {_tell(first)}, another as {_tell(other)}")
    return "the same image has the same answer"


def check_options(subject: Subject) -> str:
    """Each option has bounds, and what it asks for holds in every answer."""
    for option in subject.spec.options:
        _check_bounds(subject, option)
        for value in _values(option, subject.spec.sample_answer):
            _check_binding(subject, option, value)
    names = ", ".join(option.name for option in subject.spec.options)
    return f"bound and honoured: {names}" if names else "it takes none"


def _check_bounds(subject: Subject, option: Option) -> None:
    if option.kind == "choice" and not option.choices:
        raise NotMet(f"option {option.name} has no choices")
    if option.kind != "choice" and None in (option.minimum, option.maximum):
        raise NotMet(f"option {option.name} needs a minimum and a maximum, as strangers set it")
    for value in (option.default, *_bounds(option)):
        try:
            check_posted({option.name: value}, subject.spec)
        except BadField as error:
            raise NotMet(f"option {option.name} does not take its own {value!r}: {error}") from None


def _check_binding(subject: Subject, option: Option, value: OptionValue) -> None:
    asked = {option.name: value}
    reply = _demand_reply(subject, subject.sample, f"{option.name}={value!r}", options=asked)
    if isinstance(reply, Read):
        answer = Answer(reply.result, reply.confidence, reply.detail)
        try:
            hold_to_options(answer, asked, min_confidence=0.0)
        except OptionsBroken:
            raise NotMet(f"asked for {option.name}={value!r} it answers {reply.result!r}") from None


def _bounds(option: Option) -> tuple[OptionValue, ...]:
    """The smallest and the largest value of an option, or all that it can be."""
    if option.kind == "choice":
        return option.choices
    low, high = option.minimum or 0, option.maximum or 0
    if option.kind == "text":
        return "a" * int(low), "a" * int(high)
    return (int(low), int(high)) if option.kind == "integer" else (float(low), float(high))


def _values(option: Option, answer: str) -> tuple[OptionValue, ...]:
    """Values that a solver must honour, some of which its own sample contradicts."""
    telling: dict[str, tuple[OptionValue, ...]] = {
        CHARSET.name: (answer, answer.upper(), answer[:1], "~"),
        MIN_LENGTH.name: (len(answer), len(answer) + 1),
        MAX_LENGTH.name: (len(answer), max(1, len(answer) - 1)),
    }
    return (*telling.get(option.name, ()), *_bounds(option))


def check_blank(subject: Subject) -> str:
    """Where there is nothing to read, it is not sure of an answer."""
    images = hostile_images()
    for name in BLANK:
        reply = subject.ask(images[name])
        if isinstance(reply, Read) and reply.confidence >= SURE:
            raise NotMet(
                f"a {name} image is answered {reply.result!r} with confidence"
                f" {reply.confidence:.2f}: raise Unsolvable"
            )
    return f"{', '.join(BLANK)}: refused, or answered below {SURE}"


def check_hostile(subject: Subject) -> str:
    """Whatever image comes is answered or refused, in time."""
    images = hostile_images()
    for name, image in images.items():
        _demand_reply(subject, image, f"image {name!r}")
        if subject.spec.second_image == "optional":
            _demand_reply(subject, subject.sample, f"second image {name!r}", image2=image)
    return f"{len(images)} images are answered or refused: {', '.join(images)}"


def _demand_reply(
    subject: Subject,
    image: bytes,
    what: str,
    *,
    image2: bytes | None = None,
    options: Mapping[str, OptionValue] | None = None,
) -> Reply:
    reply, took = timed(lambda: subject.ask(image, image2=image2, options=options))
    if isinstance(reply, Crashed):
        raise NotMet(f"{what}: {reply.message}; raise Unsolvable where there is no answer")
    if took.longest_s > DEADLINE_S:
        raise NotMet(f"{what}: it took {_tell_time(took)}; a server ends it after {DEADLINE_S:g} s")
    return reply


def check_time(subject: Subject) -> str:
    """It reads its sample quickly, whether it works or waits meanwhile."""
    subject.ask(subject.sample)
    times = [*_repeat(subject, 11)]
    median = Took(
        statistics.median(took.cpu_s for took in times),
        statistics.median(took.elapsed_s for took in times),
    )
    if median.longest_s > MEDIAN_S:
        raise NotMet(f"its sample takes {_tell_time(median)}; {MEDIAN_S:g} s are allowed")
    return f"its sample takes {_tell_time(median)}, in the median of {len(times)}"


def _tell_time(took: Took) -> str:
    return f"{took.elapsed_s * 1000:.1f} ms, and {took.cpu_s * 1000:.1f} ms of CPU time"


def check_loaded(subject: Subject) -> str:
    """A worker that has loaded it has not much more in RAM than one without it."""
    try:
        loaded = measure_loaded(subject.spec.type_id, subject.plugin.module)
    except PluginError as error:
        raise NotMet(f"in a process of its own: {error}") from None
    if loaded > LOADED_BYTES:
        raise NotMet(f"loaded, it takes {loaded >> 20} MiB, {LOADED_BYTES >> 20} are allowed")
    return f"loaded, it takes {max(0, loaded) >> 20} MiB"


def check_memory(subject: Subject) -> str:
    """It keeps no memory of what it read."""
    for _ in _repeat(subject, _WARM_UP):
        pass
    before = resident_bytes()
    reads = sum(1 for _ in _repeat(subject, _READS))
    grown = resident_bytes() - before
    if grown > GROWTH_BYTES:
        raise NotMet(
            f"{reads} more reads take {grown >> 20} MiB, {GROWTH_BYTES >> 20} are allowed:"
            " does it keep what it read?"
        )
    return f"{reads} reads take {max(0, grown) / 2**20:.1f} MiB more, of {before >> 20}"


def _repeat(subject: Subject, times: int) -> Iterator[Took]:
    """Read the sample over and over; gives what each took."""
    until_s = time.perf_counter() + _LONGEST_S
    for _ in range(times):
        yield timed(lambda: subject.ask(subject.sample))[1]
        if time.perf_counter() > until_s:
            return


def check_batch(subject: Subject) -> str:
    """Read together, images have the answers that each has alone."""
    if not subject.spec.batch:
        return "it declares no solve_batch"
    solver, images = subject.spec.load(), hostile_images()
    challenges = [
        make_challenge(image) for image in (subject.sample, images["noise"], images["white"])
    ]
    together = solver.solve_batch(challenges)  # type: ignore[attr-defined]  # as it declares
    if len(together) != len(challenges):
        raise NotMet(
            f"solve_batch gives {counted(len(together), 'answer')} for {len(challenges)} images"
        )
    for place, (challenge, answer) in enumerate(zip(challenges, together, strict=True)):
        try:
            alone: Answer | Unsolvable = solver.solve(challenge)
        except Unsolvable as refusal:
            alone = refusal
        if _essence(alone) != _essence(answer):
            raise NotMet(f"image {place} is {_essence(alone)} alone, {_essence(answer)} in a batch")
    return "read together as each alone"


def _essence(answer: Answer | Unsolvable) -> tuple[str, float]:
    """What must be alike; a batch may add numbers up in another order."""
    if isinstance(answer, Unsolvable):
        return answer.reason, 0.0
    return answer.result, round(answer.confidence, 2)


def check_threads(subject: Subject) -> str:
    """Two solvers in two threads do not disturb each other: they share no state."""
    wanted = subject.ask(subject.sample)
    task = Task(subject.spec.type_id, subject.sample)

    def read_five(_: int) -> list[Reply]:
        solvers = subject.load_anew()
        return [solvers.answer(task) for _ in range(5)]

    with ThreadPoolExecutor(2) as threads:
        replies = [reply for some in threads.map(read_five, range(2)) for reply in some]
    for reply in replies:
        if reply != wanted:
            raise NotMet(f"its sample is {_tell(wanted)} alone, {_tell(reply)} beside another")
    return "two solvers in two threads read as one alone"


def check_processes(subject: Subject) -> str:
    """Two workers load it and read at once."""
    with ThreadPoolExecutor(2) as threads:
        failures = threads.map(
            lambda _: read_sample(subject.spec.type_id, subject.modules), range(2)
        )
    for failure in failures:
        if failure:
            raise NotMet(f"beside another process of it: {failure}")
    return "two processes load it and read at once"


def check_card(subject: Subject) -> str:
    """Each model of the package has a card beside it, with its true hash."""
    if subject.folder is None:
        raise NotMet("it is a single file: make it a package with `loupette plugin new`")
    problems = [*find_wrong_cards(subject.folder), *find_bare_models(subject.folder)]
    if problems:
        raise NotMet("; ".join(problems))
    count = sum(1 for _ in subject.folder.rglob(CARD))
    if not count:
        return "it packages no model"
    return "1 card fits its model" if count == 1 else f"{count} cards fit their models"


def _tell(reply: Reply) -> str:
    if isinstance(reply, Read):
        return f"{reply.result!r} ({reply.confidence:.4f})"
    return reply.message if isinstance(reply, Crashed | BadInput) else reply.reason


_BY_TIER: Mapping[Tier, tuple[Callable[[Subject], str], ...]] = {
    "bronze": (check_type_id, check_import, check_sample),
    "silver": (check_determinism, check_options, check_blank, check_hostile),
    "gold": (
        check_time,
        check_loaded,
        check_memory,
        check_batch,
        check_threads,
        check_processes,
        check_card,
    ),
}

CHECKS = tuple(
    Check(run.__name__.removeprefix("check_"), tier, (run.__doc__ or "").strip(), run)
    for tier, runs in _BY_TIER.items()
    for run in runs
)
"""All checks, the lowest tier first."""
