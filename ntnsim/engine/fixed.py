"""The policy that always answers the same."""

from collections.abc import Mapping

from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import Decision, DeliveredImage, ImageState, Requirement


class FixedPolicy:
    """Sends every image with one configuration."""

    learns = False

    def __init__(self, configuration: Configuration) -> None:
        self._decision = Decision(configuration)

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Return the fixed configuration."""
        return self._decision

    def learn(self, delivered: DeliveredImage) -> None:
        """Learn nothing."""

    def diagnostics(self) -> Mapping[str, float]:
        """Return nothing: the policy has no inner state."""
        return {}
