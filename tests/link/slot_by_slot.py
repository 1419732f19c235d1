"""A second link simulator, written apart from ntnsim: every slot of many links, fades as sums of sinusoids.

It shares no code with ntnsim: it takes a list of levels (bits per resource element, SINR at a block error rate of 0.1,
slope of the logistic) and draws fades, reports, blocks, answers and the outer loop one slot after another. Each slot
belongs to one HARQ process (as many as slots in a round trip), so that a failed block is repeated one round trip later.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class SlotLink:
    efficiency: np.ndarray
    threshold_db: np.ndarray
    slope_per_db: np.ndarray
    slot_s: float = 1e-3
    report_age_slots: int = 13
    answer_slots: int = 14
    max_transmissions: int = 4
    bler_target: float = 0.1
    step_db: float = 0.02
    lowest_offset_db: float = -8.0


def fades(
    n_links, n_moments, step_s, *, k, doppler_hz, rng, taps=((0.0, 1.0),), frequencies_hz=(0.0,), sinusoids=24
):
    """Return power gains [links, moments, frequencies]; k: direct over scattered power; taps: (delay, share)."""
    time_s = np.arange(n_moments) * step_s
    field = np.zeros((n_links, n_moments, len(frequencies_hz)), dtype=complex)
    for delay_s, share in taps:
        angle = 2 * np.pi * (np.arange(sinusoids) + rng.random((n_links, 1))) / sinusoids
        phase = 2 * np.pi * rng.random((n_links, sinusoids))
        gain = np.zeros((n_links, n_moments), dtype=complex)
        for wave in range(sinusoids):
            shift_hz = doppler_hz * np.cos(angle[:, wave : wave + 1])
            gain += np.exp(1j * (2 * np.pi * shift_hz * time_s + phase[:, wave : wave + 1]))
        turn = np.exp(-2j * np.pi * np.asarray(frequencies_hz) * delay_s)
        field += (gain * np.sqrt(share / sinusoids))[:, :, None] * turn
    field = np.sqrt(k / (k + 1)) + field / np.sqrt(k + 1)
    return np.abs(field) ** 2


def run(link: SlotLink, sinr: np.ndarray, rng, *, warm_up: int, with_feedback: bool = True):
    """Return bits per resource element and slot, and the share of failed first transmissions; sinr: [links, slots]."""
    n_links, n_slots = sinr.shape
    sinr_db = 10 * np.log10(np.maximum(sinr, 1e-9))
    period = link.answer_slots
    active = np.zeros((n_links, period), dtype=bool)
    level = np.zeros((n_links, period), dtype=int)
    met = np.zeros((n_links, period))
    count = np.zeros((n_links, period), dtype=int)
    news = np.zeros((n_links, period))  # what the outer loop will hear of this process's first transmission
    offset_db = np.zeros(n_links)
    bits = firsts = failures = 0.0
    for slot in range(n_slots):
        own = slot % period
        offset_db = np.maximum(offset_db + news[:, own], link.lowest_offset_db)
        news[:, own] = 0.0
        report_db = sinr_db[:, max(slot - link.report_age_slots, 0)]
        fresh = ~active[:, own]
        heard = report_db >= link.threshold_db[0]
        wanted = np.sum(link.threshold_db <= (report_db + offset_db)[:, None], axis=1) - 1
        level[:, own] = np.where(fresh, np.maximum(wanted, 0), level[:, own])
        met[:, own] = np.where(fresh, 0.0, met[:, own]) + sinr[:, slot]
        count[:, own] = np.where(fresh, 0, count[:, own]) + 1
        sent = heard | ~fresh
        now = level[:, own]
        excess_db = 10 * np.log10(np.maximum(met[:, own], 1e-9)) - link.threshold_db[now]
        chance = 1 / (1 + np.exp(np.clip(link.slope_per_db[now] * excess_db + np.log(9.0), -700, 700)))
        failed = rng.random(n_links) < chance
        first = sent & fresh
        step_up = link.step_db * link.bler_target / (1 - link.bler_target)
        news[:, own] = np.where(first, np.where(failed, -link.step_db, step_up), 0.0)
        again = failed & sent & (count[:, own] < link.max_transmissions)
        active[:, own] = again & with_feedback
        if slot >= warm_up:
            bits += np.sum(link.efficiency[now] * (sent & ~failed))
            firsts += np.sum(first)
            failures += np.sum(first & failed)
    return bits / (n_links * (n_slots - warm_up)), failures / max(firsts, 1)
