"""The microservice chassis: how every service says it; no domain word in it."""
