"""Phone calls 电话 (V-14)."""
