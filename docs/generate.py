"""What the documents take from the code; called by the cog blocks in README.md and docs/*.md."""

import ast
import inspect
import json
import re
import textwrap
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, Field, fields
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import click
import msgspec
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route
from starlette.testclient import TestClient

from loupette import client, errors
from loupette.cli.main import main
from loupette.cli.sheet import Row
from loupette.decoding import FORMATS, LIMITS
from loupette.errors import LoupetteError, OperatorError
from loupette.manager import load_plugins
from loupette.metrics import LedgerCheck, Metrics
from loupette.money import format_yuan, to_micros
from loupette.options import MIN_CONFIDENCE
from loupette.plugin import TEXT_OPTIONS, Option, hookspecs
from loupette.plugin.types import DOCUMENTED_TYPES
from loupette.registry import ServedType, build_catalogue
from loupette.settings import Settings, variable_of
from loupette.store.database import Database
from loupette.store.keys import create_key
from loupette.store.ledger import topup
from loupette.testing import CHECKS, conformance
from loupette.toolkit.metrics import Share
from loupette.web import console
from loupette.web.app import create_app
from loupette.web.docs import anchor
from loupette.web.responses import REASONS, code_and_msg
from loupette.web.samples import read_sample

ROOT = Path(__file__).parent.parent
"""The types of the documented page: these IDs and names stay as they are."""

MENDS = {
    "bad_request": "read the message",
    "empty_body": "post a JSON object or a form",
    "not_utf8": "encode the body as UTF-8",
    "not_json": "post one JSON object; the message says where it breaks",
    "slow_body": "send the whole body within the time the message names",
    "missing_field": "add the field the message names",
    "bad_field": "correct the field the message names",
    "unsupported_option": "leave it out, or use one the message lists",
    "unknown_type": "use a type ID from `/types`",
    "body_too_large": "send a smaller image",
    "head_too_large": "send the image in the body, not in the URL or a header",
    "unsupported_content_type": "send JSON or a form",
    "idempotency_mismatch": "use a new Idempotency-Key for a new request",
    "bad_image": "read the message",
    "bad_base64": "encode the file's bytes, not its path and not its text",
    "image_too_large": "scale or crop the image",
    "not_an_image": "send a PNG, JPEG, GIF, WebP or BMP file",
    "broken_image": "fetch the image again, whole",
    "too_many_frames": "send fewer frames",
    "unauthenticated": "check the key",
    "key_disabled": "ask the operator for a new key",
    "key_expired": "ask the operator for a new key",
    "scope_missing": "use a key with the scope the message names",
    "insufficient_balance": "ask the operator for a top-up",
    "rate_limited": "wait for `Retry-After` seconds",
    "overloaded": "wait for `Retry-After` seconds",
    "not_found": "check the path",
    "unknown_log": "check the log ID; it must be of your own account",
    "method_not_allowed": "use the method in the `Allow` header",
    "report_refused": "nothing; the message says why",
    "unsolvable": "fetch a new image; the plugin's README lists its own reasons",
    "low_confidence": "fetch a new image, or lower `options.min_confidence`",
    "options_broken": "fetch a new image, or correct the options",
    "solver_timeout": "try again; tell the operator if it stays",
    "solver_crashed": "tell the operator the log ID",
    "client_gone": "look the log ID up in `/api/v1/logs`; nothing was charged",
    "internal_error": "tell the operator the log ID",
    "outcome_unknown": "look the log ID up in `/api/v1/logs`, or send it again with the same"
    " Idempotency-Key",
}
"""What a caller can do about each reason; tests/test_docs.py finds a reason without a line."""

