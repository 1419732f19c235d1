"""State to configuration: the policies that choose x."""
