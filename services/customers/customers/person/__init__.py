"""The people of the sales organisation, their postings and reporting line."""
