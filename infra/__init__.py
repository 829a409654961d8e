"""How Gatehouse is built, started and shipped. Nothing here is imported by the services."""
