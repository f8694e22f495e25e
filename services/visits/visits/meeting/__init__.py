"""Meetings 早会 / 晚会 / 周会, interviews 面谈 and coaching 指导."""
