"""Check whole plugins, each check in a process of its own: ``python -m loupette.testing.report``.

A solver that hangs or ends its process fails the check it was in, and the others go on.
"""

import sys
from collections.abc import Iterator
from typing import Literal

import msgspec

from loupette.errors import PluginError
from loupette.testing.conformance import CHECKS, NotMet
from loupette.testing.subject import find_subjects
from loupette.tiers import TIERS, Tier
from loupette.trial import run_module, write_result

TIMEOUT_S = 120.0


class Finding(msgspec.Struct, frozen=True):
    """What one check found.

    Attributes:
        type_id: of the type.
        check: its name.
        tier: the lowest that demands it.
        state: whether the type meets it.
        message: what was seen; where it is not met, also what was expected.
    """

    type_id: int
    check: str
    tier: Tier
    state: Literal["met", "unmet"]
    message: str


class Offer(msgspec.Struct, frozen=True):
    """One type of a plugin; `module` is what its package is imported by."""

    type_id: int
    name: str
    name_en: str
    module: str


class _Outcome(msgspec.Struct):
    problem: str = ""
    offers: list[Offer] = []
    state: Literal["met", "unmet"] = "met"
    message: str = ""


def find_offers(package: str, *, timeout_s: float = TIMEOUT_S) -> list[Offer]:
    """The types of a plugin, which is imported elsewhere.

    Raises:
        PluginError: it does not load, offers no type, or does not end in time.
    """
    outcome = _ask(("offers", package), timeout_s=timeout_s)
    if outcome.problem:
        raise PluginError(outcome.problem)
    return outcome.offers


def check_type(package: str, type_id: int, *, timeout_s: float = TIMEOUT_S) -> Iterator[Finding]:
    """Run all checks on one type of a plugin; each gives its finding as it ends."""
    for check in CHECKS:
        try:
            outcome = _ask(("check", package, str(type_id), check.name), timeout_s=timeout_s)
        except PluginError as error:
            outcome = _Outcome(state="unmet", message=error.message)
        yield Finding(type_id, check.name, check.tier, outcome.state, outcome.message)


def reached_tier(findings: list[Finding]) -> Tier | None:
    """The highest tier of which all checks are met, and all of those before it."""
    reached: Tier | None = None
    for tier in TIERS:
        if any(finding.state == "unmet" for finding in findings if finding.tier == tier):
            break
        reached = tier
    return reached


def missing_for_next(findings: list[Finding]) -> list[Finding]:
    """What keeps a type from the tier after the one it has reached."""
    reached = reached_tier(findings)
    following = TIERS[TIERS.index(reached) + 1 :] if reached else TIERS
    unmet = [finding for finding in findings if finding.state == "unmet"]
    return [finding for finding in unmet if finding.tier == following[0]] if following else []


def _ask(arguments: tuple[str, ...], *, timeout_s: float) -> _Outcome:
    result = run_module("loupette.testing.report", arguments, timeout_s=timeout_s)
    return msgspec.json.decode(result, type=_Outcome)


def _answer(what: str, package: str, type_id: str = "", name: str = "") -> _Outcome:
    try:
        subjects = find_subjects(package)
    except PluginError as error:
        return _Outcome(error.message, state="unmet", message=error.message)
    if what == "offers":
        return _Outcome(
            offers=[
                Offer(one.spec.type_id, one.spec.name, one.spec.name_en, one.plugin.module)
                for one in subjects
            ]
        )
    (subject,) = (one for one in subjects if one.spec.type_id == int(type_id))
    (check,) = (known for known in CHECKS if known.name == name)
    try:
        return _Outcome(message=check.run(subject))
    except NotMet as error:
        return _Outcome(state="unmet", message=str(error))


if __name__ == "__main__":
    write_result(lambda: _answer(*sys.argv[1:]))
