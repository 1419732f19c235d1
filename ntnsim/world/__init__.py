"""Who waits for whom: the SimPy processes. The only package that imports simpy."""
