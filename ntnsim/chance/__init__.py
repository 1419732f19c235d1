"""What chance brings, by named streams: numbers, arrivals, stage times, quantities that step over time. No SimPy."""
