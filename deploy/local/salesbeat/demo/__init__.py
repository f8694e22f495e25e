"""`salesbeat demo`: a made-up Chinese company of pump and water-treatment makers, and some months of its life.

calendar.py  public holidays and 调休 of China      company.py  offices, people, products, names
life.py      a day -> the records up to the day before it, pure; days.py what somebody's day was, field.py its records
command.py   sends them (send.py), makes accounts, prints both       live.py  plays one day before one's eyes
"""

from salesbeat.demo.command import run
from salesbeat.demo.live import play

__all__ = ["play", "run"]
