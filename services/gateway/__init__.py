"""The gateway: it holds the clients' connections, and everything it knows can be rebuilt."""
