"""What forms are due 报表上交, and what became of each."""
