"""What users do while things break. Each module is one kind of traffic: it prepares its rooms and people, and then goes
on until the world is quiet."""
