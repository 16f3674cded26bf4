"""The request's body: every usual way to send it, and every wrong one with an error of its own."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx2
import pytest
from starlette.datastructures import Headers
from starlette.testclient import TestClient

import fakes
from conftest import issue_key
from loupette.errors import BadField
from loupette.settings import Settings
from loupette.web.body import parse_body
from rawhttp import head, read_reply
from serving import Server, serve

URL = "/api/v1/captcha.php"
NewKey = Callable[..., str]
Send = Callable[..., httpx2.Response]

# A picture whose base64 has "+" and "/" in it.
PICTURE = next(
    data
    for shade in range(256)
    if {*"+/"} <= {*base64.b64encode(data := fakes.draw_png(colour=f"#{shade:02x}40a0")).decode()}
)
IMAGE = base64.b64encode(PICTURE).decode()
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def send(client: TestClient, new_key: NewKey) -> Send:
    """Posts raw bytes under a content type, with a fresh rich key in the header."""

    def post(body: bytes | str, kind: str | None = JSON, **headers: str) -> httpx2.Response:
        kinds = {} if kind is None else {"Content-Type": kind}
        return client.post(URL, content=body, headers={"X-API-Key": new_key(), **kinds, **headers})

    return post


def fields(**changes: object) -> str:
    return json.dumps({"image": IMAGE, "type": fakes.ECHO} | changes)


def assert_read(reply: httpx2.Response) -> None:
    assert (reply.status_code, reply.json()["data"]["result"]) == (200, "40x20"), reply.text


def assert_refused(reply: httpx2.Response, reason: str) -> None:
    """400, in the log, for free."""
    body = json.loads(reply.text, parse_float=Decimal)
    assert (reply.status_code, body["code"], body["msg"]) == (400, 400, "参数错误"), reply.text
    assert body["error"]["reason"] == reason
    assert body["data"]["log_id"].startswith("LOG")
    assert (body["data"]["cost"], body["data"]["balance"]) == (0, 100)


# --- what is taken


@pytest.mark.parametrize(
    "kind",
    [JSON, "application/json; charset=utf-8", "Application/JSON", "text/json", FORM, None,
     "application/problem+json"],
)  # fmt: skip
def test_json_is_read_under_every_type_it_is_sent_with(send: Send, kind: str | None) -> None:
    """curl's default for -d is the form type; the documented examples send JSON with it, too."""
    assert_read(send(fields(), kind))


def test_json_may_be_indented_or_begin_with_blanks(send: Send) -> None:
    assert_read(send("\n\t " + json.dumps(json.loads(fields()), indent=4), FORM))


def test_unknown_fields_are_left_alone(send: Send) -> None:
    assert_read(send(fields(remark="x", nested={"a": [1, None]})))


SPELLINGS = {
    "plain": IMAGE,
    "data-url": f"data:image/png;base64,{IMAGE}",
    "lines": "\n".join(IMAGE[i : i + 60] for i in range(0, len(IMAGE), 60)),
    "url-safe": IMAGE.replace("+", "-").replace("/", "_"),
    "no-padding": IMAGE.rstrip("="),
    "percent-encoded": quote(IMAGE, safe=""),
    "percent-encoded-data-url": quote(f"data:image/png;base64,{IMAGE}", safe=""),
}


