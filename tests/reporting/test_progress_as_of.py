"""What was known at an instant: the same question has the same answer, whatever is corrected later."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from chassis import clock
from chassis.consumer import Received
from contracts.envelope import Published
from tests.reporting.bus import customer, order, target
from tests.reporting.conftest import HEAD, LI, OWNER, TOP, Reporting, cny, noon

START = noon(2017, 3, 20)
SPRING = {"since": "2017-03", "until": "2017-05"}
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("day", {"level": "office", **SPRING}),
    ("week", {"level": "company", **SPRING}),
    ("month", {"level": "person", **SPRING}),
    ("month", {"level": "person", "id": "li", **SPRING}),
    ("month/2017-03/facts", {}),
    ("month/2017-04/facts", {}),
    ("week/2017-W13/facts", {"level": "office", "id": "sha"}),
]


def after(hours: int) -> datetime:
    return START + timedelta(hours=hours)


async def told_at(reporting: Reporting, now: datetime, at: datetime | None = None) -> list[Any]:
    """Every question's rows, asked at `now`."""
    with clock.set_to(now):
        asked = {"as_of": at.isoformat()} if at else {}
        return [await reporting.items(TOP, path, **question, **asked) for path, question in QUESTIONS]


def lives() -> list[list[Published]]:
    """Orders that are confirmed, amended, moved to another day and person, handed over, cancelled; a revised target."""
    sha, can = ("li", "sha", "east"), ("zhao", "can", "south")
    return [
        [
            order("o1"),
            order("o1", confirmed=date(2017, 3, 20), total=cny(1_000)),
            order("o1", confirmed=date(2017, 3, 20), total=cny(900), margin=90),
            order("o1", confirmed=date(2017, 3, 20), total=cny(900), margin=90, cancelled=date(2017, 4, 3)),
        ],
        [
            order("o2", confirmed=date(2017, 3, 31), credit=sha),
            order("o2", confirmed=date(2017, 4, 1), credit=can),
            order("o2", confirmed=date(2017, 4, 1), credit=can, handover=date(2017, 4, 7)),
        ],
        [order("o3"), order("o3", confirmed=date(2017, 3, 28)), order("o3")],
        [target("t1", "2017-03", cny(2_300)), target("t1", "2017-03", cny(4_600), workdays=[20, 21, 22, 23, 24])],
        [customer("c1"), customer("c1", activated=date(2017, 3, 30)), customer("c1", activated=date(2017, 3, 20))],
    ]


def history(reporting: Reporting) -> list[tuple[datetime, Received]]:
    """Everything that is said, hour by hour: each record's life in its order, the records among each other."""
    chance = random.Random(7)
    open_lives = [[(state, n) for n, state in enumerate(life, 1)] for life in lives()]
    said: list[tuple[datetime, Received]] = []
    while open_lives:
        life = chance.choice(open_lives)
        state, version = life.pop(0)
        time = after(len(said))
        said.append((time, reporting.log.say(state, version, time)))
        open_lives = [life for life in open_lives if life]
    return said


async def test_the_past_is_answered_as_it_was_answered_then(company: Reporting) -> None:
    then: dict[datetime, list[Any]] = {}
    for time, event in history(company):
        await company.learner.take([event])
        then[time] = await told_at(company, time)
    now = after(24 * 90)
    for time, rows in then.items():
        assert await told_at(company, now, time) == rows
    assert len({str(rows) for rows in then.values()}) > len(then) // 2, "the history has something to tell"


async def test_the_order_in_which_events_arrive_does_not_change_what_was_known(company: Reporting) -> None:
    said = history(company)
    instants = [time for time, _ in said[::4]]
    for _, event in random.Random(3).sample(said, len(said)):
        await company.learner.take([event])
    now = after(24 * 90)
    shuffled = [await told_at(company, now, at) for at in instants]
    await company.learner.take([event for _, event in said])
    assert [await told_at(company, now, at) for at in instants] == shuffled
    month = await company.one(TOP, "month", since="2017-04", until="2017-04", level="person", id="zhao")
    assert month["orders_confirmed"]["count"] == 1


