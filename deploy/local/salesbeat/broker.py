"""Which broker this machine runs, and the topics on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from contracts.topics import DEAD_LETTERS, TOPICS
from salesbeat import kafka_apache, kafka_embedded
from salesbeat.ports import LOOPBACK

Wish = Literal["auto", "apache", "embedded"]
Kind = Literal["apache", "embedded"]

LOCAL_REPLICAS = 1


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker to be started on this machine, and what its clients must be told of it."""

    kind: Kind
    why: str
    port: int
    command: list[str]

    @property
    def kafka_bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def kafka_idempotence(self) -> bool:
        return self.kind == "apache"

    @property
    def kafka_fetch_wait_ms(self) -> int:
        # The embedded one answers long polls late.
        return 500 if self.kind == "apache" else 10

    @property
    def environment(self) -> dict[str, str]:
        """The settings of every process that uses it."""
        return {
            "SALESBEAT_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "SALESBEAT_KAFKA_IDEMPOTENCE": str(self.kafka_idempotence).lower(),
            "SALESBEAT_KAFKA_FETCH_WAIT_MS": str(self.kafka_fetch_wait_ms),
        }


def choose(wish: Wish, folder: Path, port: int, controller_port: int) -> Broker:
    """The wished broker, ready to be started; `auto` is Apache Kafka where its jars can be had.

    Raises kafka_apache.NotHere or FileNotFoundError when the wished one cannot run here.
    """
    if wish == "embedded":
        return Broker("embedded", "as wished", port, kafka_embedded.command(port))
    try:
        command = kafka_apache.prepare(folder, port, controller_port)
    except kafka_apache.NotHere as missing:
        if wish == "apache":
            raise
        return Broker("embedded", f"Apache Kafka cannot run here: {missing}", port, kafka_embedded.command(port))
    return Broker("apache", "as wished" if wish == "apache" else "its jars and its Java are here", port, command)


async def create_topics(bootstrap: str, replicas: int = LOCAL_REPLICAS, others: Sequence[str] = ()) -> None:
    """Make the topics of the contracts and those for dead letters that are not there yet. Raises KafkaError.

    others: further topics, with one partition each.
    """
    wanted = [
        NewTopic(topic.name, topic.partitions, replicas, topic_configs={"retention.ms": str(topic.retention_ms)})
        for topic in TOPICS
    ]
    wanted += [NewTopic(name, 1, replicas, topic_configs={"retention.ms": "-1"}) for name in (*DEAD_LETTERS, *others)]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        missing = [topic for topic in wanted if topic.name not in there]
        if not missing:
            return
        answer: Any = await admin.create_topics(missing)
        for name, code, *said in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(f"the topic {name} could not be made: {said}")
    finally:
        await admin.close()
