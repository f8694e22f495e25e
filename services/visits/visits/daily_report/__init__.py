"""Daily sales reports 每日销售报告表."""
