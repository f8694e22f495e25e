"""The published language: events, topics and the values in them. Imports pydantic only."""