async def test_a_correction_is_not_known_before_it_was_recorded(company: Reporting) -> None:
    await company.hear(order("o1", confirmed=date(2017, 3, 20), total=cny(1_000)), time=after(0))
    await company.hear(order("o1", confirmed=date(2017, 3, 20), total=cny(700)), version=2, time=after(10))
    march = {"since": "2017-03", "until": "2017-03"}
    for hours, minor in ((0, 1_000), (9, 1_000), (10, 700)):
        measures = await company.one(LI, "month", as_of=after(hours).isoformat(), **march)
        assert measures["orders_confirmed"]["amount"] == [{"minor": minor, "currency": "CNY"}]
        [fact] = await company.items(
            LI, "month/2017-03/facts", measure="orders_confirmed", as_of=after(hours).isoformat()
        )
        assert (fact["version"], fact["number"], fact["amount"][0]["minor"]) == (
            1 if hours < 10 else 2, "SHA-2017-o1", minor,
        )  # fmt: skip
    assert await company.items(LI, "month", as_of=after(-1).isoformat(), **march) == []


async def test_what_was_known_is_seen_within_the_same_reach(company: Reporting) -> None:
    for n, credit in enumerate([("li", "sha", "east"), ("wang", "sha", "east"), ("zhao", "can", "south")]):
        await company.hear(order(f"o{n}", confirmed=date(2017, 3, 20), credit=credit), time=after(0))
    then = {"as_of": after(1).isoformat()}
    march = {"since": "2017-03", "until": "2017-03", **then}
    for who, people in ((LI, {"li"}), (HEAD, {"li", "wang"}), (TOP, {"li", "wang", "zhao"})):
        rows = await company.items(who, "month", level="person", **march)
        assert {row["id"] for row in rows} == people
        facts = await company.items(who, "month/2017-03/facts", measure="orders_confirmed", **then)
        assert {fact["person"] for fact in facts} == people
    for level, unit in (("person", "zhao"), ("office", "can")):
        assert (await company.ask(HEAD, "month", level=level, id=unit, **march)).status_code == 404
        assert (await company.ask(HEAD, "month/2017-03/facts", level=level, id=unit, **then)).status_code == 404
    assert (await company.ask(OWNER, "month/2017-03/facts", **then)).status_code == 403
    assert len(await company.items(OWNER, "month", level="office", **march)) == 2


@pytest.mark.parametrize("limit", [1, 2])
async def test_the_past_comes_in_pages_too_and_its_cursors_are_its_own(company: Reporting, limit: int) -> None:
    said = history(company)
    await company.learner.take([event for _, event in said])
    last = said[len(said) // 2][0]
    for path, asked in (("day", {"level": "person", **SPRING}), ("month/2017-03/facts", {})):
        whole = await company.told(TOP, path, limit=200, as_of=last.isoformat(), **asked)
        assert len(whole["items"]) > limit
        assert await company.items(TOP, path, limit=limit, as_of=last.isoformat(), **asked) == whole["items"]
        cursor = (await company.told(TOP, path, limit=limit, as_of=last.isoformat(), **asked))["next_cursor"]
        refused = await company.ask(TOP, path, limit=limit, cursor=cursor, **asked)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")


async def test_as_of_in_the_answer_is_never_later_than_what_was_asked_for(company: Reporting) -> None:
    await company.hear(target("t1", "2017-03", cny(1)), time=after(5))
    for hours, known in ((1, "2017-03-20T05:00:00Z"), (9, "2017-03-20T09:00:00Z")):
        told = await company.told(TOP, "month", as_of=after(hours).isoformat(), **SPRING)
        assert (told["as_of"]["targets"], told["as_of"]["orders"]) == (known, None)


@pytest.mark.parametrize(
    ("text", "en", "zh"),
    [
        ("2150-01-01T00:00:00Z", "future", "不能晚于现在"),
        ("2017-03-20T12:00:00", "timezone", "时区"),
        ("yesterday", "datetime", "应为时间"),
    ],
)
async def test_an_instant_that_cannot_be_answered_for_is_refused(
    reporting: Reporting, text: str, en: str, zh: str
) -> None:
    for path in ("month", "month/2017-03/facts"):
        for language, reason in (("en", en), ("zh-CN", zh)):
            refused = await reporting.ask(TOP, path, language=language, as_of=text)
            assert refused.status_code == 422
            [error] = refused.json()["errors"]
            assert error["field"] == "as_of"
            assert reason in error["message"]
