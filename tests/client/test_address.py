"""Which server and which key."""

import pytest

from loupette.client import AsyncClient, Client
from loupette.client.address import Address, find_address
from loupette.errors import SettingsError

URL, KEY = "http://127.0.0.1:8000", "ak_secretOfTheTests"


def test_arguments_come_before_the_environment() -> None:
    environment = {"LOUPETTE_URL": "http://other", "LOUPETTE_KEY": "ak_other"}
    assert find_address(URL, KEY, environment) == Address(URL, KEY)
    assert find_address(None, None, environment) == Address("http://other", "ak_other")


def test_a_slash_at_the_end_and_a_path_are_taken() -> None:
    assert find_address(f"{URL}/", KEY, {}).url == URL
    assert find_address("https://host/captcha/", KEY, {}).url == "https://host/captcha"


def test_a_login_is_taken_out_of_the_url() -> None:
    address = find_address("https://me:pass%40word@host:8443/x/", KEY, {})
    assert (address.url, address.login) == ("https://host:8443/x", ("me", "pass@word"))
    assert "pass" not in repr(address)


@pytest.mark.parametrize(
    ("url", "key", "said"),
    [
        (None, KEY, "set LOUPETTE_URL"),
        (URL, None, "set LOUPETTE_KEY"),
        ("127.0.0.1:8000", KEY, "must be http"),
        ("ftp://host", KEY, "must be http"),
        ("http://", KEY, "must be http"),
        ("http://host:port", KEY, "cannot be read"),
        ("http://host?x=1", KEY, "must be http"),
        ("http://me:secretOfTheTests@host?x", KEY, "must be http"),
        (URL, f"{KEY}\r\nX-Other: 1", "characters that no key has"),
        (URL, f"{KEY}é", "characters that no key has"),
    ],
)
def test_what_cannot_be_used_is_told_without_secrets(
    url: str | None, key: str | None, said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        find_address(url, key, {})
    assert "secretOfTheTests" not in caught.value.message


def test_clients_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPETTE_URL", URL)
    monkeypatch.setenv("LOUPETTE_KEY", KEY)
    with Client() as client:
        assert repr(client) == "Client('http://127.0.0.1:8000')"
    assert repr(AsyncClient()) == "AsyncClient('http://127.0.0.1:8000')"
    assert KEY not in repr(find_address(None, None))
