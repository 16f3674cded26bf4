"""Callers with different options at once: each is answered by its own, never by another's."""

import base64
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import pytest

import fakes
from conftest import issue_key
from loupette.settings import Settings
from serving import Reply, Server, serve

pytestmark = pytest.mark.slow

CALLERS = 16
REQUESTS = 400
ALNUM = 50200
SEED = 5


def ask_at_once(ask: Callable[[int], Reply]) -> list[Reply]:
    """All requests by number, in a random order, many at once."""
    numbers = random.Random(SEED).sample(range(REQUESTS), REQUESTS)
    with ThreadPoolExecutor(CALLERS) as threads:
        replies = dict(zip(numbers, threads.map(ask, numbers), strict=True))
    return [replies[number] for number in range(REQUESTS)]


@pytest.fixture(scope="module")
def fake_server(
    make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, str]]:
    settings = make_settings(tmp_path_factory.mktemp("options"))
    with serve(settings) as server:
        yield server, issue_key(settings.database)


def test_each_of_many_requests_at_once_is_solved_with_its_own_options(
    fake_server: tuple[Server, str],
) -> None:
    server, key = fake_server
    image = base64.b64encode(fakes.draw_png()).decode()

    def options(number: int) -> dict[str, object]:
        """Each other ones, and every third none at all, which must not inherit any."""
        if number % 3 == 0:
            return {}
        text = f"n{number}"
        return {"charset": text, "min_length": len(text), "max_length": len(text), "width": 3}

    def ask(number: int) -> Reply:
        fields = {"image": image, "type": fakes.ECHO}
        return server.post(fields | ({"options": given} if (given := options(number)) else {}), key)

    replies = ask_at_once(ask)
    assert {reply.status for reply in replies} == {200}
    for number, reply in enumerate(replies):
        seen = reply.json["data"]["detail"]["options"]
        assert {name: seen[name] for name in options(number)} == options(number)
        assert ("charset" in seen) == (number % 3 != 0)
        assert reply.json["data"]["result"] == options(number).get("charset", "40x20")
    assert len(Counter(reply.json["data"]["detail"]["pid"] for reply in replies)) == 2


def test_a_refusal_by_one_callers_options_is_no_others(fake_server: tuple[Server, str]) -> None:
    """The fake is sure to 0.9 and reads "40x20": half of the callers ask for what that is not."""
    server, key = fake_server
    image = base64.b64encode(fakes.draw_png()).decode()
    asked: list[tuple[dict[str, object], int]] = [
        ({"min_confidence": 0.95}, 400),
        ({"min_confidence": 0.5}, 200),
        ({"max_length": 4}, 400),
        ({}, 200),
    ]

    def ask(number: int) -> Reply:
        options, _ = asked[number % len(asked)]
        return server.post({"image": image, "type": fakes.ECHO, "options": options}, key)

    statuses = [reply.status for reply in ask_at_once(ask)]
    assert statuses == [asked[number % len(asked)][1] for number in range(REQUESTS)]


def test_the_alphanumeric_reader_keeps_callers_charsets_and_lengths_apart(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """What each set of options gives when asked alone, it gives among all the others."""
    registry = f"[types.{ALNUM}]\nprice = 0.001\ndeadline_s = 30\n"
    settings = make_settings(tmp_path, registry, plugins=())
    given: list[dict[str, object]] = [
        {"charset": "0123456789", "min_confidence": 0},
        {"charset": "abcdefghijklmnopqrstuvwxyz", "min_confidence": 0},
        {"charset": "ABCDEFGHJK", "min_confidence": 0, "max_length": 6},
        {"max_length": 3, "min_confidence": 0},
        {"min_length": 6, "max_length": 6, "min_confidence": 0},
        {"case": "upper", "min_confidence": 0},
        {},
    ]
    with serve(settings) as server:
        key = issue_key(settings.database)
        with urlopen(f"http://127.0.0.1:{server.port}/types/{ALNUM}/sample") as reply:
            image = base64.b64encode(reply.read()).decode()

        def ask(number: int) -> Reply:
            options = given[number % len(given)]
            return server.post({"image": image, "type": ALNUM, "options": options}, key)

        alone = [_told(ask(number)) for number in range(len(given))]
        together = [_told(reply) for reply in ask_at_once(ask)]
    assert len(set(alone)) >= 5, alone
    assert together == [alone[number % len(given)] for number in range(REQUESTS)]


def _told(reply: Reply) -> tuple[int, str, str]:
    """What the caller gets to see of the reading."""
    data = reply.json["data"]
    return reply.status, str(data.get("result")), reply.json.get("error", {}).get("reason", "")
