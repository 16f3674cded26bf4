"""What the console's pages do: keys, logs, types, ledger, try-it; and how they are built."""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, get_args, get_type_hints

import pytest
from starlette.testclient import TestClient

import fakes
from loupette import management
from loupette.executor import Executor
from loupette.frames import Task
from loupette.plugin import Answer, Option
from loupette.reading import read_once
from loupette.registry import ServedType
from loupette.settings import Images, Settings
from loupette.store.keys import SCOPES, create_key, list_keys, set_rate
from loupette.store.logs import parse_log_id
from loupette.store.opening import open_database
from loupette.web import service
from loupette.web.app import create_app
from loupette.web.service import Service

PNG = ("captcha.png", fakes.draw_png(), "image/png")
SCRIPT = "<script>alert(1)</script>"
WIDE = '{"width": 5}'


def made_key(reply: Any) -> str:
    (secret,) = re.findall(r"<pre[^>]*><code>(ak_[\w-]+)</code>", reply.text)
    return str(secret)


def solve(client: TestClient, key: str, type_id: int = fakes.ECHO) -> Any:
    return client.post(
        "/api/v1/captcha.php",
        headers={"X-API-Key": key},
        data={"type": str(type_id)},
        files={"image": PNG},
    )


def test_a_key_from_its_making_to_its_end(admin: Any, client: TestClient, unused_name: str) -> None:
    wanted = {"account": unused_name, "balance": "1.5", "rate": "1000", "days": "30", "name": "web"}
    secret = made_key(admin.do("/console/keys", action="create", scope_solve="1", **wanted))
    assert secret not in admin.http.get("/console/keys").text
    assert solve(client, secret).json()["data"]["balance"] == 1.49
    top_up = {"action": "top_up", "account": unused_name, "amount": "2", "form": unused_name}
    assert admin.do("/console/keys", **top_up).status_code == 303
    assert solve(client, secret).json()["data"]["balance"] == 3.48
    shown = admin.http.get(f"/console/keys?q={unused_name}").text
    assert "¥3.48" in shown and "1000/s" in shown and "过期于" in shown
    admin.do("/console/keys", action="limit", prefix=secret[:11], rate="0.001", burst="1")
    # The last one's thousandth of a second is over: only the limit decides.
    assert [solve(client, secret).status_code for _ in range(2)] == [200, 429]
    new = made_key(
        admin.do("/console/keys", action="roll", prefix=secret[:11], overlap="1", days="9")
    )
    admin.do("/console/keys", action="disable", prefix=new[:11])
    assert solve(client, new).json()["error"]["reason"] == "key_disabled"


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "create", "account": "x"},
        {"action": "create", "account": "", "scope_read": "1"},
        {"action": "create", "account": "x", "scope_read": "1", "rate": "0"},
        {"action": "create", "account": "x", "scope_read": "1", "rate": "nan"},
        {"action": "create", "account": "x", "scope_read": "1", "balance": "-1"},
        {"action": "create", "account": "x", "scope_read": "1", "balance": "1e99"},
        {"action": "create", "account": "x", "scope_read": "1", "balance": "0.0000001"},
        {"action": "create", "account": "x", "scope_read": "1", "days": "99999"},
        {"action": "create", "account": "x" * 300, "scope_read": "1"},
        {"action": "top_up", "account": "nobody-at-all", "amount": "1", "form": "f"},
        {"action": "top_up", "account": "nobody-at-all", "amount": "many", "form": "f"},
        {"action": "limit", "prefix": "PREFIX", "rate": "5"},
        {"action": "limit", "prefix": "PREFIX", "rate": "5", "burst": "0"},
        {"action": "limit", "prefix": "PREFIX", "rate": "5", "burst": "many"},
        {"action": "disable", "prefix": "ak_nowhere1"},
        {"action": "explode"},
        {},
    ],
)
def test_what_cannot_be_done_is_a_page_that_says_why(admin: Any, fields: dict[str, str]) -> None:
    named = {name: value.replace("PREFIX", admin.prefix) for name, value in fields.items()}
    reply = admin.do("/console/keys", **named)
    assert reply.status_code == 400
    assert 'role="alert"' in reply.text


