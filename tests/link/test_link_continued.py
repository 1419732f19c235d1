"""A process that is cut in two and continued is the process that was not cut."""

import numpy as np
import pytest

from ntnsim.link.correlated import gaussian_process, latent_uniform


def test_correlation_across_a_cut_is_what_it_is_elsewhere():
    rng = np.random.default_rng(2)
    first = np.array([0.0, 0.3])
    pairs = []
    for _ in range(20_000):
        head = gaussian_process(first, rng)
        tail = gaussian_process(np.array([0.4, 1.0]), rng, before=head[-1])
        pairs.append((head[-1], *tail))
    correlation = np.corrcoef(np.array(pairs).T)
    # Standard error of a correlation ρ from n pairs: (1 − ρ²)/√n.
    assert correlation[0, 1] == pytest.approx(np.exp(-0.4), abs=4 / np.sqrt(20_000))
    assert correlation[0, 2] == pytest.approx(np.exp(-1.0), abs=4 / np.sqrt(20_000))
    assert np.array(pairs).std(axis=0) == pytest.approx(np.ones(3), abs=0.03)


def test_latent_stays_across_a_cut_as_often_as_no_renewal_falls_into_it():
    rng = np.random.default_rng(3)
    stayed = [latent_uniform(np.array([0.5]), rng, before=0.25)[0] == 0.25 for _ in range(20_000)]
    assert np.mean(stayed) == pytest.approx(np.exp(-0.5), abs=4 * 0.5 / np.sqrt(20_000))
