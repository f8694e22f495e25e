"""Everything that a request can be refused with, as application/problem+json (RFC 9457).

    Problem
    ├── Invalid               422  the input breaks a rule; `errors` names the fields
    ├── Unauthenticated       401  nobody knows who is asking
    ├── Forbidden             403  known, but may not do this at all
    ├── NotFound              404  there is none, or it is not the caller's to see
    ├── Conflict              409  right in itself, but not in the present state
    │   └── UnreadableRecord       the stored record does not suit its model; `record` names it
    ├── Stale                 412  the record has changed since the caller read it
    ├── TooLarge              413  more than a record may hold; `size` and `limit` in bytes
    ├── BodyTooLarge          413  more than the address takes; `size` and `limit` in bytes
    ├── UnsupportedMediaType  415  the body is declared as something else than JSON
    ├── PreconditionRequired  428  the caller must say which version it has read
    ├── TooManyRequests       429  come back later
    └── Unavailable           503  something that is needed does not answer; come back later

`code` is stable and meant for programs. Texts are in English and Chinese; Accept-Language chooses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from contracts.refusals import NotPossible, WrongState

CONTENT_TYPE = "application/problem+json"
LANGUAGES = ("en", "zh-CN")


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field, such as `lines.0.quantity`."""

    field: str
    en: str
    zh: str


class Problem(Exception):
    """A refusal. `extras` become further members of the answer; a FieldError among them is translated."""

    status: ClassVar[int] = 500
    title: ClassVar[tuple[str, str]] = ("Internal error", "内部错误")
    default: ClassVar[tuple[str, str, str]] = (
        "internal",
        "Something went wrong here; it has been recorded. Try again, and name the request_id if you report it.",
        "系统出错,已记录。请重试;如需报告,请附上 request_id。",
    )

    def __init__(
        self,
        code: str | None = None,
        en: str | None = None,
        zh: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **extras: Any,
    ) -> None:
        self.code = code or self.default[0]
        self.en = en or self.default[1]
        self.zh = zh or (en if en else self.default[2])
        self.headers = dict(headers or {})
        self.extras = extras
        super().__init__(f"{self.code}: {self.en}")

    def body(self, language: str, instance: str | None = None, request_id: str | None = None) -> dict[str, Any]:
        """The members of the problem document in that language."""
        chinese = language == "zh-CN"
        return {
            "type": f"urn:salesbeat:problem:{self.code}",
            "title": self.title[chinese],
            "status": self.status,
            "detail": self.zh if chinese else self.en,
            "code": self.code,
            **({"instance": instance} if instance else {}),
            **({"request_id": request_id} if request_id else {}),
            **{name: _said(value, chinese) for name, value in self.extras.items()},
        }


class Invalid(Problem):
    """The input breaks a rule. `field` names one field at fault, `errors` several."""

    status = 422
    title = ("Invalid input", "输入有误")
    default = ("invalid_input", "The input is not valid: see `errors`.", "输入有误:请查看 errors。")

    def __init__(
        self,
        code: str | None = None,
        en: str | None = None,
        zh: str | None = None,
        *,
        field: str | None = None,
        errors: Sequence[FieldError] = (),
        **extras: Any,
    ) -> None:
        faults = list(errors)
        if field is not None:
            faults.append(FieldError(field, en or self.default[1], zh or en or self.default[2]))
        super().__init__(code, en, zh, errors=faults, **extras)


class Unauthenticated(Problem):
    status = 401
    title = ("Not signed in", "未登录")
    default = ("token_missing", "Sign in and send the token: `Authorization: Bearer …`.", "请先登录并携带令牌。")

    def __init__(self, code: str | None = None, en: str | None = None, zh: str | None = None, **extras: Any) -> None:
        super().__init__(code, en, zh, **extras)
        if self.code == "token_missing":
            self.headers.setdefault("WWW-Authenticate", 'Bearer realm="salesbeat"')
        else:  # RFC 6750 §3.1
            self.headers.setdefault("WWW-Authenticate", 'Bearer realm="salesbeat", error="invalid_token"')


class Forbidden(Problem):
    status = 403
    title = ("Not allowed", "无权操作")
    default = ("forbidden", "Your role does not allow this.", "您的角色无权执行此操作。")


class NotFound(Problem):
    status = 404
    title = ("Not found", "未找到")
    default = (
        "not_found",
        "There is no such record, or it is not yours to see.",
        "没有此记录,或您无权查看。",
    )