@pytest.mark.parametrize("image", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_of_base64_is_read_from_json(send: Send, image: str) -> None:
    assert_read(send(fields(image=image)))


@pytest.mark.parametrize("image", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("encode", [quote, quote_plus], ids=["quote", "quote_plus"])
def test_every_spelling_of_base64_is_read_from_a_form(
    send: Send, image: str, encode: Callable[[str], str]
) -> None:
    assert_read(send(f"image={encode(image)}&type={fakes.ECHO}", FORM))


def test_a_form_whose_plus_was_not_encoded_is_read(send: Send) -> None:
    assert_read(send(f"type={fakes.ECHO}&image={IMAGE}", FORM))


def test_a_form_may_carry_key_and_options(client: TestClient, new_key: NewKey) -> None:
    form = {"api_key": new_key(), "image": IMAGE, "type": "60001", "options": '{"charset": "abc"}'}
    reply = client.post(URL, data=form)
    assert reply.json()["data"]["result"] == "abc"


def test_empty_options_in_a_form_are_none(send: Send) -> None:
    assert_read(send(f"type={fakes.ECHO}&options=&image={quote(IMAGE)}", FORM))


@pytest.mark.parametrize("image", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_of_base64_is_read_from_multipart(
    client: TestClient, new_key: NewKey, image: str
) -> None:
    parts = {"image": (None, image), "type": (None, "60001")}
    assert_read(client.post(URL, files=parts, headers={"X-API-Key": new_key()}))


def test_multipart_may_carry_files_and_key(client: TestClient, new_key: NewKey) -> None:
    reply = client.post(
        URL,
        data={"type": "60001", "api_key": new_key(), "options": '{"charset": "fil"}'},
        files={"image": ("a.png", PICTURE, "image/png"), "image2": ("b.png", fakes.draw_png(7, 5))},
    )
    data = reply.json()["data"]
    assert (data["result"], data["detail"]["image2_width"]) == ("fil", 7)


# --- what is refused, by an error of its own


@pytest.mark.parametrize("body", [b"", b" \r\n\t"])
@pytest.mark.parametrize("kind", [JSON, FORM, None])
def test_an_empty_body(send: Send, body: bytes, kind: str | None) -> None:
    assert_refused(send(body, kind), "empty_body")


@pytest.mark.parametrize(
    "body",
    [b"image", b"{", b'{"image": }', b'{"image": "x"', b"{}x", b"{'image': 1}", b"\xef\xbb\xbf{}x",
     b'{"type": NaN}', b'{"type": Infinity}', b'{"options": {"min_confidence": NaN}}',
     b'{"options": {"min_confidence": -Infinity}}', b'{"type": 1e999}', b'{"a": "\x01"}',
     b'{"image": "\\ud800", "type": 60001}', b'{"options": {"charset": "\\udfff"}}'],
)  # fmt: skip
def test_what_is_not_json(send: Send, body: bytes) -> None:
    assert_refused(send(body), "not_json")


@pytest.mark.parametrize("body", ["[]", "null", "5", '"text"', "true", '[{"image": "x"}]'])
def test_json_that_is_no_object(send: Send, body: str) -> None:
    reply = send(body)
    assert_refused(reply, "not_json")
    assert "must be a JSON object" in reply.json()["error"]["message"]


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_json_nested_too_deeply(send: Send, opening: str, depth: int) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]
    nested = opening * depth + "1" + closing * depth
    assert_refused(send(f'{{"image": {nested}}}'), "not_json")


@pytest.mark.parametrize("depth", [100, 300, 500, 700, 900, 990])
def test_options_nested_just_less_deeply(send: Send, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    body = fields(options={"width": 1}).replace("1}}", f"{nested}}}}}")
    reply = send(body, **{"Idempotency-Key": "deep"})
    assert reply.status_code == 400
    assert reply.json()["error"]["reason"] in ("bad_field", "not_json")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"image": "\xff\xfe"}', JSON),
        (b'{"image": "\xed\xa0\x80"}', JSON),
        (fields().encode("utf-16"), JSON),
        (b"image=\xff\xfe&type=60001", FORM),
        (b"image=%FF%FE&type=60001", FORM),
        (b"api_key=%ED%A0%80&type=60001", FORM),
    ],
)
def test_text_that_is_not_utf8(send: Send, body: bytes, kind: str) -> None:
    assert_refused(send(body, kind), "not_utf8")


