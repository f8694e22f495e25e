"""Commands that a telephone has collected while it was away from the network (domain.md A9 row 50)."""
