"""The sales organisation and the customer files."""