_HELP_WIDTH = 96


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [_row(head := list(head)), "|" + "---|" * len(head), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _code(text: object) -> str:
    return f"`{text}`"


def served_types() -> dict[int, ServedType]:
    """The types of registry.toml, as the plugins of this repository describe them."""
    ours = {path.name for path in (ROOT / "plugins").iterdir()}
    plugins = [
        plugin for plugin in load_plugins().loaded if plugin.name.removeprefix("loupette-") in ours
    ]
    return dict(build_catalogue(plugins, ROOT / "registry.toml").types)


def types_table() -> str:
    """Type ID, name and price, as the documented page has them."""
    return table(
        ("类型ID type ID", "名称 name", "价格 price", "示例图片 sample"),
        (
            (
                _code(type_id),
                f"{served.spec.name} ({served.spec.name_en})",
                format_yuan(served.price_micros),
                _code(f"/types/{type_id}/sample"),
            )
            for type_id, served in served_types().items()
        ),
    )


def types_details() -> str:
    """Each type with plugin, inputs and options."""
    return table(
        ("type ID", "name", "plugin", "inputs", "options"),
        (
            (
                _code(type_id),
                served.spec.name,
                _code(served.plugin),
                "`image`" + (", `image2`" if served.spec.second_image == "optional" else ""),
                ", ".join(_code(option.name) for option in (*served.spec.options, MIN_CONFIDENCE)),
            )
            for type_id, served in served_types().items()
        ),
    )


EXAMPLE = ROOT / "docs" / "example-reply.json"
"""What a server answered to the README's curl line; ``python docs/generate.py`` asks anew."""


def example_reply() -> str:
    """That reply."""
    return f"```json\n{EXAMPLE.read_text(encoding='utf-8')}```\n"


def sample(language: str) -> str:
    """A sample that the documents share with the catalogue's pages."""
    fence = {"curl": "bash"}.get(language, language)
    return f"```{fence}\n{read_sample(language)}```\n"


def capture_reply(type_id: int) -> None:
    """Serve in a new folder, post the type's own sample as the README does, keep the reply."""
    served = served_types()[type_id]
    with TemporaryDirectory() as folder:
        settings = Settings(
            database=Path(folder) / "loupette.db", registry=ROOT / "registry.toml", workers=1
        )
        with Database.open(settings.database) as database:
            key = create_key(database, "demo", now_ms=0).secret
            topup(database, "demo", to_micros(Decimal(100)), now_ms=0)
        with TestClient(create_app(settings)) as client:
            while client.get("/readyz").status_code != 200:
                time.sleep(0.1)  # a first reply would count the start of the workers
            reply = client.post(
                "/api/v1/captcha.php",
                headers={"X-API-Key": key},
                data={"type": str(type_id)},
                files={"image": served.spec.sample()},
            )
    # As people read it: the reply's own numbers, two more blanks a level, short parts on one line.
    EXAMPLE.write_text(_join_short(msgspec.json.format(reply.text, indent=2)) + "\n", "utf-8")


def _join_short(text: str) -> str:
    """JSON with the innermost lists and objects on one line each."""
    for innermost in (r"(\[)([^][{}]*)(\])", r"(\{)([^{}]*)(\})"):
        text = re.sub(innermost, lambda part: part[1] + " ".join(part[2].split()) + part[3], text)
    return text


MEASURED = ROOT / "bench" / "accuracy.json"
"""Written by ``make bench-accuracy DATA=folder CHARSET=1 JSON=bench/accuracy.json``."""

_STRICT = {10200: "within 3 px", 50100: "exact", 50200: "exact"}
_LENIENT = {10200: "within 5 px", 50100: "by value", 50200: "in any case"}


def accuracy_means() -> str:
    """Per type, the mean over all sources measured; what is given besides is another question."""
    rows = []
    for type_id, scores in _scores_by_type().items():
        alone = [score for score in scores if "image2" not in score["source"]]
        paired = [score for score in scores if "image2" in score["source"]]
        told = [score["charset"] for score in scores if score.get("charset")]
        name = f"`{type_id}` {DOCUMENTED_TYPES[type_id]}, {_LENIENT[type_id]}"
        groups = {"": alone, ", with `image2`": paired, ", with `charset`": told}
        rows += [(name + given, *_means(group)) for given, group in groups.items() if group]
    head = ("type, right", "sources", "pictures", "right", "answered", "right of those answered")
    return table((*head, "the same over pictures"), rows)


def _means(scores: list[dict[str, Any]]) -> tuple[int, int, str, str, str, str]:
    """Means over sources; the last is over pictures, so a source of few answers counts little."""
    right, answered, precision = (
        _share(fmean(known) if known else None)
        for name in ("lenient", "answered", "precision")
        for known in [[score[name] for score in scores if score[name] is not None]]
    )
    pictures = sum(score["n"] for score in scores)
    return len(scores), pictures, right, answered, precision, _of_all_answered(scores)


def _of_all_answered(scores: list[dict[str, Any]]) -> str:
    counts = [round(score["answered"] * score["n"]) for score in scores]
    pairs = zip(scores, counts, strict=True)
    right = sum(round(score["precision"] * count) for score, count in pairs if count)
    return str(Share(right, sum(counts))) if any(counts) else "–"


def _share(value: float | None) -> str:
    """A source that is never answered has no precision."""
    return "–" if value is None else f"{value:.3f}"


def accuracy_sources(type_id: int) -> str:
    """Every source of a type, with the 95 % Wilson interval; given characters, if measured."""
    scores = _scores_by_type()[type_id]
    told = any(score.get("charset") for score in scores)
    right = (_STRICT[type_id], f"right ({_LENIENT[type_id]})", "95 %")
    rest = ("answered", "right of those answered", "median ms")
    return table(
        ("source", "pictures", *right, *(["with `charset`"] if told else []), *rest),
        (
            (
                score["source"],
                score["n"],
                _share(score["strict"]),
                _share(score["lenient"]),
                f"{score['low']:.2f}–{score['high']:.2f}",
                *([_share(score["charset"]["lenient"])] if told else []),
                f"{score['answered']:.2f}",
                _share(score["precision"]),
                f"{score['median_ms']:.0f}",
            )
            for score in scores
        ),
    )


def card_facts(plugin: str) -> str:
    """What a model's card says of itself: size, pictures seen, and its held-out score."""
    card, folder = _card(plugin)
    held = card["held_out"]["exact"]
    low, high = held["interval"]
    size = (folder / card["model_file"]).stat().st_size / 1e6
    return (
        f"{card['parameters'] / 1e6:.2f} M parameters, {size:.1f} MB ({card['weights']} weights), "
        f"made on {card['date']}.\n"
        f"On {held['n']} drawn pictures in fonts and styles kept from training it reads "
        f"{held['value']:.3f} exactly ({low:.3f}–{high:.3f})."
    )


def card_calibration(plugin: str) -> str:
    """How confidences of held-out pictures compare with the truth, and what a threshold gives."""
    card, _ = _card(plugin)
    found = card["calibration"]
    bins = table(
        ("confidence from", "pictures", "mean confidence", "right"),
        (
            (f"{row['from']:.1f}", row["n"], _share(row["confidence"]), _share(row["accuracy"]))
            for row in found["reliability"]
        ),
    )
    wanted = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, found["min_confidence"])
    curve = table(
        ("`min_confidence`", "answered", "right of those"),
        (
            (f"{row['threshold']:.2f}", _share(row["answered"]), _share(row["precision"]))
            for row in found["curve"]
            if row["threshold"] in wanted
        ),
    )
    return f"{bins}\n\nExpected calibration error {found['error']:.3f}, n {found['n']}.\n\n{curve}"


