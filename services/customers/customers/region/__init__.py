"""Sales regions 区域."""
