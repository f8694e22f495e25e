"""An office's rules of field work: cut-offs, distance, patience."""
