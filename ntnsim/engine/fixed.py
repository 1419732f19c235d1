"""The policy that always answers the same."""

from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import Decision, ImageState, Policy, Requirement


class FixedPolicy(Policy):
    """Sends every image with one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self._decision = Decision(configuration)

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Return the fixed configuration."""
        return self._decision
