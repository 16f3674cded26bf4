"""Who gets a place on a full server, and who is told to come again before anything is read."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from conftest import issue_key
from loupette.settings import Settings
from rawhttp import head, read_whole_reply
from serving import Server, serve

BODY_OF_LATER = "Content-Length: 1000"


def wait_for_places_taken(server: Server, count: int) -> None:
    deadline_s = time.monotonic() + 30
    while (taken := server.metric("loupette_in_flight")) != count:
        assert time.monotonic() < deadline_s, f"{taken} places are taken, not {count}"
        time.sleep(0.01)  # a poll; the deadline decides


@contextmanager
def senders(server: Server, *keys: str) -> Iterator[None]:
    """Senders of these keys that have sent their heads, and go on holding their bodies back."""
    with ExitStack() as stack:
        for key in keys:
            stack.enter_context(server.connect()).sendall(head(key, BODY_OF_LATER))
        yield


def test_a_full_server_refuses_at_once_without_reading_the_body(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """With the key in the body, that was read and parsed first."""
    settings = make_settings(tmp_path, workers=1, max_in_flight=1, body_timeout_s=30)
    key = issue_key(settings)
    with serve(settings) as server:
        server.wait_until_ready()
        with senders(server, key):
            wait_for_places_taken(server, 1)
            for named in (key, None):
                with server.connect() as connection:
                    connection.settimeout(10)  # a third of what its body would be waited for
                    connection.sendall(head(named, BODY_OF_LATER))
                    status, headers, body = read_whole_reply(connection)
                assert (status, body["error"]["reason"]) == (429, "overloaded")
                assert int(headers["retry-after"]) >= 1