@pytest.mark.parametrize("kind", ["image/png", "text/plain", "application/xml", "nonsense", "*/*"])
def test_a_content_type_that_is_not_taken(send: Send, kind: str) -> None:
    reply = send(PICTURE, kind)
    assert_refused(reply, "unsupported_content_type")
    assert JSON in reply.json()["error"]["message"]


def test_no_content_type_and_no_json(send: Send) -> None:
    assert_refused(send(PICTURE, None), "unsupported_content_type")


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=other",
    ],
)
def test_multipart_that_cannot_be_parsed(send: Send, kind: str) -> None:
    reply = send(
        b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\nAAAA\r\n--x--\r\n', kind
    )
    assert_refused(reply, "unsupported_content_type")


@pytest.mark.parametrize("charset", ["punycode", "undefined", "idna", "gbk", "no-such-codec", ""])
def test_multipart_in_a_charset_other_than_utf8(send: Send, charset: str) -> None:
    """Python's punycode took 2.4 s for these bytes, and nothing else was answered meanwhile."""
    part = b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\n'
    body = part + b"-" + b"a" * 200_000 + b"\r\n--x--\r\n"
    reply = send(body, f"multipart/form-data; charset={charset}; boundary=x")
    assert_refused(reply, "unsupported_content_type")


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf8"'])
def test_multipart_that_says_it_is_utf8(send: Send, charset: str) -> None:
    part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = part.format("type", fakes.ECHO) + part.format("image", IMAGE) + "--x--\r\n"
    assert_read(send(body, f"multipart/form-data; charset={charset}; boundary=x"))


def test_multipart_cut_off_in_the_middle(send: Send) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\nAAAA'
    reply = send(body, "multipart/form-data; boundary=x")
    assert reply.status_code == 400


@pytest.mark.parametrize(
    "part", [b'name="\xff"', b'name="image"; filename="\xff\xfe"', b"", b"name="]
)
def test_multipart_with_odd_headers_is_a_clear_error(send: Send, part: bytes) -> None:
    body = b"--x\r\nContent-Disposition: form-data; " + part + b"\r\n\r\n\xff\xfe\r\n--x--\r\n"
    reply = send(body, "multipart/form-data; boundary=x")
    assert reply.status_code == 400


@pytest.mark.parametrize("kind", [FORM, "multipart/form-data; boundary=x"])
def test_too_many_fields(send: Send, kind: str) -> None:
    if kind == FORM:
        body = "&".join(f"f{number}=1" for number in range(100))
    else:
        part = '--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n1\r\n'
        body = part * 100 + "--x--\r\n"
    assert_refused(send(body, kind), "bad_field" if kind == FORM else "unsupported_content_type")


@pytest.mark.parametrize("text", ["{", "[1", "nonsense", "[" * 100_000, '{"a":' * 5_000])
def test_options_of_a_form_that_are_not_json(send: Send, text: str) -> None:
    reply = send(f"type=60001&image={quote(IMAGE)}&options={quote(text)}", FORM)
    assert_refused(reply, "bad_field")


@pytest.mark.parametrize("text", ["[1]", "5", '"x"'])
def test_options_of_a_form_that_are_no_object(send: Send, text: str) -> None:
    reply = send(f"type=60001&image={quote(IMAGE)}&options={quote(text)}", FORM)
    assert_refused(reply, "bad_field")


@pytest.mark.parametrize("text", ["abc", "-1", "1.5", "0", "٣", "9" * 30, "0x10", "1_0", " 60001"])
def test_a_type_of_a_form_that_is_no_type(send: Send, text: str) -> None:
    assert_refused(send(f"image={quote(IMAGE)}&type={quote(text)}", FORM), "bad_field")


@pytest.mark.parametrize("missing", ["image", "type"])
@pytest.mark.parametrize("kind", [JSON, FORM])
def test_a_missing_field_is_named(send: Send, missing: str, kind: str) -> None:
    there = {name: value for name, value in json.loads(fields()).items() if name != missing}
    body = (
        json.dumps(there)
        if kind == JSON
        else "&".join(f"{k}={quote(str(v))}" for k, v in there.items())
    )
    reply = send(body, kind)
    assert_refused(reply, "missing_field")
    assert f"{missing} is required" in reply.json()["error"]["message"]


