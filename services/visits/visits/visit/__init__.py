"""Visits 访问: planned or not, from the check-in to what came of them."""
