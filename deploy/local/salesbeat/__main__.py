"""`python -m salesbeat`: the `salesbeat` command."""

from salesbeat.cli import app

app()
