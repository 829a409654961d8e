"""Rates and counts of a gate set so high that no load of a test meets them."""

PLENTY = 1_000_000
SETTINGS = {
    "command_rate": PLENTY,
    "command_burst": PLENTY,
    "user_rate": PLENTY,
    "user_burst": PLENTY,
    "connections_per_gate": PLENTY,
    "connections_per_address": PLENTY,
    "connects_per_address_rate": PLENTY,
    "connects_per_address_burst": PLENTY,
    "connections_per_user": PLENTY,
    "in_flight_per_user": PLENTY,
    "in_flight_per_connection": PLENTY,
    "in_flight_per_gate": PLENTY,
}
ENVIRONMENT = {f"GATEHOUSE_{name.upper()}": str(value) for name, value in SETTINGS.items()}
"""The same for a process."""
