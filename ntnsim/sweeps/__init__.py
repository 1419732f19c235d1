"""Many runs of one scenario: points × replications, on local processes or a Dask cluster, resumable at any moment.

`points` says which settings, `cells` turns them into runs with an address made of their content, `execute` runs one
of them atomically, `local` and `dask_cluster` run many at once, `drive` decides what is still missing.
"""