def field(page: str, action: str, name: str) -> str:
    """What a form of the page sends under that name."""
    (form,) = re.findall(rf'name="action" value="{action}">(.*?)</form>', page, re.DOTALL)
    (value,) = re.findall(rf'name="{name}"[^>]* value="([^"]*)"', form)
    return str(value)


def test_a_top_up_that_is_sent_twice_adds_once(admin: Any, shop: Any) -> None:
    page = f"/console/keys?q={shop.account}"
    top_up = {"action": "top_up", "account": shop.account, "amount": "2"}
    form = field(admin.http.get(page).text, "top_up", "form")
    for _ in range(2):
        assert admin.do("/console/keys", **top_up, form=form).status_code == 303
    assert "¥3.00" in admin.http.get(page).text
    changed = admin.do("/console/keys", **{**top_up, "amount": "5"}, form=form)
    assert changed.status_code == 400 and "sent before" in changed.text
    assert admin.do("/console/keys", **top_up).status_code == 400  # no form of ours
    assert "¥3.00" in admin.http.get(page).text
    again = field(admin.http.get(page).text, "top_up", "form")
    assert again != form
    admin.do("/console/keys", **top_up, form=again)
    assert "¥5.00" in admin.http.get(page).text


def test_changing_the_rate_alone_keeps_the_burst(admin: Any, shop: Any, settings: Settings) -> None:
    with open_database(settings.database, settings.database_url) as database:
        set_rate(database, shop.prefix, rate=4, burst=77, now_ms=0)
    shown = field(admin.http.get(f"/console/keys?q={shop.account}").text, "limit", "burst")
    admin.do("/console/keys", action="limit", prefix=shop.prefix, rate="8", burst=shown)
    with open_database(settings.database, settings.database_url) as database:
        (key,) = [one for one in list_keys(database.reader) if one.prefix == shop.prefix]
    assert (key.rate, key.burst) == (8, 77)


