"""Requests made from the documented ones by everything a stranger might do to them."""

import base64
import json
import random
from collections.abc import Callable
from io import BytesIO
from urllib.parse import quote_plus

from PIL import Image

import fakes
from chaos.wire import request
from mutation import mutate

PATH = "/api/v1/captcha.php"
_BOUNDARY = "----fuzz"
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"

_ODD_VALUES = (
    "null", "true", "false", "0", "-1", "1.5", "1e400", "-0", "NaN", "9" * 400, "2147483648",
    "9223372036854775808", '""', '" "', '"\\u0000"', '"\\ud800"', '"' + "x" * 20_000 + '"',
    "[]", "{}", "[" * 500 + "]" * 500, "[" * 100_000, '{"a":' * 300 + "1" + "}" * 300, "'x'",
    '"10200"', "[1,2,3]", '{"charset":1}', "//", "",
)  # fmt: skip
_NAMES = ("api_key", "image", "image2", "slide_image", "type", "options", "other")
_OPTIONS = ("charset", "min_length", "max_length", "case", "min_confidence", "width", "unknown")
_CONTENT_TYPES = (
    _JSON, "application/json; charset=utf-8", "application/json; charset=utf-16", "text/json",
    "application/problem+json", _FORM, "text/plain", "", "multipart/form-data",
    "multipart/form-data; boundary=", "image/png", "application/octet-stream", "x" * 300, "\xff",
)  # fmt: skip
_TARGETS = (
    ("GET", PATH), ("PUT", PATH), ("HEAD", PATH), ("OPTIONS", PATH), ("POST", PATH + "/"),
    ("POST", "/api/v1/report"), ("GET", "/api/v1/logs?limit=1e9&before=LOG1&type=x"),
    ("GET", "/api/v1/logs?limit=5&since=9999999999999999999"), ("GET", "/api/v1/logs/LOG%00"),
    ("GET", "/api/v1/balance"), ("GET", "/types/99999999999999999999/sample"), ("GET", "/%ff/../"),
    ("GET", "/types?" + "a=b&" * 500), ("GET", "/readyz"), ("PATCH", "/metrics"),
)  # fmt: skip


