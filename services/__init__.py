"""The three worker services and the plumbing they share. They meet only on RabbitMQ."""
