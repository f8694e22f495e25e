"""What is sold: code, list price, cost."""
