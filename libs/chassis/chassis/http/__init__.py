"""What happens to a request before a route sees it: its query, its body, its limits."""
