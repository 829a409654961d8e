"""What tests stand on: a real broker and store, our services as processes or containers, and waiting."""