def test_a_price_changes_at_once_and_for_good(
    tmp_path: Any, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(tmp_path)
    with open_database(settings.database, settings.database_url) as database:
        key = create_key(
            database, "boss", scopes=("solve", "read", "admin"), opening_micros=10**7, now_ms=0
        )
    for is_first in (True, False):
        with TestClient(create_app(settings)) as client:
            client.post("/console/login", data={"key": key.secret})
            (token, *_) = re.findall(r'csrf" value="(\w+)', client.get("/console/types").text)
            if is_first:
                assert solve(client, key.secret).json()["data"]["cost"] == 0.01
                change = {"csrf": token, "type": fakes.ECHO, "price": "0.25", "is_on": "1"}
                client.post("/console/types", data=change)
                off = {"csrf": token, "type": fakes.CLOSED, "price": "0.01"}
                client.post("/console/types", data=off)
            assert solve(client, key.secret).json()["data"]["cost"] == 0.25
            refused = solve(client, key.secret, fakes.CLOSED).json()
            assert refused["error"]["reason"] == "unknown_type"
            page = client.get("/console/types").text
            assert "与 registry.toml 不同" in page and key.secret[:11] in page
            assert "¥0.2500" in page and "已停用" in page
            assert 'loupette_requests_total{outcome="ok",type="60008"}' in _metrics(client)
    with TestClient(create_app(settings)) as client:
        client.post("/console/login", data={"key": key.secret})
        for type_id in (fakes.ECHO, fakes.CLOSED):
            client.post(
                "/console/types", data={"csrf": _token(client), "type": type_id, "is_on": "1"}
            )
        assert solve(client, key.secret).json()["data"]["cost"] == 0.01
        assert solve(client, key.secret, fakes.CLOSED).status_code == 200
        assert "与 registry.toml 不同" not in client.get("/console/types").text


def _metrics(client: TestClient) -> str:
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    return service.metrics.expose().decode()


def _token(client: TestClient) -> str:
    return str(re.findall(r'csrf" value="(\w+)', client.get("/console").text)[0])


@pytest.mark.parametrize("price", ["-1", "nan", "Infinity", "1e400", "x", "0.0000001", "1001"])
def test_what_is_no_price_changes_nothing(admin: Any, client: TestClient, price: str) -> None:
    reply = admin.do("/console/types", type=str(fakes.SLOW), price=price, is_on="1")
    assert reply.status_code == 400
    assert client.get(f"/types/{fakes.SLOW}").json()["data"]["price"] == 0.01


@pytest.mark.parametrize("type_id", ["", "0", "999", "x", "1" * 40])
def test_a_type_that_registry_toml_has_not_cannot_be_decided_on(admin: Any, type_id: str) -> None:
    assert admin.do("/console/types", type=type_id, price="1", is_on="1").status_code == 400


def test_a_plugin_that_did_not_load_says_why(
    tmp_path: Any, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_for_console.py").write_text("raise OSError('<b>no such file</b>')")
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = make_settings(tmp_path, plugins=("fakes", "broken_for_console"))
    with open_database(settings.database, settings.database_url) as database:
        key = create_key(database, "boss", scopes=("admin",), now_ms=0)
    with TestClient(create_app(settings)) as client:
        client.post("/console/login", data={"key": key.secret})
        page = client.get("/console/types").text
    assert "broken_for_console" in page and "OSError: &lt;b&gt;no such file&lt;/b&gt;" in page
    assert "Traceback" in page and "fakes.py" in page


def test_logs_are_searched_and_filtered(shop: Any, client: TestClient) -> None:
    ids = [solve(client, shop.secret).json()["data"]["log_id"] for _ in range(2)]
    refused = client.post(
        "/api/v1/captcha.php",
        headers={"X-API-Key": shop.secret},
        data={"type": str(fakes.REFUSES)},
        files={"image": ("a.png", fakes.draw_png(colour="black"), "image/png")},
    ).json()["data"]["log_id"]

    def shown(query: str) -> set[str]:
        text = shop.http.get(f"/console/logs?{query}").text
        return set(re.findall(r">(LOG\d+)</a>", text))

    assert shown("") == {*ids, refused}
    assert shown("outcome=ok") == set(ids)
    assert shown("outcome=no_text") == shown(f"type={fakes.REFUSES}") == {refused}
    assert shown("q=40x") == set(ids)
    assert shown("q=%25") == shown("until=2020-01-01") == set()
    assert shown("since=2020-01-01") == {*ids, refused}
    assert shop.http.get("/console/logs?since=yesterday").status_code == 400
    for page in ("logs?outcome=%00", "keys?q=%00"):
        assert shop.http.get(f"/console/{page}").status_code == 400
    one = shop.http.get(f"/console/logs?q={refused}")
    assert one.url.path == f"/console/logs/{refused}" and "candidates" in one.text


def test_more_logs_are_a_page_on(shop: Any, client: TestClient) -> None:
    ids = [solve(client, shop.secret).json()["data"]["log_id"] for _ in range(52)]
    first = shop.http.get("/console/logs?outcome=ok").text
    (further,) = re.findall(r'href="(\?outcome=ok&amp;before=LOG\d+)"', first)
    second = shop.http.get("/console/logs" + further.replace("&amp;", "&")).text
    assert re.findall(r">(LOG\d+)</a>", first + second) == ids[::-1]


def test_the_ledger_is_shown_and_adds_up(admin: Any, shop: Any, client: TestClient) -> None:
    log_id = solve(client, shop.secret).json()["data"]["log_id"]
    own = shop.http.get("/console/ledger").text
    assert log_id in own and "−¥0.0100" in own and "+¥1.0000" in own
    assert admin.account not in own
    assert "账目相符" in admin.do("/console/ledger").text
    assert log_id in admin.http.get("/console/ledger").text


def test_books_that_do_not_add_up_are_an_alarm(admin: Any, shop: Any, settings: Settings) -> None:
    change = "UPDATE accounts SET balance = balance + ? WHERE name = ?"
    with open_database(settings.database, settings.database_url) as database:
        for amount, is_right in ((5, False), (-5, True)):
            database.write(lambda c, row=(amount, shop.account): c.execute(change, row).rowcount)
            page = admin.do("/console/ledger").text
            assert ("账目相符" in page) is is_right
            assert ("账目不符" in page and 'role="alert"' in page) is not is_right
            said = f"账户 {shop.account}：余额为 ¥1.000005，账本合计为 ¥1.0000"
            assert (f"<li>{said}</li>" in page) is not is_right
            page = admin.do("/console/ledger?lang=en").text
            said = f"account {shop.account}: the balance is ¥1.000005, its ledger sums to ¥1.0000"
            assert (f"<li>{said}</li>" in page) is not is_right
            admin.http.cookies.delete("lang")


def test_a_try_is_answered_charged_and_logged(shop: Any) -> None:
    reply = shop.do("/console/try", type=str(fakes.ECHO), image=PNG, **{"option.charset": "abc"})
    assert reply.status_code == 200
    assert '<p class="big answer">abc</p>' in reply.text
    assert "data:image/png;base64," in reply.text
    assert "¥0.99" in shop.http.get("/console/try").text
    (log_id,) = re.findall(r'/console/logs/(LOG\d+)"', reply.text)
    assert "abc" in shop.http.get(f"/console/logs/{log_id}").text


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"type": str(fakes.ECHO)}, 400, "missing_field"),
        ({"type": str(fakes.ECHO), "image": ("a", b"no image", "text/html")}, 400, "not_an_image"),
        ({"type": "5", "image": PNG}, 400, "unknown_type"),
        ({"image": PNG}, 400, "missing_field"),
        ({"type": str(fakes.ECHO), "image": PNG, "option.width": "x"}, 400, "bad_field"),
        ({"type": str(fakes.ECHO), "image": PNG, "option.evil": "x"}, 400, "unsupported_option"),
        ({"type": str(fakes.RAISES), "image": ("a", fakes.draw_png(colour="black"), "")}, 500,
         "solver_crashed"),
    ],
)  # fmt: skip
def test_a_try_that_fails_says_why(shop: Any, fields: Any, code: int, reason: str) -> None:
    reply = shop.do("/console/try", **fields)
    assert reply.status_code == code
    assert f"&#34;{reason}&#34;" in reply.text
    assert "¥1.00" in shop.http.get("/console/try").text


