"""What the code offers is documented; what the documents show is up to date, linked and works."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from loupette import client, plugin
from loupette.frames import Read, Task
from loupette.manager import load_plugins
from loupette.plugin.types import DOCUMENTED_TYPES
from loupette.registry import _REPORTS, _TYPE
from loupette.settings import Settings, variable_of
from loupette.solving import Solvers
from loupette.store.keys import SCOPES
from loupette.web.docs import anchor
from loupette.web.responses import REASONS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import generate  # noqa: E402  # a script beside the documents, not a package

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.glob("*.md")]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def headings(page: str) -> list[str]:
    return re.findall(r"^#+ (.+)$", page, re.MULTILINE)


@pytest.mark.slow
def test_generated_parts_are_up_to_date() -> None:
    pages = (ROOT / "README.md", *DOCS.glob("*.md"), *ROOT.glob("plugins/*/README.md"))
    names = [str(path.relative_to(ROOT)) for path in pages]
    done = subprocess.run(
        [sys.executable, "-m", "cogapp", "--check", *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"run `make docs`:\n{done.stdout}{done.stderr}"


def test_every_screen_that_is_made_is_shown() -> None:
    shown = re.findall(r"docs/screens/([\w-]+\.png)", read("README.md"))
    assert sorted(shown) == sorted(path.name for path in (DOCS / "screens").iterdir())


@pytest.mark.parametrize("name", generate.hooks())
def test_hook_is_documented_under_its_signature(name: str) -> None:
    assert any(heading.startswith(f"`{name}(") for heading in headings(read("docs/plugin-api.md")))


@pytest.mark.parametrize("name", plugin.__all__)
def test_public_name_of_the_plugin_api_is_documented(name: str) -> None:
    assert re.search(rf"\b{name}\b", read("docs/plugin-api.md"))


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("page", ["docs/http-api.md", "docs/operating.md"])
def test_scope_is_documented(page: str, scope: str) -> None:
    assert f"`{scope}`" in read(page)


OWN = {10200: "slider", 50100: "arith", 50200: "alnum"}


@pytest.mark.slow
@pytest.mark.parametrize(("type_id", "plugin_name"), OWN.items())
def test_fields_of_an_answer_are_documented_and_no_others(type_id: int, plugin_name: str) -> None:
    (served,) = [one for one in load_plugins().loaded if one.name == f"loupette-{plugin_name}"]
    reply = Solvers([served]).answer(Task(type_id, served.specs[0].sample()))
    assert isinstance(reply, Read)
    assert reply.detail.keys() == generate.detail_fields(plugin_name).keys()
    for field in reply.detail:
        assert f"| `{type_id}` | `{field}` |" in read("docs/http-api.md")


@pytest.mark.parametrize("name", client.__all__)
def test_public_name_of_the_client_is_documented(name: str) -> None:
    assert re.search(rf"\b{name}\b", read("docs/python-client.md"))


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_setting_is_documented(name: str) -> None:
    assert f"| `{variable_of(name)}` |" in read("docs/operating.md")


@pytest.mark.parametrize("reason", REASONS)
def test_reason_is_documented_with_what_to_do(reason: str) -> None:
    assert f"| `{reason}` |" in read("docs/errors.md")
    assert generate.MENDS[reason]


def test_no_line_on_a_reason_that_does_not_exist() -> None:
    assert generate.MENDS.keys() <= REASONS.keys()


@pytest.mark.parametrize("path", [generate._plain(route.path) for route in generate.routes()])
def test_endpoint_is_documented(path: str) -> None:
    assert f"`{path}`" in headings(read("docs/http-api.md"))


def test_the_alert_on_money_also_tells_that_no_check_has_ended_since_the_start() -> None:
    (rule,) = re.findall(r"alert: LedgerDoesNotAddUp(.*?)- alert", read("docs/operating.md"), re.S)
    assert "or absent(loupette_ledger_mismatch)" in rule


def test_rules_and_queries_name_metrics_that_exist() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", read("docs/operating.md"), re.DOTALL)
    used = set(re.findall(r"\bloupette_\w+", "".join(blocks)))
    exposed = {s.name for family in generate.metric_families() for s in family.samples}
    assert len(used) > 3
    assert used - exposed == set()


@pytest.mark.parametrize("name", [path for path, _ in generate.commands()])
def test_command_is_documented(name: str) -> None:
    assert f"`{name}`" in headings(read("docs/operating.md"))


@pytest.mark.parametrize("key", [*_TYPE, *_REPORTS])
def test_registry_key_is_documented(key: str) -> None:
    assert f"| `{key}` |" in read("docs/operating.md")


def test_documented_types_are_served_under_their_names() -> None:
    served = generate.served_types()
    assert {type_id: kind.spec.name for type_id, kind in served.items()} == DOCUMENTED_TYPES


NAMED_TEST = re.compile(r"`((?:tests|plugins)/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize(
    ("file", "name"), sorted(set(NAMED_TEST.findall(read("docs/security.md"))))
)
def test_test_that_covers_a_threat_exists(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", read(file), re.MULTILINE)


def test_every_threat_has_a_test() -> None:
    rows = re.findall(r"^\| (?!threat)[^|-].*\|$", read("docs/security.md"), re.MULTILINE)
    assert len(rows) > 20
    assert [row for row in rows if not NAMED_TEST.search(row.rsplit(" | ", 1)[1])] == []


def test_readme_is_short() -> None:
    assert len(read("README.md").splitlines()) < 150


def links() -> list[tuple[Path, str]]:
    found = []
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", read(str(page.relative_to(ROOT))), flags=re.M | re.S)
        found += [(page, target) for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    return [(page, target) for page, target in found if "://" not in target]


@pytest.mark.parametrize(
    ("page", "target"), [pytest.param(*link, id=f"{link[0].name}-{link[1]}") for link in links()]
)
def test_link_leads_somewhere(page: Path, target: str) -> None:
    name, _, fragment = unquote(target).partition("#")
    linked = (page.parent / name) if name else page
    assert linked.exists()
    if fragment:
        anchors = [anchor(heading) for heading in headings(linked.read_text("utf-8"))]
        assert fragment in anchors


def test_every_page_is_in_the_index() -> None:
    index = read("docs/index.md") + read("docs/index.zh.md")
    missing = [page.name for page in DOCS.glob("*.md") if f"({page.name})" not in index]
    assert missing == []


@pytest.mark.parametrize("index", ["docs/index.md", "docs/index.zh.md"])
def test_no_page_is_in_an_index_twice(index: str) -> None:
    pages = re.findall(r"^- .*?\(([\w.-]+\.md)\)", read(index), re.MULTILINE)
    assert len(pages) > 10
    assert len(pages) == len(set(pages))


@pytest.mark.parametrize(
    "kind", [plugin.Answer, plugin.Challenge, plugin.Option, plugin.Picture, plugin.SolverSpec]
)
def test_generator_describes_each_field_of_the_plugin_api(kind: type) -> None:
    assert list(generate.attributes_of(kind)) == [field.name for field in fields(kind)]


SCORE = {
    "type_id": 50200,
    "source": "plain",
    "n": 10,
    "strict": 0.1,
    "lenient": 0.7,
    "low": 0.4,
    "high": 0.9,
    "answered": 0.0,
    "precision": None,
    "median_ms": 12.3,
}


def measure(path: Path, *scores: object) -> Path:
    """A file as `make bench-accuracy` writes it."""
    measured = {
        "date": "2026-01-02",
        "command": "make",
        "thresholds": {"50100": 0.0, "50200": 0.87},
        "scores": scores,
    }
    path.write_text(json.dumps(measured))
    return path


def test_accuracy_tables_show_what_was_measured_with_charset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = SCORE | {"charset": SCORE | {"lenient": 0.8}}
    monkeypatch.setattr(generate, "MEASURED", measure(tmp_path / "measured.json", told))
    assert "| 0.700 | 0.40–0.90 | 0.800 |" in generate.accuracy_sources(50200)
    assert "in any case, with `charset` | 1 | 10 | 0.800 |" in generate.accuracy_means()


def test_of_all_answered_each_picture_counts_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = SCORE | {"n": 90, "answered": 1.0, "precision": 1.0}
    few = SCORE | {"n": 20, "answered": 0.5, "precision": 0.9}
    monkeypatch.setattr(generate, "MEASURED", measure(tmp_path / "measured.json", many, few))
    shown = "| 2 | 110 | 0.700 | 0.750 | 0.950 | 0.990 [0.946, 0.998] n=100 |"
    assert shown in generate.accuracy_means()
    monkeypatch.setattr(generate, "MEASURED", measure(tmp_path / "none.json", SCORE))
    assert "| 0.700 | 0.000 | – | – |" in generate.accuracy_means()


def test_accuracy_tables_have_no_empty_charset_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "MEASURED", measure(tmp_path / "measured.json", SCORE))
    assert "charset" not in generate.accuracy_sources(50200) + generate.accuracy_means()
    assert generate.accuracy_sources(50200).endswith("| 0.00 | – | 12 |\n")
    assert generate.accuracy_when().endswith("Answered from a confidence of 0.87 for `50200`.\n")


def compared(right: dict[str, float], *, type_id: int, source: str) -> dict[str, Any]:
    """The figures of one comparison with one source; each peer takes 15 ms more than the last."""
    names = dict.fromkeys(way.split(", ")[0] for way in right)
    ms = {name: 10.0 + 15 * number for number, name in enumerate(names)}
    return {
        "versions": dict.fromkeys(ms, "1.0"),
        "sources": [{"type_id": type_id, "source": source, "n": 60, "right": right, "ms": ms}],
        "means": {str(type_id): right},
        "median_ms": ms,
        "times_as_long": {name: value / 10 for name, value in ms.items()},
        "rss_mib": {name: 54.4 + value for name, value in ms.items()},
    }


def texts(**right: float) -> dict[str, Any]:
    shares = {f"{name}, free": share for name, share in right.items()}
    shares |= {f"{name}, charset": share + 0.1 for name, share in right.items()}
    return compared(shares, type_id=50200, source="plain")


TEXTS = texts(loupette=0.6, ddddocr=0.5, beta=0.4)


@pytest.fixture
def keep_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Put figures where `make bench-peers` writes them."""

    def keep(measured: object) -> None:
        (tmp_path / "peers.json").write_text(json.dumps(measured))
        monkeypatch.setattr(generate, "PEERS", tmp_path / "peers.json")

    return keep


