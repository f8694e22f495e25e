"""A whole reader of Salesbeat's events: it keeps the newest state of every order in a SQLite file.

    python reader.py --bootstrap 127.0.0.1:8792 --file orders.sqlite --group acme-warehouse

It needs aiokafka and nothing of Salesbeat. docs/events.md says why each step is as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer

TOPIC = "sales.order.v1"
TABLE = """
CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY, version INTEGER NOT NULL, number TEXT NOT NULL, status TEXT NOT NULL,
  confirmed_on TEXT, total_minor INTEGER NOT NULL, currency TEXT NOT NULL
)
"""
# One statement refuses duplicates and older states: an event that comes twice or late changes nothing.
KEEP = """
INSERT INTO orders VALUES (:id, :version, :number, :status, :confirmed_on, :total_minor, :currency)
ON CONFLICT (id) DO UPDATE SET
  version = excluded.version, number = excluded.number, status = excluded.status,
  confirmed_on = excluded.confirmed_on, total_minor = excluded.total_minor, currency = excluded.currency
WHERE excluded.version > orders.version
"""


def row(value: bytes) -> dict[str, Any]:
    """The row of one event. Raises ValueError, KeyError or TypeError where the record is not such an event.

    Unknown fields are ignored, because a minor release adds fields. The type does not matter here, because every
    event of the topic carries the order's whole state.
    """
    event = json.loads(value)
    order = event["data"]
    confirmation = order["confirmation"]
    return {
        "id": event["subject"],
        "version": int(event["sequence"]),
        "number": order["number"],
        "status": order["status"],
        "confirmed_on": confirmation["business_date"] if confirmation else None,
        "total_minor": order["total"]["minor"],
        "currency": order["total"]["currency"],
    }


async def read(bootstrap: str, group: str, file: str, idle: float | None) -> None:
    """Reads until it is ended, or until no record has come for `idle` seconds."""
    database = sqlite3.connect(file)
    database.execute(TABLE)
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",  # a new reader starts with the whole history
        enable_auto_commit=False,  # the offset is committed after the rows are stored, never before
    )
    await consumer.start()
    try:
        while True:
            batches = await consumer.getmany(timeout_ms=int((idle or 1) * 1000), max_records=500)
            if not batches:
                if idle is not None:
                    return
                continue
            with database:
                for records in batches.values():
                    for record in records:
                        try:
                            database.execute(KEEP, row(record.value))
                        except (ValueError, KeyError, TypeError) as error:
                            # A record that cannot be read must not stop the reader: report it and go on.
                            where = f"{record.topic}/{record.partition}/{record.offset}"
                            print(f"left out {where}: {error!r}", file=sys.stderr)
            await consumer.commit()
    finally:
        await consumer.stop()
        database.close()


if __name__ == "__main__":
    words = argparse.ArgumentParser(description="Keep the newest state of every order in a SQLite file.")
    words.add_argument("--bootstrap", required=True, help="address of a Kafka broker, such as 127.0.0.1:8792")
    words.add_argument("--group", required=True, help="your own consumer group; it remembers how far you have read")
    words.add_argument("--file", required=True, help="the SQLite file")
    words.add_argument("--idle", type=float, help="end when no record has come for so many seconds; default: never")
    chosen = words.parse_args()
    asyncio.run(read(chosen.bootstrap, chosen.group, chosen.file, chosen.idle))