class Conflict(Problem):
    status = 409
    title = ("Conflict", "状态冲突")
    default = ("conflict", "The present state does not allow this.", "当前状态不允许此操作。")


class UnreadableRecord(Conflict):
    """The stored record cannot be read: the driver cannot decode it, or it does not suit its model.

    It is a conflict, not an error of the server: nothing is wrong with the request, the service works, and the request
    will succeed as soon as somebody has mended that record. `reason` is for the log and never leaves the service.
    """

    default = (
        "unreadable_record",
        "This record is damaged in the database and cannot be read. Other records are not affected. "
        "Report its id to the administrator.",
        "此记录在数据库中已损坏,无法读取;其他记录不受影响。请将其编号告知管理员。",
    )

    def __init__(self, record: str, reason: str) -> None:
        super().__init__(record=record)
        self.record = record
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.record} cannot be read: {self.reason}"


class Stale(Problem):
    """The version that the caller has read (If-Match) is not `version`, the present one."""

    status = 412
    title = ("Changed meanwhile", "记录已被修改")

    def __init__(self, version: int) -> None:
        super().__init__(
            "stale",
            f"The record has changed and is at version {version} now: read it again and repeat your change.",
            f"记录已被修改,当前版本为 {version}:请重新读取后再提交。",
            headers={"ETag": f'"{version}"'},
            version=version,
        )


class TooLarge(Problem):
    """size: what the request would need; limit: what there is. Both in bytes."""

    status = 413
    title = ("Too large", "内容过大")

    def __init__(self, size: int, limit: int, code: str = "record_too_large") -> None:
        super().__init__(
            code,
            f"The record would need {size:,} bytes, and a record may have {limit:,}: "
            "shorten its texts, or spread it over several records.",
            f"该记录需要 {size:,} 字节,上限为 {limit:,} 字节:请缩短文字,或拆分为多条记录。",
            size=size,
            limit=limit,
        )


class BodyTooLarge(Problem):
    """size: bytes of the body, as far as they are known; limit: what this address takes."""

    status = 413
    title = ("Too large", "内容过大")

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            "body_too_large",
            f"The body has {size:,} bytes or more, and this address takes {limit:,}: send it in parts.",
            f"请求体至少有 {size:,} 字节,此地址最多接受 {limit:,} 字节:请分批发送。",
            size=size,
            limit=limit,
        )


class UnsupportedMediaType(Problem):
    """The body is declared as something else than JSON."""

    status = 415
    title = ("Not JSON", "不是 JSON")

    def __init__(self, kind: str) -> None:
        said = kind[:100] or "nothing"
        super().__init__(
            "unsupported_media_type",
            f"The body is JSON here, and Content-Type says {said}: send `Content-Type: application/json`.",
            f"请求体应为 JSON,而 Content-Type 为 {said}:请使用 `Content-Type: application/json`。",
        )


class ClientLeft(Problem):
    """The connection was closed before the body was complete: nobody reads this answer, only the log does."""

    status = 400
    title = ("Incomplete", "请求不完整")
    default = (
        "body_incomplete",
        "The connection was closed before the body was complete.",
        "连接在请求体完整之前关闭。",
    )


class PreconditionRequired(Problem):
    status = 428
    title = ("Version required", "需要版本号")
    default = (
        "if_match_required",
        "Say which version you have read: send its ETag as If-Match.",
        "请在 If-Match 中携带您读取到的 ETag。",
    )


class TooManyRequests(Problem):
    """retry_after: seconds until it is worth trying again."""

    status = 429
    title = ("Too many requests", "请求过于频繁")
    default = ("too_many_requests", "Too many requests: wait and try again.", "请求过于频繁:请稍后再试。")

    def __init__(
        self,
        code: str | None = None,
        en: str | None = None,
        zh: str | None = None,
        *,
        retry_after: int = 1,
        **extras: Any,
    ) -> None:
        super().__init__(code, en, zh, headers={"Retry-After": str(retry_after)}, **extras)


class Unavailable(Problem):
    """retry_after: seconds until it is worth trying again."""

    status = 503
    title = ("Not available", "暂不可用")
    default = (
        "unavailable",
        "A part that is needed does not answer: try again shortly.",
        "依赖的服务暂不可用:请稍后再试。",
    )

    def __init__(
        self,
        code: str | None = None,
        en: str | None = None,
        zh: str | None = None,
        *,
        retry_after: int = 2,
        **extras: Any,
    ) -> None:
        super().__init__(code, en, zh, headers={"Retry-After": str(retry_after)}, **extras)


