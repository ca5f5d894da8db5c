"""Nothing lost and nothing doubled, proved on real processes: `make faults`."""