def test_answers_and_names_bring_no_script_into_a_page(
    shop: Any, admin: Any, client: TestClient
) -> None:
    reply = shop.do("/console/try", type=str(fakes.ECHO), image=PNG, **{"option.charset": SCRIPT})
    assert "&lt;script&gt;" in reply.text and "<script>" not in reply.text
    made = admin.do(
        "/console/keys", action="create", account=SCRIPT, name='"><b>', scope_read="1"
    ).text
    assert "&lt;script&gt;" in made and '"><b>' not in made
    for path in ("/console/logs", "/console/keys", f"/console/keys?q={SCRIPT}"):
        for visitor in (shop, admin):
            assert "<script>alert" not in visitor.http.get(path).text


PATHS = ["/console", "/console/keys", "/console/logs", "/console/types", "/console/try",
         "/console/ledger", "/console/login", "/console/logs/LOG20200101000001"]  # fmt: skip
IN_THE_PAGE = re.compile(
    r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=\"|javascript:|hx-on|hx-vals='js"
)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_uses_files_of_this_server_alone(admin: Any, path: str) -> None:
    reply = admin.http.get(path)
    policy = reply.headers["content-security-policy"]
    assert "script-src 'self';" in policy and "style-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert IN_THE_PAGE.findall(reply.text) == []
    assert re.findall(r'(?:src|href|action)="(?:https?:)?//', reply.text) == []


def test_htmx_runs_no_text_and_writes_no_styles(admin: Any) -> None:
    page = admin.http.get("/console").text
    (config,) = re.findall(r"name=\"htmx-config\" content='([^']+)'", page)
    assert json.loads(config) == {
        "allowEval": False,
        "allowScriptTags": False,
        "disableInheritance": True,
        "historyCacheSize": 0,
        "includeIndicatorStyles": False,
    }


def read_in(language: str, visitor: Any, path: str) -> str:
    """The words of a page, without the code to copy, which is the documented one in both."""
    headers = {"Accept": "text/html", "Accept-Language": language}
    page = visitor.http.get(path, headers=headers).text
    return re.sub(r"<pre.*?</pre>|<[^>]+>", "", page, flags=re.DOTALL)


ECHO_PAGE = f"/types/{fakes.ECHO}"


@pytest.mark.parametrize("path", [*PATHS, "/types", ECHO_PAGE])
def test_both_languages_say_all_in_one(admin: Any, path: str) -> None:
    names = {"中文", *(name for name, *_ in fakes._SOLVERS.values())}
    left = set(re.findall(r"[\u4e00-\u9fff]+", read_in("en", admin, path))) - names
    assert left == set()


