"""Bytes of a file as text. An encoding is known, proven or asked for: what is only likely gives a question."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from charset_normalizer import from_bytes

from salesbeat.importing.marked import Mistake
from salesbeat.importing.refused import shown

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CANDIDATES = ("utf-8", "gb18030", "windows-1252", "big5hkscs", "shift_jis", "euc-kr", "windows-1250", "windows-1251")
"""Encodings of files that spreadsheets write on the machines of this world, without a mark that tells which."""
_CONTROL = re.compile(r"[\x80-\x9f\ufffd]")
"""What no file writes: it shows that the bytes mean something else."""
_BYTES_LINE_END = re.compile(rb"\r\n|\n|\r")


def marked(raw: bytes) -> str | None:
    """The encoding that a byte order mark at the beginning tells."""
    return next((encoding for mark, encoding in _MARKS if raw.startswith(mark)), None)


def canonical(encoding: str) -> str:
    """The encoding as it is read: GBK and GB2312 as GB 18030, which holds both. Raises LookupError for none."""
    name = codecs.lookup(encoding).name
    return {"gbk": "gb18030", "gb2312": "gb18030", "big5": "big5hkscs", "cp936": "gb18030"}.get(name, name)


def decode(raw: bytes, file: str, encoding: str | None) -> str:
    """The text of a file. encoding: what the mapping says, or None for UTF-8.

    A byte order mark decides by itself. Raises Mistake where the bytes do not fit, with the question which encoding.
    """
    named = encoding
    try:
        encoding = marked(raw) or canonical(encoding or "utf-8")
    except LookupError:
        raise Mistake([f"`{named}` is no encoding: write one such as utf-8, gbk, windows-1252 or utf-16."]) from None
    if named is None and marked(raw) is None and _looks_wide(raw):
        order = "le" if raw[1:2] == b"\0" else "be"
        raise Mistake([f"{file} looks like UTF-16 without a mark: say `encoding: utf-16-{order}`."])
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise Mistake([question(raw, file, named or encoding, error.start)]) from None
    if named is not None and (wrong := _CONTROL.search(text)):
        at = len(text[: wrong.start()].encode(encoding, "replace"))
        raise Mistake([question(raw, file, named, at)])
    return text


def question(raw: bytes, file: str, tried: str, at: int, say: str = "with `encoding:`") -> str:
    """The sentence that asks for the encoding of a file which is not `tried`; `at` is a byte that shows it."""
    line = len(_BYTES_LINE_END.findall(raw, 0, at)) + 1
    lines = _BYTES_LINE_END.split(raw)
    begin = f"{file} is not {tried.removesuffix('-sig')} (its line {line} shows it)"
    plain = [one for one in lines if not one.isascii()]
    in_utf8 = next((number for number, one in enumerate(lines, 1) if not one.isascii() and _is(one, "utf-8")), None)
    if in_utf8 is not None and any(not _is(one, "utf-8") for one in plain) and tried.startswith("utf"):
        return f"{begin}, and mixes encodings (its line {in_utf8} is UTF-8): save all of it in one encoding."
    around = lines[line - 1]
    likely = _likely(raw)
    readings = [
        f"as {encoding} that line reads {shown(_excerpt(around.decode(encoding, 'replace')))}"
        for encoding in sorted(CANDIDATES, key=lambda one: one != likely)
        if encoding != "utf-8" and _is(raw, encoding)
    ]
    offered = "; ".join(dict.fromkeys(readings[:3]))
    return f"{begin}. Which encoding is it? Say it {say}, such as gbk or windows-1252" + (
        f": {offered}." if offered else "."
    )


def proven(raw: bytes, fits: Callable[[str], int]) -> str | None:
    """The text of bytes without a mark, if something proves it; None where it stays in doubt.

    fits: how many of the texts that are known to stand in it a reading has.
    """
    if raw.isascii():
        return raw.decode("ascii")
    readings = {encoding: raw.decode(encoding) for encoding in CANDIDATES if _is(raw, encoding)}
    scores = {encoding: fits(text) for encoding, text in readings.items()}
    best = max(scores.values(), default=0)
    if best == 0:
        # Bytes that are UTF-8 by chance are next to impossible, unless known texts speak against it.
        return readings.get("utf-8")
    texts = {readings[encoding] for encoding, score in scores.items() if score == best}
    return texts.pop() if len(texts) == 1 else None


def _is(raw: bytes, encoding: str) -> bool:
    try:
        return not _CONTROL.search(raw.decode(encoding))
    except (UnicodeDecodeError, LookupError):
        return False


def _likely(raw: bytes) -> str | None:
    """The one of the candidates that charset-normalizer takes it for; its own guesses go beyond them."""
    names = {codecs.lookup(candidate).name: candidate for candidate in CANDIDATES}
    found = from_bytes(raw[:100_000], cp_isolation=list(names)).best()
    return None if found is None else names.get(codecs.lookup(found.encoding).name)


def _looks_wide(raw: bytes) -> bool:
    """Whether every other byte is NUL, or nearly so."""
    sample = raw[:2_000]
    return sample.count(0) > len(sample) / 4


def _excerpt(line: str) -> str:
    """The part of a line around its first letter that is no ASCII."""
    at = next((index for index, character in enumerate(line) if ord(character) > 127), 0)
    return line[max(0, at - 20) : at + 30].strip()
