"""What the channel allows: losses, budgets, adaptation and rate profiles."""
