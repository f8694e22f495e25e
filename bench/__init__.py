"""Measurements, each with its peers and its limit, interleaved in one run."""