def _card(plugin: str) -> tuple[dict[str, Any], Path]:
    """A plugin's card and the folder it lies in."""
    folder = ROOT / f"plugins/{plugin}/src/loupette_{plugin}/weights"
    card: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return card, folder


def accuracy_when() -> str:
    """The day, the command and the thresholds of the figures."""
    measured = _measured()
    thresholds = measured.get("thresholds", {})
    said = [f"{value:g} for `{type_id}`" for type_id, value in thresholds.items() if value]
    answered = f" Answered from a confidence of {', '.join(said)}." if said else ""
    return f"Measured {measured['date']} with `{measured['command']}`.{answered}\n"


def _measured() -> dict[str, Any]:
    measured: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return measured


def _scores_by_type() -> dict[int, list[dict[str, Any]]]:
    by_type: dict[int, list[dict[str, Any]]] = {type_id: [] for type_id in DOCUMENTED_TYPES}
    for score in _measured()["scores"]:
        by_type[score["type_id"]].append(score)
    return by_type


CHARGES = ROOT / "bench" / "postgres.json"
"""Written by ``make bench-postgres JSON=bench/postgres.json``."""
DEATHS = ROOT / "bench" / "postgres_chaos.json"
"""Written by ``make chaos-postgres JSON=bench/postgres_chaos.json``."""


