"""`salesbeat import`: somebody's CSV files, read as a mapping says, into the suite through the gateway.

mapping.py       the mapping language, as models       located YAML: marked.py
encodings.py     bytes as text                         csv_reader.py      text as rows with their lines
tables.py        the files, joined                     mended.py          a mended error file
values.py        what a value of a row is              numbers.py, dates.py   how cells are written
plan.py          rows -> records                       bodies.py, order_bodies.py   records -> requests
rehearsal.py     requests -> the services in memory    memory_database.py   what they keep there
send.py          requests -> gateway, many at a time   sentences.py       refusals in words of the files
verdicts.py      what became of each row               command.py         the command and what it prints
"""
