"""Values that have broken a service somewhere: for fields of a body, for addresses, for whole bodies, for headers."""

# ruff: noqa: E501

from __future__ import annotations

import json
from typing import Any

RAW = ["1e999", "-1e999", "NaN", "Infinity", "1E400", '"\\ud800"', '"\\udfff\\ud800"', "-0", "1.0", "1e5", "0.1e-400"]
"""What goes into the JSON as it stands, because no JSON library prints it."""

VALUES: list[Any] = [
    None, True, 0, -1, 1.5, -0.0, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, 5e-324,
    *(f"\x00raw:{n}" for n in range(len(RAW))),
    "", " ", "\t", "\n", "\u3000", "\u200b", "\x00", "a\x00b", "a\x07b", "a\x1b[2Jb", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe",
    "\u202eevil", "\u2066x\u2069", "e\u0301" * 100, "\U0001f600" * 60, "x" * 201, "x" * 2001, "x" * 20_000, "ﷺ" * 200,
    "$where", "$ref", "a.b", "{}", "[]", "null", "NaN", "Infinity", "-Infinity", "1e999", "1e-999999", "0E+999999", "١٢٣",
    "9" * 400, "1_000", "0x10", "+1", "1,5", "../../etc", "%00", "%2e%2e%2f", "\\", '"', "'", ";--", "<b>", "[x]", "(?=",
    "0001-01-01", "9999-12-31", "0000-01-01", "10000-01-01", "-0001-01-01", "2026-02-30", "2026-11-24", "2199-12-31", "1900-01-01",
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "1900-01-01T00:00:00+14:00",
    "2199-12-31T23:59:59-12:00", "2026-11-24T25:00:00Z", "2026-11-24T09:30:00", "2026-11-24T09:30:00.123456789+08:00", "2016-12-31T23:59:60Z",
    "2026-W54", "9999-W52", "0001-W01", "9999-W53", "2026-13", "0001-01", "9999-12", "24:00", "09:30+1", "99:99",
    "CNY", "XXX", "ZZZ", "JPY", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    [], {}, [[]], [{}], {"a": 1}, {"$gt": ""}, {"$ref": "a", "$id": "b"}, {"minor": 2**63 - 1, "currency": "CNY"},
    {"minor": 1, "currency": "ZZZ"}, {"a" * 5000: "b"}, {"": ""}, {"a\x00": "b"}, {"a.b": "c", "$d": "e"},
]  # fmt: skip

TEXTS: list[str] = [
    "", " ", "%00", "a%00b", "%0a", "%ff", "%c0%80", "%ed%a0%80", "%E2%80%AE", "%25", "%2f", "%2e%2e", "%3F", "%23", "%5c", "+", "0", "-1",
    "1.5", "1e999", "²", "٣", "9" * 19, "9" * 400, "9223372036854775807", "9223372036854775808", "-9223372036854775809", "true", "null",
    "None", "NaN", "[]", "{}", "$where", "*", "..", "x" * 201, "x" * 2000, "%F0%9F%98%80" * 60, "0001-01-01", "9999-12-31", "2026-02-30",
    "2026-11-24", "2199-12-31", "1900-01-01", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "2199-12-31T23:59:59Z", "0001-W01",
    "9999-W52", "9999-W53", "2026-W54", "0001-01", "9999-12", "2199-12", "2026-13", "1900-W01", "company", "person", "day", "month", "week",
    "a,b", "a;b", "(", "[", "\\", ".*", "^", "ﷺ", "e\u0301", "00000000-0000-0000-0000-000000000000",
]  # fmt: skip

BODIES: list[bytes] = [
    b"", b"null", b"[]", b"{}", b"1", b'"x"', b"true", b"{", b'{"a":1,}', b'{"a":1}{"b":2}', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"\x00",
    b'{"a":1,"a":2}', b'{"id":1e999}', b'{"id":NaN}', b'{"id":"\\ud800"}', b'{"\\ud800":1}', b'{"id":"\xff"}', b"[" * 5000, b"[" * 999 + b"]" * 999,
    b'{"a":' * 999 + b"1" + b"}" * 999, b'{"a":' * 40 + b"1" + b"}" * 40, b"[" + b"1," * 30_000 + b"1]", b'{"x":"' + b"y" * 200_000 + b'"}',
    b'{"x":' + b"9" * 6000 + b"}", json.dumps({f"f{n}": n for n in range(3000)}).encode(), b" " * 100_000,
]  # fmt: skip

HEADERS: list[tuple[str, str]] = [
    *(("If-Match", tag) for tag in ("²", "*", '"', "", '"1", "2"', "W/", "9" * 18, "9" * 5000, "-1", "x", "1e3", "1.0")),
    *(("Idempotency-Key", key) for key in ("", " ", "x" * 200, "x" * 201, "é", "\t", "a:b", "$", "{}")),
    *(("Accept-Language", said) for said in ("zh", "zh;q=nan", "*;q=1e999", "zh;q=-1,en;q=x", "x" * 3000, ";;;,,,=")),
    *(("Content-Type", kind) for kind in ("text/plain", "", "application/xml", "application/json; charset=utf-16", "multipart/form-data", "/;/")),
    *(("traceparent", said) for said in ("00-0-0-0", "00-" + "f" * 32 + "-" + "f" * 16 + "-01", "é", "ff" * 100)),
    *(("X-Request-Id", said) for said in ("x" * 300, "é", '"', "{}")),
    *(("X-Forwarded-For", said) for said in ("::1", "x", "1.2.3.4, 5.6.7.8", "9" * 500)),
    ("Range", "bytes=0-1"), ("Accept", "text/html"), ("Accept-Encoding", "br;q=nan"), ("Expect", "200-ok"), ("X-HTTP-Method-Override", "DELETE"),
]  # fmt: skip

OF = {
    "customer": "customers", "not_duplicate_of": "customers", "owner": "people", "person": "people", "assignee": "people",
    "on_behalf_of": "people", "participants": "people", "manager": "people", "deputy": "people", "recipient": "people",
    "office": "offices", "offices_served": "offices", "region": "regions", "product": "products", "visit": "visits", "order": "orders",
}  # fmt: skip
"""The field's name -> the list whose records it names."""
