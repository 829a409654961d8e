"""Who breaks things: what there is to break and when is a pure plan from a seed, how it is broken stands beside it."""