class _Http(Problem):
    """What the framework itself refuses: no such route, wrong method."""

    def __init__(self, error: HTTPException) -> None:
        self.http_status = error.status_code
        code, en, zh = _HTTP.get(error.status_code, (None, None, None))
        phrase = HTTPStatus(error.status_code).phrase
        super().__init__(code or phrase.lower().replace(" ", "_"), en or phrase, zh, headers=error.headers)

    def body(self, language: str, instance: str | None = None, request_id: str | None = None) -> dict[str, Any]:
        phrase = HTTPStatus(self.http_status).phrase
        return super().body(language, instance, request_id) | {"status": self.http_status, "title": phrase}


_HTTP = {
    404: ("no_such_route", "There is nothing at this address.", "此地址不存在。"),
    405: (
        "method_not_allowed",
        "This address does not take this method: see Allow.",
        "此地址不支持该方法:请参阅 Allow 头。",
    ),
}


def language(accept: str | None) -> str:
    """The language of ours that an Accept-Language header prefers; English where it names neither."""
    best, weight = "en", 0.0
    for part in (accept or "").split(","):
        tag, _, parameters = part.strip().partition(";")
        try:
            quality = float(parameters.partition("q=")[2] or 1) if parameters else 1.0
        except ValueError:
            continue
        primary = tag.partition("-")[0].lower()
        if primary in ("en", "zh") and quality > weight:
            best, weight = ("zh-CN" if primary == "zh" else "en"), quality
    return best


def respond(problem: Problem, request: Request) -> Response:
    """The answer that says the problem in the caller's language."""
    chosen = language(request.headers.get("accept-language"))
    body = problem.body(chosen, request.url.path, getattr(request.state, "request_id", None))
    request.state.problem = problem.code
    return Response(
        orjson.dumps(body),
        body["status"],
        {**problem.headers, "Content-Language": chosen, "Vary": "Accept-Language", "Cache-Control": "no-store"},
        CONTENT_TYPE,
    )


