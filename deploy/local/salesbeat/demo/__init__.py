"""`salesbeat demo`: a made-up Chinese company of pump and water-treatment makers, and some months of its life.

calendar.py  public holidays and 调休 of China      company.py  offices, people, products, names
life.py      a day -> the records up to the day before it, pure   command.py  sends them, makes accounts, prints both
"""

from salesbeat.demo.command import run

__all__ = ["run"]
