"""What operators ask of a running installation, over its broker: a room, the shards, what was parked."""
