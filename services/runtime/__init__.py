"""Plumbing that two services or more want. No domain lives here, and no service is known."""
