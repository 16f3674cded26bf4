"""Every error the engine raises, by whose it is to mend.

LoupetteError
├── CallerError                     the caller can mend it; nothing is charged
│   ├── BadRequest                  the request as a whole cannot be read
│   │   ├── EmptyBody
│   │   ├── NotUtf8
│   │   ├── NotJson
│   │   ├── SlowBody
│   │   ├── MissingField
│   │   ├── BadField
│   │   ├── UnsupportedOption
│   │   ├── UnknownType
│   │   ├── BodyTooLarge
│   │   ├── HeadTooLarge
│   │   ├── UnsupportedContentType
│   │   └── IdempotencyMismatch
│   ├── BadImage                    the posted image cannot be used
│   │   ├── BadBase64
│   │   ├── ImageTooLarge
│   │   ├── NotAnImage
│   │   ├── BrokenImage
│   │   └── TooManyFrames
│   ├── Unauthenticated             no key, an unknown key, or two different ones
│   │   ├── KeyDisabled
│   │   ├── KeyExpired
│   │   └── ScopeMissing
│   ├── InsufficientBalance
│   ├── RateLimited
│   │   └── Overloaded
│   ├── NotFound
│   │   └── UnknownLog
│   ├── MethodNotAllowed
│   └── ReportRefused
├── SolverError                     a plugin did not answer
│   ├── Unsolvable                  it looked, and cannot tell
│   │   ├── LowConfidence
│   │   └── OptionsBroken
│   ├── SolverTimeout
│   └── SolverCrashed
├── ClientGone                      nobody is left to answer; nothing is charged
├── InternalError                   a fault of the server itself
│   └── OutcomeUnknown              it may have been charged; the log tells
└── OperatorError                   found at start or on the command line; names the mend
    ├── SettingsError
    ├── RegistryError
    ├── PluginError
    └── StoreError
        └── IdempotencyTaken

`reason` is the stable word that goes over the wire and into the log; the message may change, the
reason may not. `zh` is the Chinese title shown before the English message. No HTTP is known here.
"""

from collections.abc import Mapping
from typing import ClassVar, TypeVar


