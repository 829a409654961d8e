"""The doors as the workloads use them: each says a command and waits for its answer, or finds that none comes.

Nothing is tried again here, and nothing is judged: whoever says a command does both.
"""
