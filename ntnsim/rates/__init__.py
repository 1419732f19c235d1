"""How many bits a changing rate lets through, and when so many have passed: exact, without events."""