class LoupetteError(Exception):
    """Root of the tree.

    Attributes:
        reason: stable slug, e.g. ``"bad_base64"``.
        zh: the same in a few Chinese words.
        detail: JSON-ready facts for the caller (candidates of an ambiguous answer, limits).
        log_id: the request's number in the server's log, where a client was told it.
    """

    reason: ClassVar[str] = "error"
    zh: ClassVar[str] = "错误"
    log_id: str | None = None

    def __init__(self, message: str, *, detail: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail: Mapping[str, object] = detail or {}


class CallerError(LoupetteError):
    """The caller's to mend."""


class BadRequest(CallerError):
    """The body cannot be read as a request."""

    reason = "bad_request"
    zh = "请求无法解析"


class EmptyBody(BadRequest):
    """Nothing was posted."""

    reason = "empty_body"
    zh = "请求体为空"


class NotUtf8(BadRequest):
    """The body's text is not UTF-8."""

    reason = "not_utf8"
    zh = "请求体不是 UTF-8 编码"


class NotJson(BadRequest):
    """The body is no JSON object."""

    reason = "not_json"
    zh = "请求体不是有效的 JSON"


class SlowBody(BadRequest):
    """The body did not arrive in time."""

    reason = "slow_body"
    zh = "请求体接收超时"


class MissingField(BadRequest):
    """A required field is absent or empty."""

    reason = "missing_field"
    zh = "缺少必填参数"


class BadField(BadRequest):
    """A field has the wrong type or a value out of range."""

    reason = "bad_field"
    zh = "参数格式错误"


class UnsupportedOption(BadRequest):
    """The type does not take this option, or not this second image."""

    reason = "unsupported_option"
    zh = "该类型不支持此选项"


class UnknownType(BadRequest):
    """No such type, or it is not served here."""

    reason = "unknown_type"
    zh = "验证码类型不存在或未启用"


class BodyTooLarge(BadRequest):
    """The body is over the limit; it was not read to the end."""

    reason = "body_too_large"
    zh = "请求体过大"


class HeadTooLarge(BadRequest):
    """The head, which is the URL and the headers, is over the limit."""

    reason = "head_too_large"
    zh = "请求头过大"


class UnsupportedContentType(BadRequest):
    """Neither JSON nor a form."""

    reason = "unsupported_content_type"
    zh = "不支持的 Content-Type"


class IdempotencyMismatch(BadRequest):
    """An Idempotency-Key came again with another body."""

    reason = "idempotency_mismatch"
    zh = "Idempotency-Key 已用于不同的请求"


class BadImage(CallerError):
    """The image cannot be used."""

    reason = "bad_image"
    zh = "图片无效"


class BadBase64(BadImage):
    """Not base64 in any alphabet people use."""

    reason = "bad_base64"
    zh = "图片不是有效的 Base64"


class ImageTooLarge(BadImage):
    """Over the byte, pixel or side limit, read from the header before decoding."""

    reason = "image_too_large"
    zh = "图片过大"


class NotAnImage(BadImage):
    """The bytes do not begin like any accepted format."""

    reason = "not_an_image"
    zh = "不是支持的图片格式"


class BrokenImage(BadImage):
    """An accepted format, but truncated, empty or damaged."""

    reason = "broken_image"
    zh = "图片损坏或不完整"


class TooManyFrames(BadImage):
    """An animation longer than any captcha."""

    reason = "too_many_frames"
    zh = "动图帧数过多"


class Unauthenticated(CallerError):
    """No key, an unknown key, or two that differ."""

    reason = "unauthenticated"
    zh = "API Key 无效"


class KeyDisabled(Unauthenticated):
    """The key was valid once."""

    reason = "key_disabled"
    zh = "API Key 或账户已禁用"


class KeyExpired(Unauthenticated):
    """The key's time is over."""

    reason = "key_expired"
    zh = "API Key 已过期"


class ScopeMissing(Unauthenticated):
    """The key is valid, but not for this."""

    reason = "scope_missing"
    zh = "API Key 没有此权限"


class InsufficientBalance(CallerError):
    """The balance, less what is held, is below the price."""

    reason = "insufficient_balance"
    zh = "账户余额不足以支付本次调用"


class RateLimited(CallerError):
    """Over the key's rate.

    Attributes:
        retry_after_s: seconds until the next request would pass.
        quota: the rate and burst of the key; None where it is not the key's own.
    """

    reason = "rate_limited"
    zh = "超过限流限制"

    def __init__(
        self, message: str, *, retry_after_s: float, quota: tuple[float, int] | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.quota = quota


class Overloaded(RateLimited):
    """No room, no solver free in time, or the server is stopping; nothing was charged."""

    reason = "overloaded"
    zh = "服务繁忙"


class NotFound(CallerError):
    """No such path."""

    reason = "not_found"
    zh = "路径不存在"


class UnknownLog(NotFound):
    """No such log entry among the caller's own."""

    reason = "unknown_log"
    zh = "日志不存在"


class MethodNotAllowed(CallerError):
    """The path exists, the method does not."""

    reason = "method_not_allowed"
    zh = "请求方法不允许"


class ReportRefused(CallerError):
    """A report that cannot be taken: again, too late, or on a failure."""

    reason = "report_refused"
    zh = "无法受理报告"


class SolverError(LoupetteError):
    """A plugin did not answer; nothing is charged."""


class Unsolvable(SolverError):
    """The solver looked and cannot tell; raised (or, in a batch, returned) by plugins.

    Args:
        reason: the plugin's own slug, e.g. ``"no_gap"``; lower case, digits and ``_``.
        message: what was seen, in English.
        detail: JSON-ready facts that help the caller (ranked candidates).
    """

    reason: str = "unsolvable"  # type: ignore[misc]  # the one reason that plugins choose
    zh = "无法识别"

    def __init__(
        self, reason: str, message: str, *, detail: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message, detail=detail)
        self.reason = reason


class LowConfidence(Unsolvable):
    """The answer's confidence is below the threshold in force."""

    reason = "low_confidence"  # type: ignore[misc]  # as its parent's
    zh = "置信度不足"

    def __init__(self, message: str, *, detail: Mapping[str, object] | None = None) -> None:
        super().__init__(self.reason, message, detail=detail)


class OptionsBroken(Unsolvable):
    """The answer breaks the options that the caller set."""

    reason = "options_broken"  # type: ignore[misc]  # as its parent's
    zh = "结果不符合请求选项"

    def __init__(self, message: str, *, detail: Mapping[str, object] | None = None) -> None:
        super().__init__(self.reason, message, detail=detail)


class SolverTimeout(SolverError):
    """The type's deadline passed."""

    reason = "solver_timeout"
    zh = "识别超时"


class SolverCrashed(SolverError):
    """The solver raised, died, or answered with something that is no answer."""

    reason = "solver_crashed"
    zh = "识别服务异常"


class ClientGone(LoupetteError):
    """The caller hung up before an answer existed."""

    reason = "client_gone"
    zh = "客户端已断开"


class InternalError(LoupetteError):
    """A fault of the server itself; the log has the traceback."""

    reason = "internal_error"
    zh = "服务器内部错误"


class OutcomeUnknown(InternalError):
    """The database went away at the charge, so it is not known whether this was charged."""

    reason = "outcome_unknown"
    zh = "扣费结果未知"


class OperatorError(LoupetteError):
    """The operator's to mend; the message says how."""

    reason = "operator_error"
    zh = "配置错误"


class SettingsError(OperatorError):
    """A setting has a value that cannot be used."""

    reason = "settings_error"


class RegistryError(OperatorError):
    """registry.toml and the installed plugins do not fit together."""

    reason = "registry_error"


class PluginError(OperatorError):
    """A plugin breaks the plugin API."""

    reason = "plugin_error"


class StoreError(OperatorError):
    """The database cannot be used, or does not add up."""

    reason = "store_error"


class IdempotencyTaken(StoreError):
    """Another request with this Idempotency-Key was answered first; this one was not charged."""

    reason = "idempotency_taken"


Branch = TypeVar("Branch", bound=LoupetteError)


def by_reason(branch: type[Branch]) -> dict[str, type[Branch]]:
    """All classes of a branch of the tree that have a reason of their own, by it."""
    return {
        kind.reason: kind
        for kind in globals().values()
        if isinstance(kind, type) and issubclass(kind, branch) and "reason" in vars(kind)
    }
