"""Physical constants."""

SPEED_OF_LIGHT_M_S = 299_792_458.0  # exact, SI
BOLTZMANN_DBW_PER_K_HZ = -228.6  # 10 log10(k), as rounded in 3GPP TR 38.821, 6.1.3.1
EARTH_RADIUS_SPHERE_M = 6_371_000.0  # 3GPP TR 38.811, 6.3
