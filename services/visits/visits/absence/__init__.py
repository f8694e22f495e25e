"""Leave 请假 and trips 出差."""
