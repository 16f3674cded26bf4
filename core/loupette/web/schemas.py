"""The shapes of requests and replies, for /openapi.json; kinds and limits are the code's own."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from loupette.card import Measured
from loupette.options import MIN_CONFIDENCE
from loupette.plugin import TEXT_OPTIONS, Option
from loupette.plugin.types import LARGEST_TYPE_ID
from loupette.tiers import TIERS

Schema: TypeAlias = dict[str, Any]  # JSON Schema 2020-12, free in form

KINDS = ("text", "integer", "number", "choice")
_JSON_KINDS = {"text": "string", "integer": "integer", "number": "number", "choice": "string"}


def ref(name: str) -> Schema:
    """A schema of `schemas` by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(fields: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "properties": dict(fields),
        "required": [name for name in fields if name not in optional],
        "additionalProperties": False,
    }


def described(schema: Schema, zh: str, en: str, **more: object) -> Schema:
    """A schema with what it means, in both languages."""
    return {**schema, "description": f"{zh} {en}", **more}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if "type" in schema and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def listed(schema: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": schema}


def option_schema(option: Option) -> Schema:
    """What an option's value must be."""
    schema = described({"type": _JSON_KINDS[option.kind]}, option.zh, option.en)
    if option.choices:
        schema["enum"] = list(option.choices)
    if option.default is not None:
        schema["default"] = option.default
    low, high = ("minLength", "maxLength") if option.kind == "text" else ("minimum", "maximum")
    limits = {low: option.minimum, high: option.maximum}
    return schema | {name: value for name, value in limits.items() if value is not None}


TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
YUAN: Schema = {"type": "number", "minimum": 0}
SECONDS: Schema = described(COUNT, "Unix 时间戳(秒)", "Unix seconds")
LOG_ID: Schema = {
    "type": "string",
    "pattern": "^LOG[0-9]{14,18}$",
    "examples": ["LOG20241101000001"],
}
TYPE_ID: Schema = {
    "type": "integer",
    "minimum": 1,
    "maximum": LARGEST_TYPE_ID,
    "examples": [50200],
}
DETAIL: Schema = described({"type": "object"}, "详情", "facts beside it, which differ by plugin")
BASE64: Schema = {"type": "string", "contentEncoding": "base64"}
VERDICT: Schema = {"type": "string", "enum": ["correct", "wrong"]}

_SOLVE = {
    "api_key": described(TEXT, "API 密钥", "the key, unless it is in the header X-API-Key"),
    "image": described(BASE64, "Base64 编码的图片", "the image file, in base64"),
    "type": described(TYPE_ID, "验证码类型(分组ID)", "the type ID, see /types"),
    "options": ref("Options"),
    "image2": described(BASE64, "第二张图片", "a second image, for types whose inputs name it"),
    "slide_image": described(BASE64, "image2 的别名", "another name of image2"),
}
_FILE = {"contentMediaType": "application/octet-stream"}
_LOG = {
    "log_id": LOG_ID,
    "time": SECONDS,
    "type": nullable(TYPE_ID),
    "code": INTEGER,
    "outcome": described(TEXT, "结果", "ok, replayed, or the reason of the failure"),
    "result": nullable(described(TEXT, "识别结果", "the answer")),
    "confidence": nullable(SHARE),
    "cost": described(YUAN, "本次消费", "yuan"),
    "response_time": described(COUNT, "响应时间(ms)", "from the request's arrival"),
    "verdict": nullable(VERDICT),
    "refunded": described(YUAN, "退款", "yuan given back"),
    "detail": nullable(DETAIL),
}
_TYPE = {
    "type": TYPE_ID,
    "name": described(TEXT, "名称", "in Chinese; group_name of a reply"),
    "name_en": described(TEXT, "英文名称", "in English"),
    "price": described(YUAN, "价格", "yuan for an answer"),
    "currency": {"type": "string", "const": "CNY"},
    "inputs": listed({"type": "string", "enum": ["image", "image2"]}),
    "options": listed(ref("Option")),
    "min_confidence": described(SHARE, "默认置信度阈值", "where the caller sets none"),
    "deadline_s": described(NUMBER, "时限(秒)", "a solver that takes longer is stopped"),
    "plugin": described(TEXT, "插件", "the package that reads it"),
    "version": described(TEXT, "版本", "of that package"),
    "sample": described(TEXT, "示例图片", "path of the sample image"),
    "sample_answer": described(TEXT, "示例答案", "what the sample image says"),
    "status": described(
        {"type": "string", "enum": ["ready", "starting", "out_of_order"]}, "状态", "now"
    ),
    "tier": described(
        nullable({"type": "string", "enum": list(TIERS)}), "等级", "of conformance, as recorded"
    ),
    "weights": listed(
        record({"file": nullable(TEXT), "sha256": TEXT, "date": nullable(TEXT)}),
    ),
    "accuracy": nullable(ref("Measured")),
}


def _solve_file() -> Schema:
    fields = {name: schema for name, schema in _SOLVE.items() if name not in ("options",)}
    for name in ("image", "image2", "slide_image"):
        fields[name] = {**_FILE, "description": str(_SOLVE[name]["description"])}
    options = described(
        {"type": "string", "contentMediaType": "application/json"}, "选项", "a JSON object"
    )
    return {
        "type": "object",
        "properties": fields | {"options": options},
        "required": ["image", "type"],
    }


def _measured() -> Schema:
    (_, components) = msgspec.json.schema_components([Measured])
    schema: Schema = components["Measured"]
    fields = dict(schema["properties"])
    return record(fields)


def schemas() -> dict[str, Schema]:
    """Every named schema."""
    known = {option.name: option_schema(option) for option in (*TEXT_OPTIONS, MIN_CONFIDENCE)}
    success = described(TEXT, "说明", "in Chinese", examples=["识别成功"])
    return {
        "Solve": {"type": "object", "properties": _SOLVE, "required": ["image", "type"]},
        "SolveForm": {
            "type": "object",
            "properties": _SOLVE
            | {"options": described(TEXT, "选项", "the text of a JSON object", examples=["{}"])},
            "required": ["image", "type"],
        },
        "SolveFile": _solve_file(),
        "Options": described(
            {"type": "object", "properties": known},
            "选项,各类型支持的选项见 /types",
            "what the caller knows of the answer; /types lists what each type takes",
        ),
        "Solved": record(
            {
                "result": described(TEXT, "识别结果", "the answer, always a text"),
                "log_id": described(LOG_ID, "日志ID", "the request's number"),
                "cost": described(YUAN, "本次消费", "what this answer cost, in yuan"),
                "balance": described(YUAN, "剩余余额", "the balance after it, in yuan"),
                "response_time": described(
                    COUNT, "响应时间(ms)", "from the arrival of the request"
                ),
                "group_name": described(TEXT, "分组名称", "the type's Chinese name"),
                "detail": {
                    **DETAIL,
                    "properties": {"confidence": SHARE, "plugin": TEXT, "version": TEXT},
                    "required": ["confidence", "plugin", "version"],
                },
            }
        ),
        "Balance": record(
            {
                "balance": described(YUAN, "余额", "yuan"),
                "currency": {"type": "string", "const": "CNY"},
                "account": described(TEXT, "账户", "its name"),
            }
        ),
        "Log": record(_LOG),
        "Logs": record(
            {
                "logs": listed(ref("Log")),
                "next": nullable(described(LOG_ID, "下一页", "pass it as `before`")),
            }
        ),
        "Report": {
            "type": "object",
            "properties": {
                "api_key": _SOLVE["api_key"],
                "log_id": described(LOG_ID, "日志ID", "which answer"),
                "verdict": described(VERDICT, "结论", "whether it was right"),
                "answer": described(TEXT, "正确答案", "the true answer", maxLength=256),
            },
            "required": ["log_id", "verdict"],
        },
        "Reported": record(
            {"log_id": LOG_ID, "verdict": VERDICT, "refunded": YUAN, "balance": YUAN}
        ),
        "Option": record(
            {
                "name": TEXT,
                "kind": {"type": "string", "enum": list(KINDS)},
                "zh": described(TEXT, "含义", "in Chinese"),
                "en": described(TEXT, "含义(英文)", "in English"),
                "default": {"type": ["string", "number"]},
                "minimum": NUMBER,
                "maximum": NUMBER,
                "choices": listed(TEXT),
            },
            optional=("default", "minimum", "maximum", "choices"),
        ),
        "Type": record(_TYPE),
        "Types": record({"types": listed(ref("Type"))}),
        "Measured": _measured(),
        "Alive": record({"status": {"type": "string", "const": "alive"}}),
        "Ready": record(
            {
                "types": {
                    "type": "object",
                    "additionalProperties": described(
                        TEXT,
                        "状态",
                        "ready, starting or out_of_order; for operators what is wrong",
                    ),
                }
            }
        ),
        "Failed": record(
            {"log_id": LOG_ID, "cost": YUAN, "balance": YUAN, "response_time": COUNT},
            optional=("log_id", "cost", "balance", "response_time"),
        ),
        "Error": record(
            {
                "reason": described(
                    {"type": "string", "pattern": "^[a-z0-9_]+$"}, "原因", "a stable word"
                ),
                "message": described(TEXT, "说明", "in Chinese and English, for people"),
                "detail": DETAIL,
            },
            optional=("detail",),
        ),
        "Message": success,
    }
