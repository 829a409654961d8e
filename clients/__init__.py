"""Programs that talk to Gatehouse through its doors. Nothing here knows how a service works inside."""