def postgres_measured() -> str:
    """Charges a second on PostgreSQL, and what came of killing it or a server under load."""
    charges = json.loads(CHARGES.read_text(encoding="utf-8"))
    deaths = json.loads(DEATHS.read_text(encoding="utf-8"))
    ways = {"batched": "as Loupette writes them", "textbook": "`SELECT ... FOR UPDATE`, a pool"}
    rates = table(
        ("two transactions for each of many requests", "charges/s", "processor µs a charge"),
        (
            (name, charges["charges_per_s"][way], charges["cpu_us_per_charge"][way])
            for way, name in ways.items()
        ),
    )
    times = charges["batched_over_textbook"]
    faults = table(
        ("under load of two servers", "times", "answers again after", "at the longest"),
        (
            (name, row["rounds"], f"{row['back_s_median']} s", f"{row['back_s_longest']} s")
            for name, row in deaths["faults"].items()
        ),
    )
    return (
        f"`{charges['command']}`, PostgreSQL {charges['postgres']} on the same machine beside"
        f" other programs, {charges['clients']} requests at once, {charges['date']}:\n\n"
        f"{rates}\nThat is {times['charges_per_s']:g} times as many charges a second, and"
        f" {times['charges_per_processor_s']:g} times as many for the same processor time; both on"
        " one server with `fsync` and `synchronous_commit` on, in rounds that alternate.\n\n"
        f"`{deaths['command']}`, {deaths['date']}:"
        f" {deaths['acknowledged_charges']} acknowledged charges,"
        f" {deaths['lost_or_doubled']} of them lost or made twice; {deaths['repeated_requests']}"
        " requests were repeated by their callers. The times have the start of the killed process"
        f" in them:\n\n{faults}"
    )


PEERS = ROOT / "bench" / "peers.json"
"""Written by ``make bench-peers DATA=folder JSON=bench/peers.json``."""

_PEERS = {
    "loupette": "Loupette",
    "ddddocr": "ddddocr",
    "beta": "ddddocr `beta=True`",
    "captcha-recognizer": "captcha-recognizer",
    "slide_match": "ddddocr `slide_match`",
}
_WAYS = {
    "free": "",
    "ranges": ", `set_ranges`",
    "charset": ", kinds of characters told",
}
_COUNTED = _LENIENT | {10200: _STRICT[10200]}
_SLIDERS = {"slider": "One image", "slider + image2": "Image and piece"}


def peers_means(comparison: str = "text") -> str:
    """Each recogniser and way to ask it: means over sources, time and memory."""
    measured = _peers(comparison)
    rows = []
    for way in measured["sources"][0]["right"]:
        name, _, how = way.partition(", ")
        said = f"{_PEERS[name]} {measured['versions'][name]}{_WAYS[how]}"
        means = [f"{mean[way]:.3f}" for mean in measured["means"].values()]
        cost = (
            f"{measured['median_ms'][name]:.1f}",
            f"{measured['times_as_long'][name]:.1f}",
            f"{measured['rss_mib'][name]:.0f}",
        )
        rows.append((said, *means, *(cost if how == "free" else [""] * len(cost))))
    types = [f"`{type_id}` {_COUNTED[int(type_id)]}" for type_id in measured["means"]]
    return table(("recogniser", *types, "median ms", "times as long", "MiB"), rows)