@pytest.mark.parametrize(
    ("path", "words", "chinese"),
    [
        (ECHO_PAGE, get_args(get_type_hints(Option)["kind"]), "整数, 1–9"),
        ("/console/keys", SCOPES, "识别、查看、报告、管理员"),
    ],
)
def test_kinds_and_scopes_are_chinese_on_a_chinese_page(
    admin: Any, path: str, words: tuple[str, ...], chinese: str
) -> None:
    shown = read_in("zh", admin, path)
    assert set(re.findall(r"[\w-]+", shown)) & set(words) == set()
    assert chinese in shown


@pytest.fixture(scope="module")
def keeping(
    tmp_path_factory: pytest.TempPathFactory, make_settings: Callable[..., Settings]
) -> Iterator[tuple[TestClient, Settings]]:
    """A server that keeps images."""
    settings = make_settings(tmp_path_factory.mktemp("keeping"), images=Images(True, 7))
    with TestClient(create_app(settings)) as client:
        yield client, settings


def test_a_kept_image_is_shown_to_its_owner_and_read_again_by_an_administrator(
    keeping: tuple[TestClient, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, settings = keeping
    with open_database(settings.database, settings.database_url) as database:
        keys = {
            name: create_key(database, name, scopes=scopes, opening_micros=10**6, now_ms=0).secret
            for name, scopes in (
                ("owner", ("solve", "read")),
                ("other", ("solve", "read")),
                ("boss", ("admin",)),
            )
        }
    path = f"/console/logs/{kept_log(client, keys['owner'], fakes.ECHO, '{}')}"
    shown = {}
    for name, key in keys.items():
        client.post("/console/login", data={"key": key})
        shown[name] = client.get(path)
    assert [reply.status_code for reply in shown.values()] == [200, 404, 200]
    assert "data:image/png;base64," in shown["owner"].text
    assert "再识别" in shown["boss"].text and "再识别" not in shown["owner"].text
    before = client.get("/console/ledger").text
    again = client.post(path, data={"csrf": _token(client)}).text
    assert '<td class="answer">40x20</td><td class="answer">40x20</td>' in again
    assert client.get("/console/ledger").text == before
    app: Any = client.app
    served = app.state.service.management._registered.types
    monkeypatch.setitem(served, fakes.ECHO, replace(served[fakes.ECHO], min_confidence=1.0))
    again = client.post(path, data={"csrf": _token(client)}).text
    assert "low_confidence" in again  # as a caller would be told today


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ('{"charset": "<i>", "width": null}', {"charset=&lt;i&gt;"}),
        ('{"min_confidence": 0.95, "width": 3}', {"min_confidence=0.95", "width=3"}),  # refused
        ("{}", set()),
    ],
)
def test_reading_again_asks_what_was_asked_then(
    keeping: tuple[TestClient, Settings],
    options: str,
    shown: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Task] = []

    async def read(executor: Executor, served: ServedType, task: Task) -> Answer:
        asked.append(task)
        return await read_once(executor, served, task)

    monkeypatch.setattr(management, "read_once", read)
    client, settings = keeping
    key = sign_in(client, settings)
    second = ("b.png", fakes.draw_png(7), "image/png")
    path = f"/console/logs/{kept_log(client, key, fakes.ECHO, options, image2=second)}"
    page = client.get(path).text
    assert set(re.findall(r"<code>(\w+=[^<]*)</code>", page)) == shown
    assert ("选项</dt>" in page) is bool(shown)
    again = client.post(path, data={"csrf": _token(client)}).text
    assert "现在" in again and "differs" not in again
    given = {name: value for name, value in json.loads(options).items() if value is not None}
    assert asked == [Task(fakes.ECHO, PNG[1], second[1], given)]


