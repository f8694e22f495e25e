"""Orders 订单, from their receipt to their closing."""
