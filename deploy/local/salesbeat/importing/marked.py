"""YAML whose values know the line they stand on, so that a mistake can be named by its line.

Every scalar stays the text that was written: `no`, `007` and `2017-03-01` mean themselves.
"""

from __future__ import annotations

from typing import Any

import yaml


class Mistake(Exception):
    """A mapping cannot be used. `sentences` say which line is wrong and what to do."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


class Text(str):
    """A scalar with its line."""

    line: int


class Block(dict[str, Any]):
    """A mapping with its line, and the line of each of its keys."""

    line: int
    lines: dict[str, int]


class Sequence(list[Any]):
    """A list with its line."""

    line: int


def load(text: str, name: str) -> Block:
    """Read YAML. Raises Mistake where it is not YAML, has a key twice, or is no mapping."""
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}, line {mark.line + 1}" if mark else name
        raise Mistake([f"{place}: this is not YAML: {error.problem or error.context}."]) from None
    except yaml.YAMLError as error:
        raise Mistake([f"{name}: this is not YAML: {error}."]) from None
    if not isinstance(node, yaml.MappingNode):
        raise Mistake([f"{name}, line 1: a mapping begins with `mapping: 1` and `name: …` (docs/import.md)."])
    return _block(node, name)


def _value(node: yaml.Node, name: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _block(node, name)
    if isinstance(node, yaml.SequenceNode):
        sequence = Sequence(_value(item, name) for item in node.value)
        sequence.line = node.start_mark.line + 1
        return sequence
    text = Text(node.value)
    text.line = node.start_mark.line + 1
    return text


def _block(node: yaml.MappingNode, name: str) -> Block:
    block = Block()
    block.line = node.start_mark.line + 1
    block.lines = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise Mistake([f"{name}, line {line}: a key must be a text; put quotes around a text with braces."])
        key = key_node.value
        if key in block:
            first = block.lines[key]
            raise Mistake([f"{name}, line {line}: `{key}` stands here a second time (first in line {first})."])
        block[key] = _value(value_node, name)
        block.lines[key] = line
    return block
