"""The palettes as people with a colour vision deficiency see them.

Simulation: Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision deficiency",
IEEE TVCG 15(6), 2009, matrices of severity 1 for linear RGB. Distance: CIEDE2000, from scikit-image.
"""

from itertools import combinations, pairwise

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from ntnsim.report.style import COMPONENT_COLOURS, FAULT_COLOUR, PASS_COLOUR, PREFERRED, STYLES, scheme_styles

# About 2 is just noticeable side by side; two areas of a figure and its legend need several times that.
APART = 10.0
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
PALETTES = {
    "schemes": [style.colour for style in STYLES],
    "components": list(COMPONENT_COLOURS.values()),
    "timeline bands": [PASS_COLOUR, FAULT_COLOUR],
}


def seen(colours: list[str], vision: str) -> np.ndarray:
    """Return CIELAB [n, 3] of *colours* as seen with *vision*."""
    encoded = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in colours])
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    turned = np.clip(linear @ np.transpose(VISION[vision]), 0, 1)
    again = np.where(turned <= 0.0031308, 12.92 * turned, 1.055 * turned ** (1 / 2.4) - 0.055)
    return rgb2lab(again[None])[0]


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("palette", PALETTES)
def test_no_two_colours_of_a_palette_fall_together(palette, vision):
    colours = PALETTES[palette]
    lab = seen(colours, vision)
    distances = {
        (colours[i], colours[j]): float(deltaE_ciede2000(lab[i], lab[j]))
        for i, j in combinations(range(len(colours)), 2)
    }
    nearest = min(distances, key=distances.__getitem__)
    assert distances[nearest] >= APART, (nearest, distances[nearest])


def test_the_simulation_sees_what_deuteranopes_confuse():
    # Red and green of one lightness fall together for a deuteranope, blue and yellow do not.
    red, green, blue, yellow = seen(["#B05050", "#7D7140", "#0000FF", "#FFFF00"], "deuteranopia")
    assert deltaE_ciede2000(red, green) < APART < deltaE_ciede2000(blue, yellow)


@pytest.mark.parametrize("vision", VISION)
def test_neighbouring_parts_of_a_bar_differ_even_more(vision):
    lab = seen(PALETTES["components"], vision)
    assert min(float(deltaE_ciede2000(a, b)) for a, b in pairwise(lab)) >= 1.5 * APART


def test_more_schemes_than_colours_still_look_different():
    looks = scheme_styles([*PREFERRED, *(f"own {number}" for number in range(20))]).values()
    assert len({(look.colour, look.marker) for look in looks}) == len(looks) == 28
