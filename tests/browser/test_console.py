"""The console in a browser: what somebody does in it, and what somebody else tries to."""

import base64
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pictured
import pytest
from playwright.sync_api import Page, expect

import fakes
from conftest import PHONE, Site, broken_books, read_again, sign_in
from loupette import Client
from loupette.errors import KeyDisabled
from loupette.store.database import Database
from loupette.store.keys import create_key
from serving import Server

Opener = Callable[..., Page]
GUESSES = ("ak_wrong", "", "<script>window.hacked = 1</script>")


def sample(folder: Path) -> str:
    file = folder / "captcha.png"
    file.write_bytes(fakes.draw_png(200, 80, "lightblue"))
    return str(file)


def solve(site: Site, key: str, type_id: int, image: bytes | None = None) -> tuple[int, object]:
    """A request of a program; gives its status and its JSON."""
    text = base64.b64encode(image or fakes.draw_png(200, 80)).decode()
    reply = Server(None, site.port).post({"type": type_id, "image": text}, key)  # type: ignore[arg-type]
    return reply.status, reply.json


def test_from_the_first_visit_to_an_answer_with_boxes(
    open_page: Opener, site: Site, tmp_path: Path
) -> None:
    page = open_page("/types")
    page.get_by_role("link", name="控制台").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("登录控制台")
    sign_in(page, site.admin)
    page.get_by_role("link", name="试一试").first.click()
    page.select_option("#type", str(pictured.PICTURED))
    expect(page.locator(".use-sample")).to_have_attribute(
        "href", f"/types/{pictured.PICTURED}/sample"
    )
    page.set_input_files("#image", sample(tmp_path))
    expect(page.locator(".preview")).to_be_visible()
    page.get_by_role("button", name="识别").click()
    expect(page.locator("#answer .big")).to_have_text("ab")
    expect(page.locator("#answer")).to_contain_text("75.00 %")
    expect(page.locator(".characters td")).to_have_text(["99 %", "50 %"])
    assert page.url.endswith("/console/try")
    # The box is where the plugin said, at whatever size the picture is shown.
    picture = page.locator(".pictured img").bounding_box()
    box = page.locator(".boxes .found .over").first.bounding_box()
    assert picture and box
    scale = picture["width"] / 200
    x, y, width, height = pictured.BOX
    for found, wanted in (
        (box["x"] - picture["x"], x),
        (box["y"] - picture["y"], y),
        (box["width"], width),
        (box["height"], height),
    ):
        assert abs(found - wanted * scale) <= 4


@pytest.mark.parametrize(("type_id", "read"), [(50200, "r7k4m"), (50100, "12+7=?")])
def test_each_character_of_our_own_types_is_drawn_where_it_is(
    open_page: Opener, site: Site, type_id: int, read: str
) -> None:
    page = open_page(f"/console/try?type={type_id}", key=site.admin)
    page.get_by_role("link", name="使用示例图片").click()
    expect(page.locator(".preview")).to_be_visible()
    page.get_by_role("button", name="识别").click()
    expect(page.locator(".characters th")).to_have_text(list(read))
    shares = page.locator(".characters td").all_inner_texts()
    assert all(50 < int(share.removesuffix(" %")) <= 100 for share in shares)
    page.locator(".boxes[data-is-fit]").wait_for()
    picture = page.locator(".pictured img").bounding_box()
    drawn = page.locator(".boxes .found .over")
    boxes = [drawn.nth(index).bounding_box() for index in range(drawn.count())]
    assert picture and len(boxes) == len(read)
    edges = [picture["x"] - 3]
    for box in boxes:
        assert box and box["x"] > edges[-1] - 3  # the strokes of neighbours overlap
        edges.append(box["x"] + box["width"])
    assert edges[-1] <= picture["x"] + picture["width"] + 3


