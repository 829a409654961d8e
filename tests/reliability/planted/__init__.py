"""Workers with something wrong in them, put there by a test: a clock that jumps, or a bug that the checks must find."""