def peers_sources(comparison: str = "text") -> str:
    """Every source: Loupette and the best peer, without and, if measured, with characters."""
    measured = _peers(comparison)
    peers = [name for name in measured["versions"] if name != "loupette"]
    best = {
        type_id: max(peers, key=lambda name: mean[f"{name}, free"])
        for type_id, mean in measured["means"].items()
    }
    told = {"free": "", "charset": ", kinds told"}
    hows = [how for how in told if f"loupette, {how}" in measured["sources"][0]["right"]]
    rows = []
    for source in sorted(measured["sources"], key=lambda source: -source["type_id"]):
        peer = best[str(source["type_id"])]
        ways = [f"{name}, {how}" for how in hows for name in ("loupette", peer)]
        ms = source["ms"]
        rows.append(
            (
                f"`{source['type_id']}` {source['source']}",
                source["n"],
                *(f"{source['right'][way]:.3f}" for way in ways),
                f"{ms['loupette']:.0f}",
                f"{ms[peer]:.0f}",
                f"{ms[peer] / ms['loupette']:.1f}",
            )
        )
    both = (_PEERS["loupette"], _PEERS[peers[0]])
    right = [name + told[how] for how in hows for name in both]
    return table(
        ("source", "pictures", *right, *(f"{name} ms" for name in both), "times as long"), rows
    )


def peers_sliders() -> str:
    """Both tables of each comparison of sliders that was measured."""
    return "\n".join(
        f"### {title}\n\n{peers_means(comparison)}\n{peers_sources(comparison)}"
        for comparison, title in _SLIDERS.items()
        if comparison in _peers()
    )


def peers_when() -> str:
    """The day, the command and the processor of the comparison."""
    measured = _peers()
    how = f"`{measured['command']}`, first {measured['limit']} pictures of each source"
    return f"Measured {measured['date']} with {how}, on one core ({measured['processor']}).\n"


def _peers(comparison: str = "text") -> dict[str, Any]:
    """The figures of texts, beside the date and the command; or those that lie under a name."""
    measured: dict[str, Any] = json.loads(PEERS.read_text(encoding="utf-8"))
    figures: dict[str, Any] = measured if comparison == "text" else measured[comparison]
    return figures


_OPTION = ("kind", "range", "default", "含义", "meaning")


def options_table() -> str:
    """The options that the engine itself knows: those of texts, and the one of every type."""
    options = (*TEXT_OPTIONS, MIN_CONFIDENCE)
    return table(("option", *_OPTION), ((_code(one.name), *_option(one)) for one in options))


def served_options_table() -> str:
    """Every option of the types that are served, and which of them take it."""
    taken: dict[Option, list[int]] = {option: [] for option in TEXT_OPTIONS}
    for type_id, served in served_types().items():
        for option in (*served.spec.options, MIN_CONFIDENCE):
            taken.setdefault(option, []).append(type_id)
    return table(
        ("option", "types", *_OPTION),
        (
            (_code(option.name), ", ".join(map(_code, types)), *_option(option))
            for option, types in taken.items()
        ),
    )


def _option(option: Option) -> tuple[str, ...]:
    default = "" if option.default is None else _code(option.default)
    return option.kind, _range(option), default, option.zh, option.en


def detail_fields(plugin: str) -> dict[str, str]:
    """What a plugin says beside its result: field and meaning, as its README has them."""
    text = (ROOT / "plugins" / plugin / "README.md").read_text(encoding="utf-8")
    rows = text.split("| field | meaning |\n|---|---|\n", 1)[1].partition("\n\n")[0]
    cells = (re.split(r" *(?<!\\)\| *", row.strip("| ")) for row in rows.splitlines())
    return {field.strip("`"): meaning for field, meaning in cells}


def detail_table() -> str:
    """The same of every type that is served."""
    page = "../../docs/http-api.md"
    return table(
        ("type", "field", "meaning"),
        (
            (_code(type_id), _code(field), meaning.replace(page, ""))
            for type_id, served in served_types().items()
            for field, meaning in detail_fields(served.plugin.removeprefix("loupette-")).items()
        ),
    )


