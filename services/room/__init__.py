"""The room service: owns membership and order; one writer per room (design §5)."""
