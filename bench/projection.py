"""A year of 300,000 events, from Kafka to queryable day, week and month totals, against Bytewax and Quix Streams."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench import frame
from bench.frame import Report, Stage, check
from bench.year import PARTITIONS, Said, disordered, hold_to_contracts, people, periods, plain_sums, year
from chassis.ids import new_id
from chassis.mongo import Database, connect
from contracts.topics import ORDERS, VISITS
from reporting.totals import COMPANY, Totals, add_up
from salesbeat import broker as brokers
from salesbeat.ports import free_port

NAME = "projection"
WHAT = "300,000 events of 200 people over a year, from Kafka to day, week and month totals"
TOPICS = (ORDERS.name, VISITS.name)
SIDES = "events/s"
Sums = Mapping[str, Mapping[str, Totals]]


class Log:
    """A broker that holds the year, and what everybody must have made of it."""

    def __init__(self, stage: Stage, bootstrap: str, records: Sequence[Said], sums: Sums) -> None:
        self.stage = stage
        self.bootstrap = bootstrap
        self.count = len(records)
        self.sums = sums
        self.bytes = sum(len(one.value) for one in records) / len(records)

    @classmethod
    async def hold(cls, stage: Stage, name: str, records: Sequence[Said], sums: Sums) -> Log:
        if name == "in order":
            broker = await stage.kafka()
        else:
            broker = brokers.choose("apache", stage.folder(f"kafka-{name}"), free_port(), free_port())
            process = stage.start(f"kafka-{name}", broker.command)
            await stage.listening("kafka", broker.port, process)
            await brokers.create_topics(broker.kafka_bootstrap)
        producer = AIOKafkaProducer(bootstrap_servers=broker.kafka_bootstrap, linger_ms=20, enable_idempotence=True)
        await producer.start()
        for start in range(0, len(records), 10_000):
            sent = [
                await producer.send(one.topic, one.value, key=one.key.encode(), partition=one.partition)
                for one in records[start : start + 10_000]
            ]
            await asyncio.gather(*sent)
        await producer.stop()
        return cls(stage, broker.kafka_bootstrap, records, sums)

    # --- ours -------------------------------------------------------------------------------------

    async def ours(self) -> float:
        """Events per second of the reporting worker, into a fresh database, from the beginning of the log."""
        await self._rewind("reporting")
        name = f"bench_{new_id().replace('-', '')}"
        uri = await self.stage.mongodb()
        environment = {
            "SALESBEAT_MONGODB_URI": uri,
            "SALESBEAT_MONGODB_DATABASE": name,
            "SALESBEAT_KAFKA_BOOTSTRAP": self.bootstrap,
            "SALESBEAT_LOG_LEVEL": "warning",
        }
        client = connect(uri)
        try:
            said = await self._run("worker", [sys.executable, "-m", "bench.worker_once", str(self.count)], environment)
            check(said["taken"] == self.count, f"the worker has taken {said['taken']} of {self.count} events")
            _compare("ours", await _stored(client.database(name)), self.sums)
        finally:
            await client.drop(name)
            await client.close()
        return self.count / said["seconds"]

    # --- the peers --------------------------------------------------------------------------------

    async def peer(self, module: str, units: str) -> float:
        """Events per second of a peer's program, from the beginning of the log, with a new state.

        units: "people", or "all" for the offices, the regions and the company, too, as our worker has them.
        """
        folder = self.stage.folder(f"{module}-{new_id()}")
        sources = (".", "libs/contracts", "libs/kernel", "libs/chassis", "services/reporting")
        environment = {
            "PYTHONPATH": os.pathsep.join(str(frame.HERE.parent / source) for source in sources),
            "BENCH_BROKER": self.bootstrap,
            "BENCH_FOLDER": str(folder),
            "BENCH_GROUP": f"{module}-{new_id()}",
            "BENCH_UNITS": units,
            "BENCH_TOTALS": str(totals := folder / "totals.json"),
        }
        command = [frame.peer("python"), "-m", f"bench.peers.{module}", ",".join(TOPICS), str(self.count)]
        said = await self._run(module, command, environment)
        found: dict[str, dict[str, Totals]] = {}
        answer = await asyncio.to_thread(Path(totals).read_text)
        for place, total in json.loads(answer).items():
            unit, _, period = place.partition("/")
            found.setdefault(unit, {})[period] = total
        staff = {person.id for person in people()}
        _compare(module, found, self.sums if units == "all" else {u: s for u, s in self.sums.items() if u in staff})
        return self.count / said["seconds"]

    async def limit(self) -> float:
        """Events per second of getmany and msgspec alone, with nothing done about them."""

        class Envelope(msgspec.Struct):
            subject: str
            sequence: str
            data: msgspec.Raw

        decode = msgspec.json.Decoder(Envelope).decode
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition(topic, n) for topic in TOPICS for n in range(PARTITIONS)])
        began, seen = 0.0, 0
        while seen < self.count:
            batch = await consumer.getmany(timeout_ms=500, max_records=5_000)
            began = began or time.monotonic()
            for records in batch.values():
                for record in records:
                    decode(record.value or b"")
                seen += len(records)
        seconds = time.monotonic() - began
        await consumer.stop()
        return self.count / seconds

    async def _run(self, name: str, command: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            cwd=frame.HERE.parent,
        )
        out, errors = await process.communicate()
        check(process.returncode == 0, f"{name} failed: {errors.decode(errors='replace')[-2_000:]}")
        said: dict[str, Any] = json.loads(out.decode().strip().splitlines()[-1])
        speed, cpu, seconds = self.count / said["seconds"], said["cpu"], said["seconds"]
        frame.console.print(f"  {name}: {speed:,.0f} events/s, {cpu:.1f} s of processor in {seconds:.1f} s")
        return said

    async def _rewind(self, group: str) -> None:
        """Let the group begin again; it has no members now."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=group, enable_auto_commit=False)
        partitions = [TopicPartition(topic, n) for topic in TOPICS for n in range(PARTITIONS)]
        await consumer.start()
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))
        await consumer.stop()