def _range(option: Option) -> str:
    if option.choices:
        return ", ".join(map(_code, option.choices))
    of = " characters" if option.kind == "text" else ""
    return f"{option.minimum}–{option.maximum}{of}"


def image_limits() -> str:
    """What an image may be."""
    return (
        f"- formats: {', '.join(FORMATS)}, recognised by their first bytes\n"
        f"- at most {LIMITS.max_bytes // 2**20} MiB, {LIMITS.max_side_px} pixels a side,"
        f" {LIMITS.max_pixels // 10**6} million pixels over all frames\n"
        f"- animations: at most {LIMITS.max_frames} frames\n"
    )


def error_classes() -> list[type[LoupetteError]]:
    """Every class of the tree."""
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, LoupetteError)
    ]


def errors_table() -> str:
    """Reason, code, Chinese, meaning and mend, by code; what only an operator sees is left out."""
    by_code = sorted(REASONS.items(), key=lambda item: code_and_msg(item[1])[0])
    return table(
        ("code", "msg", "reason", "中文", "meaning", "what to do"),
        (
            (*code_and_msg(kind), _code(reason), kind.zh, _first_line(kind), MENDS[reason])
            for reason, kind in by_code
        ),
    )


def operator_errors() -> str:
    """What is met at start and on the command line."""
    kinds = [kind for kind in error_classes() if issubclass(kind, OperatorError)]
    return table(("reason", "meaning"), ((_code(kind.reason), _first_line(kind)) for kind in kinds))


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0].rstrip(".")


def endpoints_table() -> str:
    """Method and path of every route."""
    return table(
        ("method", "path", "what"),
        (
            (
                ", ".join(sorted((route.methods or set()) - {"HEAD"})),
                f"[`{_plain(route.path)}`](#{anchor(_plain(route.path))})",
                _route_line(route),
            )
            for route in routes()
        ),
    )


def routes() -> list[Route]:
    """The application's routes, but for ``/`` and the console's, which are no API."""
    app = create_app(Settings())
    return [
        route
        for route in app.routes
        if isinstance(route, Route) and route.path != "/" and route not in console.ROUTES
    ]


def _plain(path: str) -> str:
    return path.replace(":int", "")


def _route_line(route: Route) -> str:
    line = _first_line(route.endpoint)
    return re.sub(r"^(GET|POST) [^ :]+?(\.php)?[:.]\s*|^/\w+: ", "", line + ":").rstrip(": ")


def settings_table() -> str:
    """Every ``LOUPETTE_*`` variable with its default and meaning."""
    meanings = attributes_of(Settings)
    return table(
        ("variable", "default", "meaning"),
        (
            (_code(variable_of(field.name)), _default(field), meanings[field.name])
            for field in fields(Settings)
        ),
    )


def _default(field: Field[Any]) -> str:
    if field.name == "workers":
        return "one per core"
    value = "" if field.default in (MISSING, None) else field.default
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    return _code(value) if value != "" else "none"


def metric_families() -> list[Metric]:
    """The metrics of a server that counted one request and has one worker; not its process's."""
    pool = SimpleNamespace(
        waiting=0, restarts=Counter(died=1), resident_bytes=lambda: {0: 1}, failures={}
    )
    catalogue: Any = SimpleNamespace(types={50200: None})
    engine: Any = SimpleNamespace(catalogue=catalogue, pool=pool, open_holds=0)
    metrics = Metrics(engine, in_flight=lambda: 1)
    metrics.count(None, "ok", seconds=0.1)
    metrics.ledger_check = LedgerCheck(0, ended_s=0, took_s=0)
    return [
        family
        for family in text_string_to_metric_families(metrics.expose().decode())
        if family.name.startswith("loupette_") and not family.name.endswith("_created")
    ]


def metrics_table() -> str:
    """Every metric with its labels, kind and meaning."""
    rows = []
    for family in metric_families():
        labels = ",".join(name for name in family.samples[0].labels if name != "le")
        name = family.name + ("_total" if family.type == "counter" else "")
        shown = _code(f"{name}{{{labels}}}" if labels else name)
        rows.append((shown, family.type, family.documentation))
    return table(("metric", "kind", "meaning"), rows)