def install(app: FastAPI) -> None:
    """Answer every refusal of the app as a problem document."""

    async def problem(request: Request, error: Any) -> Response:
        return respond(error, request)

    async def invalid(request: Request, error: Any) -> Response:
        return respond(of_validation(error.errors()), request)

    async def http(request: Request, error: Any) -> Response:
        return respond(_Http(error), request)

    async def refused(request: Request, error: Any) -> Response:
        return respond(of_model(error), request)

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(NotPossible, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def of_model(refusal: NotPossible) -> Problem:
    """A model's refusal as a problem: a wrong state is a conflict, everything else invalid input."""
    if isinstance(refusal, WrongState):
        return Conflict(refusal.code, refusal.en, refusal.zh, **refusal.extras)
    return Invalid(refusal.code, refusal.en, refusal.zh, field=refusal.field, **refusal.extras)


NAMED = 20
"""How many faults one answer names; nobody mends more at a time."""
LONGEST = 300
"""Characters of a field's path or of a sentence: both may repeat what the client sent."""


def of_validation(faults: Sequence[Mapping[str, Any]]) -> Invalid:
    """pydantic's errors as a problem that names the first fields, and says how many more there are in `more`."""
    errors = [_field_error(fault) for fault in faults[:NAMED]]
    if (more := len(faults) - len(errors)) <= 0:
        return Invalid(errors=errors)
    return Invalid(
        None,
        f"The input is not valid: `errors` names the first {NAMED} faults, and there are {more:,} more.",
        f"输入有误:errors 列出了前 {NAMED} 处,另有 {more:,} 处。",
        errors=errors,
        more=more,
    )


def _said(value: Any, chinese: bool) -> Any:
    if isinstance(value, FieldError):
        return {"field": value.field, "message": value.zh if chinese else value.en}
    if isinstance(value, list | tuple):
        return [_said(item, chinese) for item in value]
    return value


# pydantic's error types in Chinese; {…} are of the error's `ctx`.
_CHINESE = {
    "missing": "必填。",
    "extra_forbidden": "没有这个字段。",
    "json_invalid": "不是有效的 JSON。",
    "string_type": "应为文本。",
    "string_too_short": "至少需要 {min_length} 个字符。",
    "string_too_long": "最多 {max_length} 个字符。",
    "string_pattern_mismatch": "格式不符:{pattern}。",
    "int_type": "应为整数。",
    "int_parsing": "应为整数。",
    "int_from_float": "应为整数。",
    "float_type": "应为数字。",
    "float_parsing": "应为数字。",
    "decimal_type": "应为数字。",
    "decimal_parsing": "应为数字。",
    "decimal_max_places": "最多 {decimal_places} 位小数。",
    "decimal_max_digits": "最多 {max_digits} 位数字。",
    "bool_type": "应为 true 或 false。",
    "bool_parsing": "应为 true 或 false。",
    "date_type": "应为日期,例如 2026-11-24。",
    "date_parsing": "应为日期,例如 2026-11-24。",
    "date_from_datetime_parsing": "应为日期,例如 2026-11-24。",
    "datetime_type": "应为时间,例如 2026-11-24T09:30:00+08:00。",
    "datetime_parsing": "应为时间,例如 2026-11-24T09:30:00+08:00。",
    "datetime_from_date_parsing": "应为时间,例如 2026-11-24T09:30:00+08:00。",
    "timezone_aware": "时间需带时区,例如 2026-11-24T09:30:00+08:00。",
    "enum": "应为以下之一:{expected}。",
    "literal_error": "应为以下之一:{expected}。",
    "greater_than": "应大于 {gt}。",
    "greater_than_equal": "应不小于 {ge}。",
    "less_than": "应小于 {lt}。",
    "less_than_equal": "应不大于 {le}。",
    "too_short": "至少需要 {min_length} 项。",
    "too_long": "最多 {max_length} 项。",
    "list_type": "应为列表。",
    "dict_type": "应为对象。",
    "model_type": "应为对象。",
    "model_attributes_type": "应为对象。",
    "line_characters": "单行文本不得包含控制字符或改变文字方向的字符:请删除 {character}。",
    "paragraph_characters": "除换行和制表符外,文本不得包含控制字符或改变文字方向的字符:请删除 {character}。",
    "nothing_visible": "至少需要一个可见字符。",
    "year_out_of_range": "年份应在 {first} 与 {last} 之间,例如 {example}。",
    "finite_number": "应为有限数。",
    "string_sub_type": "应为文本。",
    "int_parsing_size": "数字过大。",
    "date_from_datetime_inexact": "应为日期,例如 2026-11-24。",
    "date_future": "日期应在将来。",
    "bytes_type": "应为文本。",
    "decimal_whole_digits": "整数部分最多 {whole_digits} 位。",
    "uuid_type": "应为 UUID。",
    "uuid_parsing": "应为 UUID。",
}
_PLACES = {"body", "query", "path", "header", "cookie"}


def _field_error(fault: Mapping[str, Any]) -> FieldError:
    """One of pydantic's errors; a ValueError raised by a validator of ours is said as it was worded."""
    location = [str(part) for part in fault["loc"]]
    if len(location) > 1 and location[0] in _PLACES:
        location = location[1:]
    if fault["type"] == "json_invalid":
        location = ["body"]  # pydantic gives the offset, which is no field
    message = _cut(str(fault["msg"]).removeprefix("Value error, "))
    try:
        chinese = _cut(_CHINESE.get(fault["type"], message).format(**fault.get("ctx", {})))
    except (KeyError, IndexError, ValueError):
        chinese = message
    return FieldError(_cut(".".join(location)), message, chinese)


def _cut(text: str) -> str:
    text = text.encode(errors="replace").decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "A refusal (RFC 9457). `code` is stable and meant for programs; texts follow Accept-Language.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def _described(text: str) -> dict[str, Any]:
    return {"description": text, "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


RESPONSES: dict[int | str, dict[str, Any]] = {
    401: _described("Not signed in, or the token is not (or no longer) valid."),
    403: _described("The caller's role does not allow this."),
    404: _described("There is no such record, or it is not the caller's to see."),
    409: _described("The present state does not allow this, or the Idempotency-Key was used for something else."),
    412: _described("The record has changed since the version in If-Match."),
    413: _described("The body or the record is too large; `size` and `limit` are in bytes."),
    415: _described("The body is declared as something else than JSON."),
    422: _described("The input is not valid; `errors` names the fields."),
    428: _described("If-Match is missing."),
    429: _described("Too many requests; Retry-After says when to come back."),
    503: _described("Something that is needed does not answer; Retry-After says when to come back."),
}
"""How the OpenAPI document describes each refusal; `service.http_app` adds those that fit to every operation."""