@pytest.mark.parametrize(
    ("now", "row"),
    [
        (0.12345679, '<td class="answer">0.1235</td><td class="answer">0.1235</td>'),
        (0.12354, '<td class="answer">0.1235</td><td class="answer">0.1235</td>'),
        (0.12356, '<td class="answer">0.1235</td><td class="answer">0.1236 <span class="tag">'),
    ],
)
def test_a_confidence_differs_from_the_fourth_decimal_on(
    keeping: tuple[TestClient, Settings], now: float, row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, settings = keeping
    path = f"/console/logs/{kept_log(client, sign_in(client, settings), fakes.ECHO, '{}')}"
    with open_database(settings.database, settings.database_url) as database:
        change = "UPDATE logs SET confidence = ? WHERE id = ?"
        values = (0.12345678, parse_log_id(path.rpartition("/")[2]))
        database.write(lambda connection: connection.execute(change, values).rowcount)

    async def read(executor: Executor, served: ServedType, task: Task) -> Answer:
        return Answer("40x20", now)

    monkeypatch.setattr(management, "read_once", read)
    again = client.post(path, data={"csrf": _token(client)}).text
    assert row in again
    assert again.count('class="differs"') == ("tag" in row)


def test_reading_again_with_what_a_type_takes_no_longer_says_so(
    keeping: tuple[TestClient, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, settings = keeping
    path = f"/console/logs/{kept_log(client, sign_in(client, settings), fakes.ECHO, WIDE)}"
    app: Any = client.app
    served = app.state.service.management._registered.types
    fewer = replace(served[fakes.ECHO].spec, options=())
    monkeypatch.setitem(served, fakes.ECHO, replace(served[fakes.ECHO], spec=fewer))
    again = client.post(path, data={"csrf": _token(client)})
    assert again.status_code == 200
    assert '<td class="answer">unsupported_option <span class="tag">' in again.text


def kept_log(client: TestClient, key: str, type_id: int, options: str, **images: Any) -> str:
    """Have a picture read that is kept; gives the log's id."""
    reply = client.post(
        "/api/v1/captcha.php",
        headers={"X-API-Key": key},
        data={"type": str(type_id), "options": options},
        files={"image": PNG, **images},
    )
    return str(reply.json()["data"]["log_id"])


def sign_in(client: TestClient, settings: Settings) -> str:
    """With a key that may do everything; gives it."""
    scopes = ("solve", "read", "admin")
    name = secrets.token_hex(4)
    with open_database(settings.database, settings.database_url) as database:
        key = create_key(database, name, scopes=scopes, opening_micros=10**6, now_ms=0).secret
    client.post("/console/login", data={"key": key})
    return key


def test_a_session_that_asks_without_pause_is_told_to_wait(
    shop: Any, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_VISITS_PER_S", 0.001)
    monkeypatch.setattr(service, "_VISITS_AT_ONCE", 3)
    replies = [shop.http.get("/console/ledger") for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert float(replies[3].headers["Retry-After"]) > 0
    assert admin.http.get("/console/ledger").status_code == 200  # each key for itself


def test_an_image_that_is_not_kept_is_not_read_again(
    admin: Any, shop: Any, client: TestClient
) -> None:
    log_id = solve(client, shop.secret).json()["data"]["log_id"]
    assert "图片没有保存" in admin.http.get(f"/console/logs/{log_id}").text
    assert admin.do(f"/console/logs/{log_id}").status_code == 404


FAILURES: dict[str, Callable[[Any, Any], Any]] = {
    "an action": lambda admin, nobody: admin.do("/console/keys", action="create"),
    "an action, the operator's own matter": lambda admin, nobody: admin.do(
        "/console/keys", action="top_up", account="no-such-account", amount="1", form="x"
    ),
    "a page": lambda admin, nobody: admin.http.get("/console/logs/LOG20241101000001"),
    "a try": lambda admin, nobody: admin.do("/console/try", type=str(fakes.ECHO)),
    "a sign-in": lambda admin, nobody: nobody.http.post("/console/login", data={"key": "ak_x"}),
    "a path that does not exist": lambda admin, nobody: nobody.http.get("/nothing"),
}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("failure", FAILURES)
def test_what_went_wrong_is_said_in_the_language_of_the_page(
    admin: Any, stranger: Any, failure: str, language: str
) -> None:
    for visitor in (admin, stranger):
        visitor.http.headers.update({"Accept": "text/html", "Accept-Language": language})
    reply = FAILURES[failure](admin, stranger)
    assert reply.status_code >= 400
    said = re.findall(
        r"<title>(.*?)</title>|<h1>(.*?)</h1>|(?:alert|lead)\">(.*?)</p>", reply.text, re.DOTALL
    )
    assert len(said) == 3
    chinese = [bool(re.search("[\u4e00-\u9fff]", "".join(one))) for one in said]
    assert chinese == [language == "zh"] * 3
    assert "".join(said[2])