@pytest.mark.parametrize(
    ("default", "beta", "shown"),
    [
        (0.5, 0.4, "0.500 | 0.700 | 0.600 | 10 | 25 | 2.5"),
        (0.3, 0.4, "0.400 | 0.700 | 0.500 | 10 | 40 | 4.0"),
    ],
)
def test_loupette_is_compared_with_the_better_model(
    keep_peers: Callable[[object], None], default: float, beta: float, shown: str
) -> None:
    keep_peers(texts(loupette=0.6, ddddocr=default, beta=beta))
    assert f"| `50200` plain | 60 | 0.600 | {shown} |\n" in generate.peers_sources()


def test_the_comparison_shows_what_each_way_costs(keep_peers: Callable[[object], None]) -> None:
    keep_peers(TEXTS)
    shown = generate.peers_means()
    assert "| Loupette 1.0 | 0.600 | 10.0 | 1.0 | 64 |\n" in shown
    assert "| ddddocr 1.0 | 0.500 | 25.0 | 2.5 | 79 |\n" in shown
    assert "| ddddocr 1.0, kinds of characters told | 0.600 |  |  |  |\n" in shown


def test_sliders_are_compared_with_one_image_and_with_the_piece(
    keep_peers: Callable[[object], None],
) -> None:
    alone = {"loupette, free": 0.9, "captcha-recognizer, free": 0.8}
    paired = {"loupette, free": 1.0, "slide_match, free": 0.7}
    keep_peers(
        TEXTS
        | {
            "slider": compared(alone, type_id=10200, source="gaps"),
            "slider + image2": compared(paired, type_id=10200, source="gaps + image2"),
        }
    )
    shown = generate.peers_sliders()
    assert shown.index("### One image") < shown.index("### Image and piece")
    assert "| recogniser | `10200` within 3 px | median ms | times as long | MiB |\n" in shown
    assert "| captcha-recognizer 1.0 | 0.800 | 25.0 | 2.5 | 79 |\n" in shown
    assert "| `10200` gaps | 60 | 0.900 | 0.800 | 10 | 25 | 2.5 |\n" in shown
    assert "| `10200` gaps + image2 | 60 | 1.000 | 0.700 | 10 | 25 | 2.5 |\n" in shown


def test_sliders_that_were_not_measured_have_no_table(
    keep_peers: Callable[[object], None],
) -> None:
    keep_peers(TEXTS)
    assert generate.peers_sliders() == ""