class Bodies:
    """An endless row of hostile requests; equal seeds give equal rows.

    Args:
        key: of an account with money, so that a request can get as far as a solver.
        seed: of all choices.
    """

    def __init__(self, key: str, *, seed: int) -> None:
        self._key = key
        self._rng = random.Random(seed)
        self._images = _images()
        self._makers: dict[Callable[[], bytes], int] = {
            self._mutated_image: 30,
            self._odd_json: 25,
            self._mutated_json: 10,
            self._odd_options: 10,
            self._form: 7,
            self._multipart: 7,
            self._odd_headers: 5,
            self._chunked: 3,
            self._elsewhere: 2,
            self._broken_http: 1,
        }

    def next(self) -> bytes:
        """One request, head and body."""
        return self._rng.choices(list(self._makers), list(self._makers.values()))[0]()

    def _post(self, body: bytes, content_type: str = _JSON, *more: tuple[str, str]) -> bytes:
        headers = (("X-API-Key", self._key), ("Content-Type", content_type), *more)
        return request(PATH, body, headers=headers)

    def _image(self) -> bytes:
        return self._rng.choice(self._images)

    def _base64(self) -> str:
        return base64.b64encode(self._image()).decode()

    def _mutated_image(self) -> bytes:
        image = mutate(self._image(), self._rng)
        if self._rng.random() < 0.1:
            image = image[: self._rng.randrange(1, len(image))]
        return self._post(_fields(image=base64.b64encode(image).decode(), type=fakes.ECHO))

    def _odd_json(self) -> bytes:
        """An object put together as text: kinds, sizes and doubles that no encoder makes."""
        pairs = {"image": f'"{self._base64()}"', "type": str(fakes.ECHO), "options": "{}"}
        parts = [f'"{name}": {value}' for name, value in pairs.items()]
        for _ in range(self._rng.choice([1, 1, 2, 5])):
            part = f'"{self._rng.choice(_NAMES)}": {self._rng.choice(_ODD_VALUES)}'
            parts.insert(self._rng.randrange(len(parts) + 1), part)
        if self._rng.random() < 0.5:
            parts.pop(self._rng.randrange(len(parts)))
        text = (
            "{"
            + self._rng.choice([", ", ",", ",,"]).join(parts)
            + self._rng.choice(["}", "}", "", "}}"])
        )
        return self._post(text.encode("utf-8", "surrogatepass"))

    def _mutated_json(self) -> bytes:
        body = _fields(image=self._base64(), type=fakes.ECHO, options={"charset": "汉字"})
        body = mutate(body, self._rng)
        if self._rng.random() < 0.3:
            at = self._rng.randrange(len(body))
            body = (
                body[:at]
                + self._rng.choice([b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf"])
                + body[at:]
            )
        return self._post(body)

    def _odd_options(self) -> bytes:
        parts = [
            f'"{self._rng.choice(_OPTIONS)}": {self._rng.choice(_ODD_VALUES)}'
            for _ in range(self._rng.choice([1, 2, 4]))
        ]
        options = "{" + ",".join(parts) + "}"
        body = f'{{"image": "{self._base64()}", "type": {fakes.ECHO}, "options": {options}}}'
        return self._post(body.encode("utf-8", "surrogatepass"))

    def _form(self) -> bytes:
        fields = {"image": self._base64(), "type": str(fakes.ECHO), "options": '{"case":"upper"}'}
        body = "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items()).encode()
        return self._post(mutate(body, self._rng) + b"&a" * self._rng.choice([0, 0, 40]), _FORM)

    def _multipart(self) -> bytes:
        parts = [
            b'Content-Disposition: form-data; name="type"\r\n\r\n%d' % fakes.ECHO,
            b'Content-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + self._image(),
        ]
        edge = f"--{_BOUNDARY}".encode()
        body = b"".join(edge + b"\r\n" + part + b"\r\n" for part in parts) + edge + b"--\r\n"
        if self._rng.random() < 0.7:
            body = mutate(body, self._rng)
        return self._post(body, f"multipart/form-data; boundary={_BOUNDARY}")

    def _odd_headers(self) -> bytes:
        name, value = self._rng.choice(
            [
                ("Idempotency-Key", "x" * self._rng.choice([0, 1, 255, 256, 5000])),
                ("Idempotency-Key", "same"),
                ("X-API-Key", self._rng.choice(["", "ak_", "other", self._key, "\xe9" * 9])),
                ("Content-Encoding", "gzip"),
                ("Expect", "100-continue"),
                ("Accept", "\xff" * 50),
                ("Authorization", "Bearer " + self._key),
                ("X-Forwarded-For", "' OR 1=1 --"),
            ]
        )
        body = _fields(image=self._base64(), type=fakes.ECHO, api_key=self._key)
        return self._post(body, self._rng.choice(_CONTENT_TYPES), (name, value))

    def _chunked(self) -> bytes:
        body = _fields(image=self._base64(), type=fakes.ECHO)
        head = request(PATH, headers=(("X-API-Key", self._key), ("Content-Type", _JSON)))
        head = head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        chunks = b""
        while body:
            size = self._rng.choice([1, 7, 100, 5000])
            chunk, body = body[:size], body[size:]
            chunks += b"%x\r\n" % len(chunk) + chunk + b"\r\n"
        return head + chunks + b"0\r\n\r\n"

    def _elsewhere(self) -> bytes:
        method, path = self._rng.choice(_TARGETS)
        body = (
            b"" if method in ("GET", "HEAD") else _fields(log_id="LOG1", verdict=self._rng.random())
        )
        headers = (("X-API-Key", self._key), ("Content-Type", _JSON))
        return request(path, body, method=method, headers=headers)

    def _broken_http(self) -> bytes:
        """Heads that are none, bodies shorter than announced, chunks of no size."""
        good = self._post(_fields(image=self._base64(), type=fakes.ECHO))
        return self._rng.choice(
            [
                mutate(good[:100], self._rng) + b"\r\n\r\n",
                good.replace(b"Content-Length: ", b"Content-Length: 9"),
                good.replace(b"Content-Length: ", b"Content-Length: -"),
                good.replace(b"Content-Length: ", b"Transfer-Encoding: chunked\r\nX: "),
                b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
            ]
        )


def _fields(**fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def _images() -> list[bytes]:
    """A small one of each format, drawn with enough in it to be damaged."""
    picture = Image.frombytes("RGB", (40, 20), random.Random(1).randbytes(2400))
    made = []
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP"):
        file = BytesIO()
        picture.save(file, kind)
        made.append(file.getvalue())
    file = BytesIO()
    picture.save(
        file, "GIF", save_all=True, append_images=[picture.rotate(180), picture.rotate(90)]
    )
    return [*made, file.getvalue()]
