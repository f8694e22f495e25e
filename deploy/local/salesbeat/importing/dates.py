"""Dates and times as people, programs and spreadsheets write them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import cache, lru_cache

from salesbeat.importing.refused import Refused, shown

EARLIEST, LATEST = 1900, 2199
"""Years of a date: what lies outside is a slip, such as 0206 for 2026."""
REMEMBERED = 50_000
"""Texts whose reading is kept in mind: the same days stand in a file again and again."""

_TOKENS = {
    "YYYY": ("year", r"\d{4}"),
    "YY": ("short", r"\d{2}"),
    "MMMM": ("name", None),
    "MMM": ("name", None),
    "MM": ("month", r"\d{1,2}"),
    "M": ("month", r"\d{1,2}"),
    "DD": ("day", r"\d{1,2}"),
    "D": ("day", r"\d{1,2}"),
    "HH": ("hour", r"\d{1,2}"),
    "H": ("hour", r"\d{1,2}"),
    "hh": ("half", r"\d{1,2}"),
    "h": ("half", r"\d{1,2}"),
    "mm": ("minute", r"\d{2}"),
    "ss": ("second", r"\d{2}"),
    "A": ("noon", None),
    "a": ("noon", None),
    "Z": ("offset", r"Z|[+-]\d{2}(?::?\d{2})?"),
}
_TOKEN = "|".join(sorted(_TOKENS, key=len, reverse=True))
_RUN = re.compile(rf"(?:{_TOKEN}|T)+")
"""A run of letters that means something; any other is a word that stands for itself."""
_PIECES = re.compile(r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]|[A-Za-z]+|[^A-Za-z]")
_ENGLISH = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_CHINESE = ("一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二")
MONTHS: dict[str, int] = {
    **{name: number for number, name in enumerate(_ENGLISH, 1)},
    **{name[:3]: number for number, name in enumerate(_ENGLISH, 1)},
    "sept": 9,
    **{f"{name}月": number for number, name in enumerate(_CHINESE, 1)},
    **{f"{number}月": number for number in range(1, 13)},
}
NOONS = {"am": False, "a.m.": False, "上午": False, "pm": True, "p.m.": True, "下午": True}
_NAME_REGEX = "|".join(sorted(map(re.escape, MONTHS), key=len, reverse=True))
_NOON_REGEX = "|".join(sorted(map(re.escape, NOONS), key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class Pattern:
    """How a file writes dates, ready to read them."""

    text: str
    regex: re.Pattern[str]


class WrongPattern(ValueError):
    """A date format that cannot be understood; the text says why."""


@cache
def pattern_of(text: str) -> Pattern:
    """A date format such as `D MMMM YYYY` or `DD.MM.YY hh:mm A`. Raises WrongPattern.

    Quotes, brackets and words that are no tokens stand for themselves, as in `"Date: D.M.YYYY"` and `YYYY年M月D日`.
    """
    parts: list[tuple[str, str]] = []  # the name of a group or "", and its regular expression
    for piece in _PIECES.findall(_even(text)):
        if len(piece) > 1 and piece[0] in "'\"[":
            parts.append(("", re.escape(piece[1:-1])))
        elif piece.isascii() and piece.isalpha() and _RUN.fullmatch(piece):
            for token in re.findall(rf"{_TOKEN}|T", piece):
                name, digits = _TOKENS.get(token, ("", re.escape(token)))
                parts.append((name, digits or (_NAME_REGEX if name == "name" else _NOON_REGEX)))
        else:
            parts.append(("", re.escape(piece)))
    names = [name for name, _ in parts if name]
    kinds = [{"short": "year", "name": "month", "half": "hour", "noon": "AM/PM"}.get(name, name) for name in names]
    if twice := next((kind for kind in kinds if kinds.count(kind) > 1), None):
        raise WrongPattern(f"the date format `{text}` has the {twice} twice: put quotes around what is only text")
    if not {"year", "month", "day"} <= set(kinds):
        raise WrongPattern(
            f"the date format `{text}` must have a year, a month and a day in capitals, such as DD.MM.YYYY"
        )
    if "half" in names and "noon" not in names:
        raise WrongPattern(
            f"the date format `{text}` has the 12-hour clock `h` without `A` (AM/PM): `H` is of 24 hours"
        )
    if "noon" in names and not {"half", "hour"} & set(names):
        raise WrongPattern(f"the date format `{text}` has `A` (AM/PM) and no hour")
    if "offset" in names and not {"half", "hour"} & set(names):
        raise WrongPattern(f"the date format `{text}` has an offset (`Z`) and no hour")
    if ("minute" in names and "hour" not in kinds) or ("second" in names and "minute" not in names):
        raise WrongPattern(f"the date format `{text}` has minutes without hours, or seconds without minutes")
    regex = ""
    for index, (name, expression) in enumerate(parts):
        beside = [parts[at][0] for at in (index - 1, index + 1) if 0 <= at < len(parts)]
        touched = [other for other in beside if other and other not in ("name", "noon")]
        if expression == r"\d{1,2}" and touched and "name" not in beside:
            expression = r"\d{2}"  # nothing divides it from its neighbour, as in YYYYMMDD
        regex += f"(?P<{name}>{expression})" if name else expression
    if "second" in names:
        regex = regex.replace(r"(?P<second>\d{2})", r"(?P<second>\d{2})(?:[.,]\d+)?")
    return Pattern(text, re.compile(regex.replace(r"\ ", " "), re.IGNORECASE))


def _even(text: str) -> str:
    """Width and blanks made even, so that `１ Ｍａｙ` and `1  May` read as `1 May`."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip()


