"""What the command says when it cannot do what it was asked."""

from __future__ import annotations


class Refused(Exception):
    """The text is a sentence for the user: what is wrong and what to do. `salesbeat` prints it and ends with 1."""
