"""State, event and idempotency key are one write, and every write is compare-and-set."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from chassis.aggregate import ATTEMPTS, HANDLED, Repository
from chassis.identity import Caller
from chassis.ids import new_id
from chassis.mongo import DuplicateKey
from chassis.problems import Conflict, NotFound, Stale
from chassis.scope import everything, within
from contracts.envelope import Event, Happened
from tests.chassis.parcels import Parcel, ParcelEvent, by, happened, moved, sent

ALL = everything("a test of the chassis")


def caller(person: str, role: str = "salesperson") -> Caller:
    return Caller(
        id=person,
        name=person,
        role=role,
        person=person,
        office="north",
        region="east",
        offices=("north",),
        rights=frozenset(),
    )


async def events(parcels: Repository[Parcel], aggregate_id: str) -> list[Event[Parcel]]:
    document = await parcels.collection.find_one({"_id": aggregate_id})
    return [Event[Parcel].model_validate(orjson.loads(entry["event"])) for entry in document["outbox"]]


async def test_creation_stores_the_state_with_its_event(parcels: Repository[Parcel]) -> None:
    state, what = sent(place="Depot")
    stored = await parcels.create(state, what, by("ann", correlation="c-1"), ALL)
    assert (stored.version, stored.etag) == (1, '"1"')
    assert (await parcels.get(state.id, ALL)).state == state
    [event] = await events(parcels, state.id)
    assert (event.type, event.subject, event.version, event.actor, event.correlationid) == (
        ParcelEvent.SENT,
        state.id,
        1,
        "ann",
        "c-1",
    )
    assert event.data == state
    assert event.businessdate == what.business_date
    assert event.occurredat == what.occurred_at


async def test_private_keys_are_stored_and_never_published(parcels: Repository[Parcel]) -> None:
    state, what = sent(place="DEPOT")
    await parcels.create(state, what, by(), ALL)
    [found] = await parcels.find(ALL, {"keys.place": "depot"})
    assert found.state == state
    [event] = await events(parcels, state.id)
    assert "keys" not in event.data.model_dump()


async def test_a_change_adds_one_version_and_one_event(parcels: Repository[Parcel]) -> None:
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    stored = await parcels.change(state.id, ALL, moved("there"), by())
    assert (stored.version, stored.state.place) == (2, "there")
    assert [(e.type, e.version, e.data.place) for e in await events(parcels, state.id)] == [
        (ParcelEvent.SENT, 1, "here"),
        (ParcelEvent.MOVED, 2, "there"),
    ]


async def test_a_decision_without_an_event_writes_nothing(parcels: Repository[Parcel]) -> None:
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    stored = await parcels.change(state.id, ALL, lambda parcel: (parcel, None), by())
    assert stored.version == 1
    assert len(await events(parcels, state.id)) == 1


async def test_a_refused_decision_changes_nothing(parcels: Repository[Parcel]) -> None:
    state, what = sent()
    await parcels.create(state, what, by(), ALL)

    def refuse(_: Parcel) -> None:
        raise Conflict("wrong_state", "no", "不")

    with pytest.raises(Conflict):
        await parcels.change(state.id, ALL, refuse, by())  # type: ignore[arg-type]
    assert (await parcels.get(state.id, ALL)).version == 1


async def test_the_same_creation_again_answers_the_stored_one(parcels: Repository[Parcel]) -> None:
    state, what = sent()
    command = by(key="k", fingerprint="f")
    await parcels.create(state, what, command, ALL)
    await parcels.change(state.id, ALL, moved("there"), by())
    again = await parcels.create(state, what, command, ALL)
    assert (again.version, again.state.place) == (2, "there")
    repeated = await parcels.repeated(state.id, ALL, command)
    assert repeated is not None
    assert repeated.version == 2


async def test_a_creation_without_a_key_is_repeated_by_saying_the_same(parcels: Repository[Parcel]) -> None:
    state, what = sent()
    await parcels.create(state, what, by(fingerprint="f"), ALL)
    assert (await parcels.create(state, what, by(fingerprint="f"), ALL)).version == 1
    with pytest.raises(Conflict, match="id_taken"):
        await parcels.create(state, what, by(fingerprint="g"), ALL)


async def test_a_key_used_for_something_else_is_refused(parcels: Repository[Parcel]) -> None:
    state, what = sent()
    await parcels.create(state, what, by(key="k", fingerprint="f"), ALL)
    with pytest.raises(Conflict, match="idempotency_key_reused"):
        await parcels.create(state, what, by(key="k", fingerprint="g"), ALL)
    await parcels.change(state.id, ALL, moved("there"), by(key="m", fingerprint="f"))
    with pytest.raises(Conflict, match="idempotency_key_reused"):
        await parcels.change(state.id, ALL, moved("elsewhere"), by(key="m", fingerprint="g"))
    assert (await parcels.get(state.id, ALL)).state.place == "there"


async def test_a_unique_index_of_the_service_refuses_but_not_a_repetition(parcels: Repository[Parcel]) -> None:
    await parcels.collection.create_index([("weight", 1)], unique=True)
    state, what = sent(weight=7)
    command = by(key="k", fingerprint="f")
    await parcels.create(state, what, command, ALL)
    assert (await parcels.create(state, what, command, ALL)).version == 1
    other, what = sent(weight=7)
    with pytest.raises(DuplicateKey):
        await parcels.create(other, what, by(), ALL)


async def test_a_repeated_key_is_handled_once_even_side_by_side(parcels: Repository[Parcel]) -> None:
    state, what = sent(weight=0)
    await parcels.create(state, what, by(), ALL)

    def heavier(parcel: Parcel):  # type: ignore[no-untyped-def]
        return parcel.model_copy(update={"weight": parcel.weight + 1}), what

    command = by(key="once", fingerprint="f")
    await asyncio.gather(*(parcels.change(state.id, ALL, heavier, command) for _ in range(8)))
    stored = await parcels.get(state.id, ALL)
    assert (stored.state.weight, stored.version) == (1, 2)


async def test_no_concurrent_change_is_lost(parcels: Repository[Parcel]) -> None:
    state, what = sent(weight=0)
    await parcels.create(state, what, by(), ALL)

    def heavier(parcel: Parcel):  # type: ignore[no-untyped-def]
        return parcel.model_copy(update={"weight": parcel.weight + 1}), what

    together = ATTEMPTS // 2
    await asyncio.gather(*(parcels.change(state.id, ALL, heavier, by(key=str(n))) for n in range(together)))
    stored = await parcels.get(state.id, ALL)
    assert (stored.state.weight, stored.version) == (together, together + 1)
    assert [e.version for e in await events(parcels, state.id)] == list(range(1, together + 2))


async def test_an_outdated_if_match_is_refused(parcels: Repository[Parcel]) -> None:
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    await parcels.change(state.id, ALL, moved("there"), by(expected=1))
    with pytest.raises(Stale):
        await parcels.change(state.id, ALL, moved("elsewhere"), by(expected=1))
    assert (await parcels.get(state.id, ALL)).state.place == "there"


async def test_only_the_newest_keys_are_kept(parcels: Repository[Parcel]) -> None:
    state, what = sent()
    await parcels.create(state, what, by(key="first", fingerprint="f"), ALL)
    for n in range(HANDLED + 3):
        await parcels.change(state.id, ALL, moved(str(n)), by(key=str(n)))
    document = await parcels.collection.find_one({"_id": state.id})
    assert [entry["key"] for entry in document["handled"]] == [str(n) for n in range(3, HANDLED + 3)]
    # The creation is known for ever: an import years later must still find its own record.
    assert await parcels.repeated(state.id, ALL, by(key="first", fingerprint="f")) is not None


async def test_unknown_and_forbidden_are_the_same(parcels: Repository[Parcel]) -> None:
    state, what = sent(owner="ann")
    await parcels.create(state, what, by(), ALL)
    bob = within(caller("bob"))
    with pytest.raises(NotFound):
        await parcels.get(state.id, bob)
    with pytest.raises(NotFound):
        await parcels.get(new_id(), bob)
    with pytest.raises(NotFound):
        await parcels.change(state.id, bob, moved("bob's"), by("bob"))
    assert await parcels.find(bob) == []
    assert (await parcels.get(state.id, within(caller("ann")))).state == state


async def test_the_owner_role_opens_no_row(parcels: Repository[Parcel]) -> None:
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    owner = within(caller("o", "owner"))
    with pytest.raises(NotFound):
        await parcels.get(state.id, owner)
    assert await parcels.find(owner) == []


async def test_restating_queues_every_aggregate_without_a_new_version(parcels: Repository[Parcel]) -> None:
    ids = []
    for n in range(3):
        state, what = sent(place=f"p{n}")
        await parcels.create(state, what, by(), ALL)
        ids.append(state.id)
    await parcels.collection.update_many({}, {"$set": {"outbox": []}, "$unset": {"unsent_since": ""}})
    assert await parcels.restate_all() == 3
    event = Event[Parcel].model_validate(orjson.loads(await parcels.restatement(ids[0])))
    assert (event.type, event.version, event.data.place) == (ParcelEvent.RESTATED, 1, "p0")
    assert await parcels.collection.count_documents({"unsent_since": {"$exists": True}}) == 3


async def test_a_repetition_is_answered_within_the_scope_of_whoever_repeats_it(parcels: Repository[Parcel]) -> None:
    state, what = sent()
    command = by(key="k", fingerprint="f")
    mine = within(caller("ann"))
    await parcels.create(state, what, command, mine)
    assert (await parcels.create(state, what, command, mine)).version == 1

    def given_away(parcel: Parcel) -> tuple[Parcel, Happened]:
        return parcel.model_copy(update={"owner": "bob"}), happened(ParcelEvent.MOVED)

    await parcels.change(state.id, ALL, given_away, by())
    with pytest.raises(NotFound):
        await parcels.repeated(state.id, mine, command)
    with pytest.raises(NotFound):
        await parcels.create(state, what, command, mine)
    assert (await parcels.create(state, what, command, within(caller("bob")))).version == 2
    # That the id is taken is said to everybody, because nobody else can choose it.
    with pytest.raises(Conflict, match="id_taken"):
        await parcels.repeated(state.id, mine, by(fingerprint="g"))