@lru_cache(REMEMBERED)
def parse(text: str, pattern: str, latest_short_year: int) -> date | datetime | None:
    """A date, or a date and time where the pattern has hours: naive, unless the pattern has an offset (`Z`).

    None where the text does not fit. latest_short_year: the latest year that a year of two digits may mean; the
    earliest is 99 years before.
    """
    match = pattern_of(pattern).regex.fullmatch(_even(text))
    if match is None:
        return None
    found = match.groupdict()
    try:
        month = MONTHS[found["name"].lower()] if "name" in found else int(found["month"])
        year = short_year(int(found["short"]), latest_short_year) if "short" in found else int(found["year"])
        day = date(year, month, int(found["day"]))
        hour = found.get("hour") or found.get("half")
        if hour is None:
            return day
        moment = datetime.combine(day, _clock(int(hour), found))
        return moment.replace(tzinfo=_offset(found["offset"])) if found.get("offset") else moment
    except ValueError:
        return None


def short_year(two_digits: int, latest: int) -> int:
    """The year of two digits that lies within the hundred years up to `latest`."""
    return latest - (latest - two_digits) % 100


def _clock(hour: int, found: dict[str, str | None]) -> time:
    """Raises ValueError for a time that there is not."""
    if "half" in found and not 1 <= hour <= 12:
        raise ValueError("no hour of a clock of twelve")
    if (noon := found.get("noon")) is not None:
        afternoon = NOONS[noon.lower()]
        if hour > 12 and not afternoon:
            raise ValueError("no such hour before noon")
        if hour <= 12:
            hour = hour % 12 + 12 * afternoon
    return time(hour, int(found.get("minute") or 0), int(found.get("second") or 0))


_ISO = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<clock>\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d+)? ?(?P<offset>Z|[+-]\d{2}(?::?\d{2})?)?)?",
    re.IGNORECASE,
)


@lru_cache(REMEMBERED)
def parse_iso(text: str) -> date | datetime | None:
    """ISO 8601: a date; a time without an offset, which is naive; or one with it. Fractions of a second are dropped.

    None where it is none. Raises Refused for 24:00, which may be the end of one day or the beginning of the next.
    """
    match = _ISO.fullmatch(_even(text))
    if match is None:
        return None
    clock, offset = match["clock"], match["offset"]
    if clock is not None and clock.startswith("24:00"):
        raise Refused(
            f"{shown(text)}: 24:00 may be the end of that day or the beginning of the next: write 23:59 or 00:00"
        )
    try:
        day = date.fromisoformat(match["day"])
        if clock is None:
            return day
        moment = datetime.combine(day, time.fromisoformat(clock))
        return moment if offset is None else moment.replace(tzinfo=_offset(offset))
    except ValueError:
        return None


def _offset(text: str) -> timezone:
    """Raises ValueError for an offset that no place has."""
    if text.upper() == "Z":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


_SPREADSHEET = (
    "YYYY/M/D",
    "YYYY-M-D",
    "YYYY.M.D",
    "YYYY年M月D日",
    "D.M.YYYY",
    "D.M.YY",
    "D-MMM-YYYY",
    "D-MMM-YY",
    "D MMM YYYY",
)
_EITHER = (("M/D/YYYY", "D/M/YYYY"), ("M/D/YY", "D/M/YY"))
_CLOCKS = ("", " H:mm", " H:mm:ss", " h:mm A", " h:mm:ss A")


def of_spreadsheet(text: str, latest_short_year: int, before: date | datetime | None) -> date | datetime | None:
    """A date as a spreadsheet writes it back into a CSV file: 2026/3/1, 01.03.2026, 3/1/2026, with or without a time.

    before: what the cell was before it went through the spreadsheet, which decides between day and month first.
    None where the text is no such date; raises Refused where it may be two.
    """
    for clock in _CLOCKS:
        for pattern in _SPREADSHEET:
            if (found := parse(text, pattern + clock, latest_short_year)) is not None:
                return found
        for pair in _EITHER:
            readings = [parse(text, pattern + clock, latest_short_year) for pattern in pair]
            fits = list(dict.fromkeys(reading for reading in readings if reading is not None))
            if before is not None and (same := [one for one in fits if _day(one) == _day(before)]):
                return same[0]
            if len(fits) > 1:
                raise Refused(f"{shown(text)} may have the day or the month first: write it as 2026-03-31")
            if fits:
                return fits[0]
    return None


def _day(moment: date | datetime) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def checked(moment: date | datetime, text: str) -> date | datetime:
    """The moment, if its year can be meant. Raises Refused."""
    if not EARLIEST <= moment.year <= LATEST:
        raise Refused(f"{shown(text)} lies outside the years {EARLIEST} to {LATEST}")
    return moment


def later(moment: date | datetime, days: int, text: str) -> date | datetime:
    """So many days later; the time of day stays. Raises Refused beyond the calendar."""
    try:
        return checked(moment + timedelta(days=days), text) if days else moment
    except OverflowError:
        raise Refused(f"{shown(text)} and {days} days lie outside the years {EARLIEST} to {LATEST}") from None


def bounds(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """The first and the last whole second of a day in a zone, in UTC; a day of 23 or 25 hours is one too."""

    def begin(of: date) -> datetime:
        # Where the clock is put forward at midnight the day begins later: the round trip finds its first instant.
        there = datetime.combine(of, time(0), zone).astimezone(UTC)
        return there if there.astimezone(zone).date() >= of else there + timedelta(hours=1)

    return begin(day), begin(day + timedelta(days=1)) - timedelta(seconds=1)