@pytest.mark.parametrize("way", ["drop", "paste", "sample"])
def test_a_picture_is_given_in_other_ways(open_page: Opener, site: Site, way: str) -> None:
    page = open_page(f"/console/try?type={pictured.PICTURED}", key=site.admin)
    if way == "sample":
        page.get_by_role("link", name="使用示例图片").click()
    else:
        page.evaluate(
            """async ([way, url]) => {
              const held = new DataTransfer();
              held.items.add(new File([await (await fetch(url)).blob()], "a.png",
                {type: "image/png"}));
              const place = document.querySelector(".drop");
              place.dispatchEvent(way === "drop"
                ? new DragEvent("drop", {dataTransfer: held, bubbles: true, cancelable: true})
                : new ClipboardEvent("paste", {clipboardData: held, bubbles: true}));
            }""",
            [way, f"/types/{pictured.PICTURED}/sample"],
        )
    expect(page.locator(".preview")).to_be_visible()
    page.get_by_role("button", name="识别").click()
    assert page.locator("#answer .big").inner_text() == "ab"  # waits until it is there


def test_a_failure_is_shown_in_the_place_of_an_answer(open_page: Opener, site: Site) -> None:
    page = open_page(f"/console/try?type={pictured.PICTURED}", key=site.admin)
    page.set_input_files(
        "#image", {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"}
    )
    page.get_by_role("button", name="识别").click()
    assert "400" in page.locator("#answer [role=alert]").inner_text()  # waits until it is there
    assert page.locator("#type").is_visible()


def test_a_key_from_its_making_to_its_end(open_page: Opener, site: Site) -> None:
    page = open_page("/console/keys", key=site.admin)
    page.locator(".create summary").click()
    page.get_by_label("账户", exact=True).fill("lifecycle")
    page.get_by_label("新账户的余额 (¥)").fill("1")
    page.get_by_role("button", name="新建").click()
    secret = page.locator(".made code").inner_text()
    assert re.fullmatch(r"ak_[\w-]{43}", secret)
    page.goto("/console/keys")
    assert secret not in page.content() and secret[:11] in page.content()
    with Client(site.url, secret) as client:
        answer = client.solve(fakes.draw_png(200, 80), pictured.PICTURED)
        assert answer.result == "ab"
    page.goto("/console/logs?account=lifecycle")
    expect(page.locator(".logs tbody tr")).to_have_count(1)
    expect(page.locator(".logs tbody .answer")).to_have_text("ab")
    page.locator(".logs tbody a").click()
    expect(page.locator("h1")).to_have_text(answer.log_id)
    page.goto("/console/keys?q=lifecycle")
    page.locator(".key summary").click()
    page.get_by_role("button", name="禁用").click()
    expect(page.get_by_role("status")).to_contain_text("已禁用")
    with Client(site.url, secret) as client, pytest.raises(KeyDisabled):
        client.solve(fakes.draw_png(200, 80), pictured.PICTURED)
    status, _ = solve(site, secret, pictured.PICTURED)
    assert status == 401


def test_a_form_that_is_sent_twice_tops_up_once(open_page: Opener, site: Site) -> None:
    with Database.open(site.database) as database:
        create_key(database, "twice", now_ms=0)
    page = open_page("/console/keys?q=twice", key=site.admin)
    page.locator(".key summary").click()
    page.get_by_label("充值 (¥)").fill("5")
    statuses = page.get_by_label("充值 (¥)").evaluate(
        """async ({form}) => {
          const body = new URLSearchParams(new FormData(form));
          const send = () => fetch("/console/keys", {method: "POST", body});
          return (await Promise.all([send(), send()])).map((reply) => reply.status);
        }"""
    )
    assert statuses == [200, 200]  # of the page they lead to
    page.goto("/console/keys?q=twice")
    expect(page.locator(".key .price")).to_have_text("¥5.0000")


def test_a_price_changes_for_the_next_request(open_page: Opener, site: Site) -> None:
    page = open_page("/console/types", key=site.admin)
    place = page.locator(f"#type-{fakes.ECHO}")
    place.get_by_label("价格 (¥)").fill("0.02")
    place.get_by_role("button", name="保存").click()
    expect(page.get_by_role("status")).to_be_visible()
    _, reply = solve(site, site.admin, fakes.ECHO)
    assert float(reply["data"]["cost"]) == 0.02  # type: ignore[index]
    expect(place).to_contain_text("与 registry.toml 不同")
    place.get_by_role("button", name="恢复 registry.toml").click()
    expect(place).not_to_contain_text("与 registry.toml 不同")
    _, reply = solve(site, site.admin, fakes.ECHO)
    assert float(reply["data"]["cost"]) == 0.01  # type: ignore[index]


def test_a_request_is_read_again_with_the_options_it_had(open_page: Opener, site: Site) -> None:
    page = open_page(f"/console/try?type={fakes.ECHO}", key=site.admin)
    page.get_by_role("link", name="使用示例图片").click()
    expect(page.locator(".preview")).to_be_visible()
    page.locator("#asked summary").click()
    page.fill("#option-charset", "xyz")
    page.get_by_role("button", name="识别").click()
    page.locator("#answer a").click()
    expect(page.locator(".facts")).to_contain_text("charset=xyz")
    expect(page.locator(".pictured img")).to_be_visible()
    read_again(page)
    answer = page.locator("#reading tr", has_text="答案").locator("td")
    expect(answer).to_have_text(["xyz", "xyz"])
    expect(page.locator("#reading .differs")).to_have_count(0)
    set_answer = "UPDATE logs SET answer = '{}' WHERE options LIKE '%xyz%'"
    with site.tampered(set_answer.format("uvw"), set_answer.format("xyz")):
        read_again(page)
    expect(page.locator("#reading .differs")).to_have_count(1)
    assert [text.split() for text in answer.all_inner_texts()] == [["uvw"], ["xyz", "不同"]]


def test_books_that_do_not_add_up_raise_an_alarm(open_page: Opener, site: Site) -> None:
    page = open_page("/console/ledger", key=site.admin)
    check = page.get_by_role("button", name="核对全部账目")
    with broken_books(site):
        check.click()
        alarm = page.locator("#checked").get_by_role("alert")
        expect(alarm).to_contain_text("账目不符")
        expect(alarm.get_by_role("listitem")).to_have_text(
            re.compile(r"^账户 lab：余额为 ¥[\d.,]+，账本合计为 ¥[\d.,]+$")
        )
    check.click()
    expect(page.locator("#checked")).to_contain_text("账目相符")
    expect(alarm).to_have_count(0)


def test_searching_and_choosing_change_a_part_of_the_page(open_page: Opener, site: Site) -> None:
    page = open_page("/console/logs", key=site.admin)
    page.evaluate("window.isTheSame = true")
    page.select_option("#outcome", "low_confidence")
    page.wait_for_url("**outcome=low_confidence**")
    expect(page.locator(".logs tbody .badge").first).to_have_text("low_confidence")
    page.goto("/console")
    page.evaluate("window.isTheSame = true")
    page.get_by_role("link", name="30 天").click()
    page.wait_for_url("**range=30d")
    expect(page.get_by_role("link", name="30 天")).to_have_attribute("aria-current", "true")
    assert page.evaluate("window.isTheSame") is True
    page.goto("/console/ledger")
    page.get_by_role("button", name="核对全部账目").click()
    expect(page.locator("#checked")).to_contain_text("账目相符")


@pytest.mark.parametrize("guess", GUESSES)
def test_a_wrong_key_is_not_let_in(open_page: Opener, guess: str) -> None:
    page = open_page()
    page.fill("#key", guess or " ")
    page.press("#key", "Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert [cookie["name"] for cookie in page.context.cookies()] == []


def test_a_script_cannot_read_the_session(open_page: Opener, site: Site) -> None:
    page = open_page()
    sign_in(page, site.admin)
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (
        "console",
        True,
        "Strict",
        "/console",
    )
    page.get_by_role("link", name="30 天").click()
    page.wait_for_url("**range=30d")
    kept = page.evaluate("document.cookie + JSON.stringify([localStorage, sessionStorage])")
    assert cookie["value"] not in kept and "operator" not in kept


def test_an_answer_that_is_a_script_is_text(open_page: Opener, site: Site) -> None:
    assert solve(site, site.admin, pictured.SCRIPT)[0] == 200
    page = open_page("/console/logs", key=site.admin)
    expect(page.locator(".logs .answer").first).to_have_text(pictured.HACK)
    page.locator(".logs a").first.click()
    expect(page.locator(".big")).to_have_text(pictured.HACK)
    page.goto(f"/console/try?type={pictured.SCRIPT}")
    page.get_by_role("link", name="使用示例图片").click()
    expect(page.locator(".preview")).to_be_visible()
    page.get_by_role("button", name="识别").click()
    expect(page.locator("#answer .big")).to_have_text(pictured.HACK)
    assert page.evaluate("window.hacked") is None


def test_the_policy_stops_a_script_that_got_into_a_page(chromium_page: Page) -> None:
    """As if escaping had failed: the browser itself refuses what is written into a page."""
    done = chromium_page.evaluate(
        """() => new Promise((resolve) => {
          document.addEventListener("securitypolicyviolation",
            (event) => resolve(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "window.hacked = 1";
          document.body.append(script);
        })"""
    )
    assert done.startswith("script-src")
    assert chromium_page.evaluate("window.hacked") is None


@contextmanager
def elsewhere(page_of_it: str) -> Iterator[str]:
    """Another site, though at the same host name: browsers send it SameSite cookies."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page_of_it.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def test_a_page_of_another_site_changes_nothing(chromium_page: Page, site: Site) -> None:
    page = chromium_page
    form = f"""<form method=post action="{site.url}/console/keys">
      <input name=action value=top_up><input name=account value=shop><input name=amount value=666>
      </form><script>document.forms[0].submit()</script>"""
    with elsewhere(form) as url, page.expect_response("**/console/keys") as answered:
        page.goto(url)
    assert answered.value.status == 403
    page.goto(f"{site.url}/console/ledger")
    assert "666" not in page.content()


def test_no_other_site_frames_the_console(chromium_page: Page, site: Site) -> None:
    with elsewhere(f'<iframe src="{site.url}/console/keys"></iframe>') as url:
        chromium_page.goto(url)
        frame = chromium_page.frames[1]
        assert site.admin[:11] not in frame.content()
        assert "密钥" not in frame.content()


@pytest.fixture
def chromium_page(chromium: object, site: Site) -> Iterator[Page]:
    """A signed-in browser that goes to other sites too."""
    context = chromium.new_context(locale="zh-CN")  # type: ignore[attr-defined]
    context.add_cookies([site.session(site.admin)])
    page = context.new_page()
    page.goto(f"{site.url}/console")
    yield page
    context.close()


def test_a_keyboard_is_enough(open_page: Opener, site: Site) -> None:
    page = open_page()
    page.keyboard.type(site.admin)  # the field has the focus
    page.keyboard.press("Enter")
    expect(page.locator(".who")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_role("link", name="密钥").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/keys")
    page.locator(".create summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "account"


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("name", ["", "/keys", "/logs", "/types", "/try", "/ledger", "/login"])
def test_a_phone_needs_no_scrolling_sideways(
    open_page: Opener, site: Site, name: str, language: str
) -> None:
    page = open_page(f"/console{name}", size=PHONE, key=site.admin, language=language)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    for link in page.locator(".side nav a").all():
        expect(link).to_be_in_viewport(ratio=1)


def test_without_scripts_it_works_too(chromium: object, site: Site, tmp_path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False, locale="zh-CN")  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto(f"{site.url}/console/login")
    sign_in(page, site.admin)
    page.goto(f"{site.url}/console/try?type={pictured.PICTURED}")
    page.set_input_files("#image", sample(tmp_path))
    page.get_by_role("button", name="识别").click()
    expect(page.locator("#answer .big")).to_have_text("ab")
    assert page.locator(".boxes .found .over").count() > 0
    context.close()