@pytest.mark.parametrize("key", [5, True, ["ak"], {}])
def test_an_api_key_that_is_no_text(client: TestClient, key: object) -> None:
    reply = client.post(URL, json={"api_key": key, "image": IMAGE, "type": 60001})
    assert (reply.status_code, reply.json()["error"]["reason"]) == (400, "bad_field")


def test_an_image_over_the_limit_of_bytes(send: Send) -> None:
    text = base64.b64encode(PICTURE + bytes(2 * 1024 * 1024)).decode()
    assert_refused(send(fields(image=text)), "image_too_large")


@pytest.mark.parametrize("name", ["image", "image2", "type", "api_key"])
@pytest.mark.parametrize("value", ["[[], [], []]", '{"a": {}}'])
def test_a_list_or_object_in_a_scalar_field(send: Send, name: str, value: str) -> None:
    body = json.dumps({"image": IMAGE, "type": fakes.ECHO, name: 0}).replace(": 0", f": {value}")
    assert_refused(send(body), "bad_field")


def test_options_of_more_characters_than_the_limit(send: Send) -> None:
    assert_refused(send(fields(options={"charset": "x" * 16_384})), "bad_field")
    form = f'type=60001&image={quote(IMAGE)}&options={{"charset": "{"x" * 16_384}"}}'
    assert_refused(send(form, FORM), "bad_field")


def test_a_form_of_more_escapes_than_the_limit(send: Send) -> None:
    reply = send("image=" + "%41" * 300_000, FORM)
    assert_refused(reply, "bad_field")
    assert "percent escapes" in reply.json()["error"]["message"]


