"""What the channel allows: link budget, stochastic channel, antennas, adaptation, retransmission, rate profiles."""
