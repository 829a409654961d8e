"""The command line: `gatehouse`. Pure cores (conversation and what it is made of, lines, backoff) in thin shells."""