def attributes_of(kind: type) -> dict[str, str]:
    """The ``Attributes:`` section of a class's docstring."""
    return _entries(kind, "Attributes")


def _entries(kind: type, title: str) -> dict[str, str]:
    """One section of a docstring, up to the next."""
    section = (inspect.getdoc(kind) or "").partition(f"{title}:\n")[2]
    section = re.split(r"\n(?=\w)", section)[0]
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \w)", textwrap.indent(textwrap.dedent(section), "    ")):
        name, colon, text = entry.strip().partition(":")
        if colon:
            found[name] = " ".join(text.split()).replace("``", "`")
    return found


def attributes_table(kind: type) -> str:
    """A public dataclass: each field with type, default and meaning."""
    meanings, types = attributes_of(kind), _annotations(kind)
    return table(
        ("field", "type", "default", "meaning"),
        (
            (_code(name), _code(types[name]), _field_default(field), meanings[name])
            for field in fields(kind)
            if (name := field.name) in meanings
        ),
    )


def fields_table(kind: type) -> str:
    """The fields and computed values of a dataclass that people get and do not make."""
    meanings, types = attributes_of(kind), _annotations(kind)
    rows = [(_code(name), _code(types[name]), meanings[name]) for name in types]
    rows += [
        (
            _code(name),
            _code(inspect.signature(value.fget).return_annotation.__name__),
            _first_line(value),
        )
        for name, value in vars(kind).items()
        if isinstance(value, property)
    ]
    return table(("field", "type", "meaning"), rows)


def client_arguments() -> str:
    """What both clients are made with."""
    parameters = inspect.signature(client.Client).parameters
    return table(
        ("argument", "default", "meaning"),
        (
            (_code(name), _code(_shown(parameters[name].default)), meaning)
            for name, meaning in _entries(client.Client, "Args").items()
        ),
    )


def _shown(value: object) -> str:
    return f"{value.__module__}.{value.__name__}" if inspect.isbuiltin(value) else repr(value)


def client_methods() -> str:
    """Each call, as `Client` has it."""
    return table(
        ("call", "gives", "what"),
        (
            (_code(f"{name}({', '.join(list(signature.parameters)[1:])})"), _code(gives), line)
            for name, method in vars(client.Client).items()
            if inspect.isfunction(method) and not name.startswith("_")
            for signature in [inspect.signature(method)]
            for gives in [_bare(signature.return_annotation)]
            for line in [_first_line(method)]
        ),
    )


def _bare(annotation: object) -> str:
    """An annotation without the names of modules."""
    return re.sub(r"(\w+\.)+", "", inspect.formatannotation(annotation))


def client_errors() -> str:
    """What only a client raises."""
    return table(
        ("class", "reason", "meaning"),
        (
            (_code(kind.__name__), _code(kind.reason), _first_line(kind))
            for kind in (client.NoReply, client.BadReply)
        ),
    )


def client_results() -> str:
    """Every result with its fields."""
    return "\n".join(
        f"### `{kind.__name__}`\n\n{_first_line(kind)}.\n\n{fields_table(kind)}"
        for kind in (
            client.Answer,
            client.Balance,
            client.Log,
            client.Reported,
            client.ServedType,
        )
    )


def sheet_table() -> str:
    """The columns of the CSV that ``loupette solve FOLDER`` writes."""
    meanings = attributes_of(Row)
    return table(("column", "meaning"), ((_code(name), meanings[name]) for name in meanings))


def properties_table(kind: type) -> str:
    """The computed values of a public dataclass."""
    properties = {
        name: _first_line(value)
        for name, value in vars(kind).items()
        if isinstance(value, property | cached_property)
    }
    return table(
        ("property", "meaning"), ((_code(name), line) for name, line in properties.items())
    )


