"""`salesbeat import`: somebody's CSV files, read as a mapping says, into the suite through the gateway.

mapping.py   the mapping language, as models          marked.py   YAML whose values know their line
tables.py    CSV files as rows, with joins            values.py   what a value of a row is
plan.py      rows -> records with their requests      send.py     requests -> gateway, many at a time
verdicts.py  what became of each row                  command.py  the command and what it prints
"""
