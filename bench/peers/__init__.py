"""What our code is measured against, each written as its own documentation advises."""