def _compare(side: str, found: Sums, wanted: Sums) -> None:
    """Every total of every unit and period, against the plain sum; what is nought says nothing."""
    check(found.keys() == wanted.keys(), f"{side} has {len(found)} units, not {len(wanted)}")
    for unit, by_period in wanted.items():
        for period, total in by_period.items():
            mine = {path: value for path, value in found[unit].get(period, {}).items() if value}
            plain = {path: value for path, value in total.items() if value}
            check(mine == plain, f"{side}, {unit} in {period}: {mine} instead of {plain}")
        more = {period for period, total in found[unit].items() if any(total.values())} - by_period.keys()
        check(not more, f"{side} has totals of {unit} in {sorted(more)[:3]}, where nothing was")


async def _stored(database: Database) -> dict[str, dict[str, Totals]]:
    """Of each unit, what stands in `totals`, with the weeks added up as the answers do."""
    found: dict[str, dict[str, Totals]] = {}
    weeks: dict[tuple[str, str], list[Totals]] = {}
    async for document in database["totals"].find({}):
        unit, month = document["_id"].rpartition("/")[2], document["month"]
        here = found.setdefault(COMPANY if unit == month else unit, {})
        here[month] = document["total"]
        for day, total in document["days"].items():
            here[f"{month}-{day}"] = total
            weeks.setdefault((COMPANY if unit == month else unit, periods(f"{month}-{day}")[1]), []).append(total)
    for (unit, week), parts in weeks.items():
        found[unit][week] = add_up(parts)
    return found


async def measure(stage: Stage, report: Report) -> None:
    said = year()
    hold_to_contracts(said[::300])
    sums = plain_sums(said)
    ordered = await Log.hold(stage, "in order", said, sums)
    mixed = await Log.hold(stage, "disordered", disordered(said), sums)
    case, other = "in order", "disordered, 10 % twice"
    ours, bytewax, quix = "reporting worker", "Bytewax", "Quix Streams"

    def side(name: str, what: str, run: Callable[[], Awaitable[float]]) -> frame.Round:
        async def round() -> None:
            report.add(what, name, await run(), SIDES)

        return round

    await frame.interleave(
        stage,
        side(ours, case, ordered.ours),
        side(ours, other, mixed.ours),
        side(bytewax, case, lambda: ordered.peer("bytewax_totals", "all")),
        side(quix, case, lambda: ordered.peer("quix_totals", "all")),
        side(f"{bytewax}, people only", case, lambda: ordered.peer("bytewax_totals", "people")),
        side(f"{quix}, people only", case, lambda: ordered.peer("quix_totals", "people")),
        side("getmany + msgspec", case, ordered.limit),
    )
    report.note(
        f"{ordered.bytes:,.0f} bytes an event. Every day, week and month of every person, office, region and the "
        "company was held to a plain sum. Ours can be queried, down to its records and as of any instant; the peers' "
        "are in their memory. The goals are by equal work; the peers without the units above are shown beside it."
    )
    report.at_least("in order, to Bytewax", 1.0, report.ratio(case, ours, bytewax))
    report.at_least("in order, to Quix Streams", 3.0, report.ratio(case, ours, quix))
    report.at_least("disordered, to our own in order", 0.8, report.ratio(other, ours, ours, case))


if __name__ == "__main__":
    frame.main(NAME, WHAT, measure)
