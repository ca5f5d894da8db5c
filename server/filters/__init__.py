"""The filters that a person keeps for the worklist."""