def _annotations(kind: type) -> dict[str, str]:
    """The annotations of a class as they are written."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    return {
        ast.unparse(node.target): ast.unparse(node.annotation)
        for node in definition.body
        if isinstance(node, ast.AnnAssign)
    }


def _field_default(field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return _code("{}")
    if field.default is MISSING:
        return "required"
    return _code(json.dumps(field.default) if isinstance(field.default, str) else field.default)


def hooks() -> dict[str, Any]:
    """Every hook specification by name."""
    return {
        name: hook
        for name, hook in vars(hookspecs.LoupetteHooks).items()
        if name.startswith("loupette_")
    }


def hook_reference() -> str:
    """Each hook under its exact signature, with its own docstring."""
    parts = []
    for name, hook in hooks().items():
        signature = inspect.signature(hook)
        shown = f"{name}({', '.join(list(signature.parameters)[1:])})"
        returns = inspect.formatannotation(signature.return_annotation).replace(
            "collections.abc.", ""
        )
        returns = re.sub(r"loupette\.plugin\.types\.", "", returns)
        parts.append(f"### `{shown} -> {returns}`\n\n{_prose(hook)}\n")
    return "\n".join(parts)


def method_reference(kind: type, name: str) -> str:
    """One method of a protocol under its exact signature."""
    method = vars(kind)[name]
    source = textwrap.dedent(inspect.getsource(method))
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.FunctionDef) and definition.returns is not None
    arguments = ast.unparse(definition.args).removeprefix("self, ")
    shown = f"{name}({arguments}) -> {ast.unparse(definition.returns)}"
    return f"### `{shown}`\n\n{_prose(method)}\n"


def _prose(thing: object) -> str:
    """A Google-style docstring as Markdown."""
    text = (inspect.getdoc(thing) or "").replace("``", "`")
    text = re.sub(r"\n(Args|Returns|Raises):\n((?: {4}.*\n?)+)", _section, text + "\n")
    return re.sub(r"\n{3,}", "\n\n", text).rstrip()


def _section(match: re.Match[str]) -> str:
    return f"\n**{match[1]}**: {' '.join(match[2].split())}\n"


def example(name: str) -> str:
    """One file of the example plugin, under its name."""
    code = (ROOT / "docs" / "example-plugin" / name).read_text(encoding="utf-8")
    return f"`{name}`:\n\n```{_LANGUAGES[Path(name).suffix]}\n{code}```\n"


_LANGUAGES = {".py": "python", ".toml": "toml"}


def own_text_type() -> str:
    """The text type of one file."""
    return example("own_text.py")


def checks_table() -> str:
    """Every check of the kit with the tier that demands it."""
    rows = ((check.tier, _code(check.name), _first_line(check.run)) for check in CHECKS)
    return table(("tier", "check", "what passes it"), rows)


def budgets() -> str:
    """What the checks allow a type to take."""
    rows = (
        ("time", f"{conformance.MEDIAN_S:g} s for its sample, in the median of several reads"),
        ("hostile", f"{conformance.DEADLINE_S:g} s for any image"),
        ("loaded", f"{conformance.LOADED_BYTES >> 20} MiB of RAM beyond a worker without it"),
        ("memory", f"{conformance.GROWTH_BYTES >> 20} MiB of RAM more after many reads"),
    )
    return table(("check", "budget"), ((_code(check), budget) for check, budget in rows))


def commands(group: click.Group = main, path: str = "loupette") -> Iterator[tuple[str, Any]]:
    """Every command with its full name, parents before children."""
    yield path, group
    for name in sorted(group.commands):
        command = group.commands[name]
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def cli_help() -> str:
    """The help text of every command."""
    return "\n".join(
        f"### `{path}`\n\n```text\n{_help(path, command)}\n```\n" for path, command in commands()
    )


def _help(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, max_content_width=_HELP_WIDTH)
    context.terminal_width = _HELP_WIDTH
    context.help_option_names = ["-h", "--help"]
    return command.get_help(context)


def registry_file() -> str:
    """registry.toml as delivered."""
    text = (ROOT / "registry.toml").read_text(encoding="utf-8")
    tomllib.loads(text)
    return f"```toml\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    capture_reply(50200)
