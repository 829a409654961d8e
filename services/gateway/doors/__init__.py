"""The ways in. Each door translates; none knows a rule of a room."""
