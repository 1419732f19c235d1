"""What is simulated, as the user wrote it."""
