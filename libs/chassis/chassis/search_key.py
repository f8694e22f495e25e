"""One search key for every `q` of every service: what is stored and what is asked are folded by the same function.

The key of a text is what Unicode calls NFKC_Casefold (compatibility forms, width and case are folded, invisible
characters are removed), and three more foldings, each because people type one form and look for the other:

- Accents of Latin, Greek and Cyrillic letters are dropped, because they are often not on the keyboard: `cafe` finds
  `Café`, `lodz` finds `Łódź`. So are the optional vowel points of Arabic and Hebrew, and the Arabic tatweel. Marks of
  all other scripts stay, because there they are vowels and consonants: Thai ร้านดี and ร้านดู, Hindi राम and रोम and
  Japanese か and が are different words.
- Dashes, quotation marks and middle dots of every form are one each; digits of every script are 0 to 9.
- Several blanks are one.

A search finds a few names too many rather than one too few. Whether two records are the same is decided elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

_PLAIN = str.maketrans(
    {
        # Letters that people type without their stroke or dot, and that Unicode does not take apart.
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ħ": "h",
        "ı": "i",
        "æ": "ae",
        "œ": "oe",
        **dict.fromkeys("‐‑‒–—―−﹘﹣", "-"),
        **dict.fromkeys("‘’‚‛ʼʹ′", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("・•‧∙⋅", "·"),
    }
)
_ACCENTED = ("LATIN ", "GREEK ", "CYRILLIC ")
# Default_Ignorable_Code_Point besides the format characters (category Cf), and the Arabic tatweel.
_IGNORED = re.compile(
    "[\u034f\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
_POINTS = re.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]")


def search_key(text: str) -> str:
    """The form in which a text is searched. Idempotent; the same for every Unicode normalisation form of a text."""
    if text.isascii():
        return " ".join(text.casefold().split())
    # Case before and after: a compatibility form may hide a capital, and a folded letter may come apart.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).casefold()
    kept = list[str]()
    base = ""
    for character in folded.translate(_PLAIN):
        kind = unicodedata.category(character)
        if kind == "Cf" or _IGNORED.match(character):
            continue
        if kind in ("Mn", "Me"):
            if _POINTS.match(character) or unicodedata.name(base, "").startswith(_ACCENTED):
                continue
        else:
            base = character
        digit = unicodedata.decimal(character, None)
        kept.append(character if digit is None else str(digit))
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


def search_keys(*texts: str | None) -> str:
    """The keys of several fields in one, so that one search looks into all and matches across none."""
    return "\n".join(search_key(text) for text in texts if text)


def containing(field: str, text: str) -> dict[str, Any]:
    """A MongoDB filter: `field` holds search keys, and one of them contains the text. No text has a special meaning.

    A text of which nothing is left to search (blanks, invisible characters) finds everything.
    """
    return {field: {"$regex": re.escape(search_key(text))}}