LARGE = 6 * 2**20 - 100
HOSTILE = {
    "form-of-escapes": (FORM, lambda: b"image=" + b"%41" * (LARGE // 3)),
    "json-of-lists": (JSON, lambda: b'{"a": [' + b"[]," * (LARGE // 3) + b"[]]}"),
    "json-image-of-lists": (JSON, lambda: b'{"image": [' + b"[]," * (LARGE // 3) + b"[]]}"),
    "json-options-of-lists": (JSON, lambda: b'{"options": [' + b"[]," * (LARGE // 3) + b"[]]}"),
    "json-of-names": (JSON, lambda: b'{"a":1' + b',"a":1' * (LARGE // 6) + b"}"),
}


@pytest.mark.parametrize(("kind", "make"), HOSTILE.values(), ids=HOSTILE)
def test_the_dearest_bodies_are_parsed_in_a_moment(kind: str, make: Callable[[], bytes]) -> None:
    """Anybody may send them, without a key: 1.4 s and 546 MB for the lists, 1.8 s for the form."""
    body = make()
    started_s = time.process_time()
    with suppress(BadField):
        asyncio.run(parse_body(body, Headers({"content-type": kind})))
    assert time.process_time() - started_s < 0.3


# --- over real sockets: what arrives in pieces, or never


@pytest.fixture(scope="module")
def small(
    make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    return make_settings(tmp_path_factory.mktemp("sockets"), workers=1, body_timeout_s=0.5)


@pytest.fixture(scope="module")
def server(small: Settings) -> Iterator[Server]:
    with serve(small) as running:
        yield running


@pytest.fixture(scope="module")
def key(small: Settings) -> str:
    return issue_key(small, "100")


def test_a_body_announced_too_large_is_refused_unread(server: Server, key: str) -> None:
    with server.connect() as connection:
        connection.sendall(head(key, "Content-Length: 99999999999"))
        status, body = read_reply(connection)
    assert (status, body["error"]["reason"]) == (400, "body_too_large")
    assert body["data"]["cost"] == 0


def test_a_chunked_body_is_refused_when_it_grows_too_large(server: Server, key: str) -> None:
    megabyte = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with server.connect() as connection:
        connection.sendall(head(key, "Transfer-Encoding: chunked"))
        for _ in range(12):
            connection.sendall(megabyte)
        connection.sendall(b"1\r\n \r\n")
        status, body = read_reply(connection)
    assert (status, body["error"]["reason"]) == (400, "body_too_large")


def test_a_chunked_body_is_read(server: Server, key: str) -> None:
    text = fields().encode()
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part) for part in (text[:5], text[5:50], text[50:])
    )
    with server.connect() as connection:
        connection.sendall(head(key, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n")
        status, body = read_reply(connection)
    assert (status, body["data"]["result"]) == (200, "40x20")


@pytest.mark.parametrize("begun", [b"", b'{"image": "'])
def test_a_slow_sender_is_cut_off(server: Server, key: str, begun: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(head(key, "Content-Length: 1000") + begun)
        status, body = read_reply(connection)
    assert (status, body["error"]["reason"]) == (400, "slow_body")
    assert body["data"]["cost"] == 0


def test_a_slow_sender_loses_its_connection(server: Server, key: str) -> None:
    """It was kept, and what a client sent next was swallowed as the rest of the body."""
    with server.connect() as connection:
        connection.sendall(head(key, "Content-Length: 1000") + b'{"image": "')
        assert read_reply(connection)[0] == 400
        connection.settimeout(3)  # uvicorn's own limit for an idle one is 5
        assert connection.recv(1) == b""


def test_strangers_who_send_nothing_do_not_shut_out_callers(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """128 idle sockets took every place for ten seconds, and could do it again."""
    settings = make_settings(tmp_path, workers=1, max_in_flight=8, body_timeout_s=5)
    text = fields().encode()
    stranger = head("", "Content-Length: 1000")
    with serve(settings) as server, ExitStack() as stack:
        key = issue_key(settings, "100")
        server.post(json.loads(text), key)
        sockets = [stack.enter_context(server.connect()) for _ in range(12)]
        for connection in sockets:
            connection.sendall(stranger)
        reply = server.post(json.loads(text), key)
        refused = [read_reply(connection)[1]["error"]["reason"] for connection in sockets]
    assert (reply.status, reply.json["data"]["result"]) == (200, "40x20")
    assert sorted(refused) == ["overloaded"] * 10 + ["slow_body"] * 2


def test_a_sender_that_hangs_up_leaves_the_server_well(server: Server, key: str) -> None:
    for _ in range(5):
        with server.connect() as connection:
            connection.sendall(head(key, "Content-Length: 1000") + b'{"image": "')
    reply = server.post(json.loads(fields()), key)
    assert (reply.status, reply.json["data"]["result"]) == (200, "40x20")


@pytest.mark.parametrize("raw", [b"\xff\xfe", "钥匙".encode(), b"\xed\xa0\x80", b"a\xc3"], ids=repr)
def test_a_key_of_odd_bytes_in_the_header_is_401(server: Server, raw: bytes) -> None:
    text = fields().encode()
    with server.connect() as connection:
        start = head("KEY", f"Content-Length: {len(text)}").replace(b"KEY", raw, 1)
        connection.sendall(start.replace(b"X-API-" + raw, b"X-API-Key", 1) + text)
        status, body = read_reply(connection)
    assert (status, body["error"]["reason"]) == (401, "unauthenticated")


def test_two_requests_on_one_connection_are_two_answers(server: Server, key: str) -> None:
    text = fields().encode()
    request = head(key, f"Content-Length: {len(text)}") + text
    with server.connect() as connection:
        replies = []
        for _ in range(2):
            connection.sendall(request)
            replies.append(read_reply(connection))
    assert [status for status, _ in replies] == [200, 200]
    assert replies[0][1]["data"]["log_id"] < replies[1][1]["data"]["log_id"]
