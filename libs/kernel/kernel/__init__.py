"""The shared kernel: the domain that every service shares. Pure: it imports the standard library only."""
