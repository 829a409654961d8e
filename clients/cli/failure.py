"""What ends the program early: one sentence for the person, exit code 1."""


class Failure(Exception):
    """`str()` is the sentence."""
