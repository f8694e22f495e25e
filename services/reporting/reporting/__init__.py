"""Daily, weekly and monthly progress, and its targets."""
