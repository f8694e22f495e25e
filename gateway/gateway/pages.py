"""The pages for people: what this is, and the API to read and try. They load nothing from outside."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response

from chassis.http.route import ApiRoute
from chassis.problems import language

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_FOLDER = files("gateway") / "pages"
_TEXTS = {
    name: (_FOLDER / name).read_text("utf-8")
    for name in ("landing.en.html", "landing.zh-CN.html", "docs.html", "docs.js", "style.css")
}

router = APIRouter(include_in_schema=False, route_class=ApiRoute)
AcceptLanguage = Annotated[str | None, Header()]


@router.get("/")
async def landing(
    accept_language: AcceptLanguage = None, lang: Annotated[Literal["en", "zh"] | None, Query()] = None
) -> Response:
    chosen = {"en": "en", "zh": "zh-CN"}[lang] if lang else language(accept_language)
    return _page(_TEXTS[f"landing.{chosen}.html"], chosen)


@router.get("/docs")
async def docs(accept_language: AcceptLanguage = None) -> Response:
    chosen = language(accept_language)
    return _page(_TEXTS["docs.html"].replace("{lang}", chosen), chosen)


@router.get("/docs/docs.js")
async def script() -> Response:
    return Response(_TEXTS["docs.js"], media_type="text/javascript; charset=utf-8")


@router.get("/docs/style.css")
async def style() -> Response:
    return Response(_TEXTS["style.css"], media_type="text/css; charset=utf-8")


def _page(text: str, chosen: str) -> Response:
    return Response(
        text,
        media_type="text/html; charset=utf-8",
        headers={
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Content-Language": chosen,
            "Vary": "Accept-Language",
            "Cache-Control": "no-cache",
        },
    )
