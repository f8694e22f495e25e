"""docs/import.md is held to the language: each example loads, the first one imports, and every key is explained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from salesbeat.importing import command, mapping
from salesbeat.importing.verdicts import Became

PAGE = (Path(__file__).parents[2] / "docs/import.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
FILES = ("staff", "articles", "clients", "deals", "items", "agents")


def whole(block: str) -> str:
    """A block as a mapping: a fragment gets what it leaves out."""
    if block.startswith("mapping:"):
        return block
    files = "" if "files:" in block else "files:\n" + "".join(f"  {name}: {{file: {name}.csv}}\n" for name in FILES)
    return f"mapping: 1\nname: example\n{files}{block}"


@pytest.mark.parametrize("block", BLOCKS, ids=[block.split(":")[0] + str(n) for n, block in enumerate(BLOCKS)])
def test_each_example_loads(block: str) -> None:
    mapping.parse(whole(block), "example.yaml")


def test_the_first_example_imports(tmp_path: Path) -> None:
    (rows,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "articles.csv").write_text(rows)
    (tmp_path / "acme.yaml").write_text(BLOCKS[0])
    records = command.read(tmp_path / "acme.yaml", tmp_path).records["products"]
    assert [record.problems for record in records] == [[], []]
    assert [record.requests[0].body["price"]["minor"] for record in records] == [123450, 0]
    assert records[0].requests[0].body["price"]["currency"] == "EUR"


def models(model: Any = mapping.Mapping, found: set[Any] | None = None) -> set[Any]:
    found = set() if found is None else found
    if isinstance(model, type) and issubclass(model, BaseModel) and model not in found:
        found.add(model)
        for field in model.model_fields.values():
            models(field.annotation, found)
    for inner in getattr(model, "__args__", ()):
        models(inner, found)
    return found


def test_every_key_is_explained() -> None:
    keys = {field.alias or name for model in models() for name, field in model.model_fields.items()} - {"(line)"}
    assert len(keys) > 80
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    assert sorted(key for key in keys if f"`{key}`" not in prose) == []


def test_every_verdict_is_explained() -> None:
    assert [became.value for became in Became if f"| {became.value} |" not in PAGE] == []


def test_every_example_key_exists() -> None:
    """A fragment that names a wrong key must fail: the test above can."""
    with pytest.raises(mapping.Mistake, match="did you mean `name`"):
        mapping.parse(whole("regions: {from: staff, key: a, nme: b}"), "example.yaml")
