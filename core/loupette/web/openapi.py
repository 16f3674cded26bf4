"""GET /openapi.json: every endpoint, field, error and example, for programs and for /docs."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from loupette import __version__
from loupette.errors import (
    BadField,
    BadImage,
    BadRequest,
    InsufficientBalance,
    InternalError,
    NotFound,
    RateLimited,
    ReportRefused,
    SolverError,
    Unauthenticated,
    UnknownLog,
    UnknownType,
    Unsolvable,
)
from loupette.web.auth import HEADER
from loupette.web.etags import cached
from loupette.web.operations import (
    JSON,
    STAMP,
    failures,
    head,
    header,
    html_page,
    operation,
    page,
    path,
    query,
)
from loupette.web.responses import SOLVED, encode
from loupette.web.schemas import (
    LOG_ID,
    TEXT,
    TYPE_ID,
    Schema,
    ref,
    schemas,
)

_KEYED = (Unauthenticated, RateLimited, InternalError)
"""What any endpoint that needs a key may answer."""

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"


async def openapi(request: Request) -> Response:
    """GET /openapi.json: this API as an OpenAPI 3.1 document."""
    return cached(request, encode(document()), media_type=JSON, max_age_s=3600)


@cache
def document() -> Mapping[str, Any]:  # Any: JSON, as OpenAPI describes itself
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Loupette",
            "version": __version__,
            "summary": "验证码识别 HTTP API. Reads images of several types of challenges.",
            "description": (
                "只有识别成功才扣费。 Only what was read is charged.\n\n"
                "HTTP 状态码与 `code` 相同,除非运营者设置了 `LOUPETTE_ALWAYS_200`。"
                " The HTTP status equals `code`, unless the operator set `LOUPETTE_ALWAYS_200`."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": {name: _with_pages(name, item) for name, item in _paths().items()},
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "ApiKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": HEADER.title().replace("Api", "API"),
                    "description": (
                        "API 密钥。 The key; `POST` also takes it as `api_key` in the body."
                    ),
                }
            },
            "headers": _HEADERS,
        },
    }


_TAGS = {
    "solve": "识别 Recognition",
    "account": "账户 Account",
    "types": "类型 Types",
    "health": "运行状态 Health",
    "pages": "页面 Pages",
}

_HEADERS: Mapping[str, Schema] = {
    "RateLimit": {
        "description": '剩余次数 requests left now: `"key";r=9;t=1`',
        "schema": TEXT,
    },
    "RateLimit-Policy": {
        "description": '限流 the key\'s rate: `"key";q=10;w=1`',
        "schema": TEXT,
    },
    "Retry-After": {"description": "等待秒数 seconds to wait", "schema": TEXT},
    "Idempotent-Replayed": {
        "description": "重放 `true` where this is the stored reply to an earlier request",
        "schema": TEXT,
    },
}


def _paths() -> dict[str, Any]:
    return {
        "/api/v1/captcha.php": {"post": _solve()},
        "/api/v1/balance": {
            "get": operation(
                "account",
                "查询余额 The account's balance",
                "Balance",
                {"balance": 95.50, "currency": "CNY", "account": "demo"},
                errors=_KEYED,
                needs_key=True,
            )
        },
        "/api/v1/logs": {"get": _logs()},
        "/api/v1/logs/{log_id}": {
            "get": operation(
                "account",
                "查询单条日志 One of the account's own requests",
                "Log",
                _LOG,
                errors=(*_KEYED, UnknownLog),
                needs_key=True,
                parameters=[path("log_id", TEXT, "日志ID", "the log ID", "LOG20241101000001")],
            )
        },
        "/api/v1/report": {"post": _report()},
        "/api/v1/types": {
            "get": operation("types", "所有类型 All types", "Types", {"types": [_TYPE]})
        },
        "/types": {"get": page("types", "类型目录 The catalogue", "Types", {"types": [_TYPE]})},
        "/types/{type_id}": {
            "get": page(
                "types",
                "单个类型 One type",
                "Type",
                _TYPE,
                errors=(UnknownType,),
                parameters=[_TYPE_PATH],
            )
        },
        "/types/{type_id}/sample": {"get": _sample()},
        "/livez": {
            "get": operation("health", "进程存活 The process answers", "Alive", {"status": "alive"})
        },
        "/readyz": {"get": _readyz()},
        "/metrics": {"get": _metrics()},
        "/openapi.json": {"get": _openapi()},
        "/": {"get": page("pages", "同 /types The same as /types", "Types", {"types": [_TYPE]})},
        "/docs": {"get": html_page("文档 The documents")},
        "/docs/reference": {"get": html_page("接口参考 This document as a page")},
        "/docs/{name}": {
            "get": html_page(
                "文档 One document",
                errors=(NotFound,),
                parameters=[path("name", TEXT, "名称", "its name", "quickstart")],
            )
        },
        "/static/{path}": {"get": _static()},
    }


def _with_pages(name: str, item: dict[str, Any]) -> dict[str, Any]:
    """Outside the API proper, a browser is shown its failures as pages."""
    if not name.startswith("/api/"):
        for one in item.values():
            for code, reply in one["responses"].items():
                if code[0] in "45" and code != "503":
                    reply["content"]["text/html"] = {"schema": TEXT}
    return item


def _solve() -> dict[str, Any]:
    done = {
        "result": "r7k4m",
        "log_id": "LOG20241101000001",
        "cost": 0.001,
        "balance": 95.5,
        "response_time": 5,
        "group_name": "通用数英",
        "detail": {"confidence": 0.9986, "plugin": "example", "version": "0.1.0"},
    }
    errors = (
        BadRequest, BadImage, Unsolvable, Unauthenticated, InsufficientBalance, RateLimited,
        SolverError, InternalError,
    )  # fmt: skip
    found = operation(
        "solve",
        "识别验证码 Answer one challenge",
        "Solved",
        done,
        errors=errors,
        msg=SOLVED,
        description=(
            "上传验证码图片,返回识别结果;失败不扣费。"
            " Send an image, get what it says; a failure costs nothing."
        ),
        needs_key=True,
        parameters=[
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "重试保护 makes a retry safe: charged once, same reply",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        ],
    )
    found["responses"]["200"]["headers"]["Idempotent-Replayed"] = header("Idempotent-Replayed")
    asked = {"image": "iVBORw0KGgo...", "type": 50200}
    found["requestBody"] = {
        "required": True,
        "content": {
            JSON: {"schema": ref("Solve"), "example": asked | {"options": {"max_length": 8}}},
            _FORM: {"schema": ref("SolveForm"), "example": asked},
            _MULTIPART: {"schema": ref("SolveFile")},
        },
    }
    return found


_LOG = {
    "log_id": "LOG20241101000001",
    "time": STAMP,
    "type": 50200,
    "code": 200,
    "outcome": "ok",
    "result": "r7k4m",
    "confidence": 0.9986,
    "cost": 0.001,
    "response_time": 5,
    "verdict": None,
    "refunded": 0,
    "detail": None,
}


def _logs() -> dict[str, Any]:
    moment = {"type": "string", "examples": ["1730419200", "2024-11-01T00:00:00Z"]}
    return operation(
        "account",
        "查询日志 The account's own requests, newest first",
        "Logs",
        {"logs": [_LOG], "next": None},
        errors=(*_KEYED, BadField),
        needs_key=True,
        parameters=[
            query("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50},
                   "条数", "how many"),
            query("before", LOG_ID, "分页", "only older than this log; from `next`"),
            query("since", moment, "起始时间", "from this time on: Unix seconds or ISO 8601"),
            query("until", moment, "截止时间", "before this time"),
            query("type", TYPE_ID, "类型ID", "only this type"),
            query("outcome", TEXT, "结果", "only `ok`, or one reason"),
        ],
    )  # fmt: skip


def _report() -> dict[str, Any]:
    asked = {"log_id": "LOG20241101000001", "verdict": "wrong", "answer": "r7k4m"}
    found = operation(
        "account",
        "反馈结果 Say whether an answer was right",
        "Reported",
        {"log_id": asked["log_id"], "verdict": "wrong", "refunded": 0.001, "balance": 95.5},
        errors=(*_KEYED, BadRequest, UnknownLog, ReportRefused),
        needs_key=True,
    )
    content = {"schema": ref("Report"), "example": asked}
    found["requestBody"] = {
        "required": True,
        "content": {JSON: content, _FORM: content, _MULTIPART: content},
    }
    return found


_TYPE = {
    "type": 50200,
    "name": "通用数英",
    "name_en": "alphanumeric",
    "price": 0.001,
    "currency": "CNY",
    "inputs": ["image"],
    "options": [
        {
            "name": "max_length",
            "kind": "integer",
            "zh": "结果的最多字符数",
            "en": "most characters",
            "minimum": 1,
            "maximum": 64,
        }
    ],
    "min_confidence": 0.9,
    "deadline_s": 5.0,
    "plugin": "example",
    "version": "0.1.0",
    "sample": "/types/50200/sample",
    "sample_answer": "r7k4m",
    "status": "ready",
    "tier": None,
    "weights": [],
    "accuracy": None,
}


def _sample() -> dict[str, Any]:
    return {
        **head("types", "示例图片 The type's sample image"),
        "parameters": [_TYPE_PATH],
        "responses": {
            "200": {
                "description": "PNG 图片 a PNG",
                "content": {"image/png": {}},
                "headers": {"ETag": {"schema": TEXT}},
            },
            **failures((UnknownType, InternalError)),
        },
    }


def _readyz() -> dict[str, Any]:
    found = operation(
        "health", "可以识别 Every type is ready", "Ready", {"types": {"50200": "ready"}}
    )
    body = found["responses"]["200"]["content"]
    found["responses"]["503"] = {"description": "服务尚未就绪 not ready", "content": body}
    return found


def _metrics() -> dict[str, Any]:
    return {
        **head("health", "监控指标 Figures for Prometheus, for the operator's networks only"),
        "responses": {
            "200": {"description": "指标 figures", "content": {"text/plain": {"schema": TEXT}}},
            **failures((NotFound, InternalError)),
        },
    }


def _openapi() -> dict[str, Any]:
    return {
        **head("pages", "本文档 This document"),
        "responses": {
            "200": {
                "description": "OpenAPI 3.1",
                "content": {JSON: {"schema": {"type": "object"}}},
            },
            **failures((InternalError,)),
        },
    }


def _static() -> dict[str, Any]:
    kinds = ("text/css", "text/javascript", "image/svg+xml")
    return {
        **head("pages", "页面所用的文件 Files of the pages"),
        "parameters": [path("path", TEXT, "文件名", "name of a file", "loupette.css")],
        "responses": {
            "200": {"description": "文件 the file", "content": {kind: {} for kind in kinds}},
            **failures((NotFound, InternalError)),
        },
    }


_TYPE_PATH = path("type_id", TYPE_ID, "类型ID", "the type ID", 50200)
