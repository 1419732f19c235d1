"""A world that stands still at a decision until somebody makes it.

SimPy asks for a decision from within an event, so the world runs in a thread of its own, and that thread waits. One
image at a time is asked about: until its outcome is known, images that fall due are decided without asking. So nothing
about arrivals, queues and channels differs from a run of the same scenario.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple

from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import Decision, DeliveredImage, ImageState, LostImage, Policy, Requirement
from ntnsim.world.world import World


class Question(NamedTuple):
    """A decision that is due."""

    image: ImageState
    network: NetworkState
    requirement: Requirement


class _Stop(BaseException):
    """Ends a world from within its question; no handler of ordinary errors catches it."""


class _AskedPolicy(Policy):
    """Asks outside about one image, then about none until that one has ended."""

    def __init__(self, meanwhile: Policy | None) -> None:
        self._meanwhile = meanwhile
        self._last = Decision(None)
        self._asked: ImageState | None = None  # the image whose outcome is awaited
        self.ended: DeliveredImage | LostImage | None = None
        self.questions: SimpleQueue[Question | BaseException | None] = SimpleQueue()
        self.answers: SimpleQueue[Configuration | None] = SimpleQueue()

    @property
    def learns(self) -> bool:
        return True

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Ask the agent and wait; images before that one ends are the other policy's, or get the last answer."""
        if self._asked is not None:
            return self._meanwhile.choose(image, network, requirement) if self._meanwhile else self._last
        self._asked = image
        self.questions.put(Question(image, network, requirement))
        configuration = self.answers.get()
        if configuration is None:
            raise _Stop
        self._last = Decision(configuration)
        return self._last

    def learn(self, delivered: DeliveredImage) -> None:
        if delivered.image is self._asked:
            self._asked, self.ended = None, delivered
        elif self._meanwhile:
            self._meanwhile.learn(delivered)

    def lose(self, lost: LostImage) -> None:
        if lost.image is self._asked:
            self._asked, self.ended = None, lost
        elif self._meanwhile:
            self._meanwhile.lose(lost)


class SteppedWorld:
    """One run of a world, decision by decision.

    question: the decision that is due; None when the run is over.
    """

    def __init__(self, make: Callable[[Policy], World], meanwhile: Policy | None) -> None:
        """Start the world that *make* makes for a policy, and go to its first decision.

        meanwhile: decides for images that fall due while another's outcome is awaited; None: as was decided for that.
        """
        self.question: Question | None = None
        self._policy = _AskedPolicy(meanwhile)
        self._thread = threading.Thread(
            target=_simulate, args=(make(self._policy), self._policy), name="ntnsim world", daemon=True
        )
        self._thread.start()
        self._wait()

    def decide(self, configuration: Configuration) -> DeliveredImage | LostImage | None:
        """Answer the question and go on to the next; return what became of the image, None if it is still on its way.

        It can only be on its way when the run is over, cut off by its horizon.
        """
        assert self.question is not None, "the run is over"
        self._policy.ended = None
        self._policy.answers.put(configuration)
        self._wait()
        return self._policy.ended

    def close(self) -> None:
        """End the run."""
        self._release()
        self._thread.join()

    def __del__(self) -> None:
        self._release()  # without waiting: at the program's end the thread may be gone

    def _release(self) -> None:
        if self.question is not None:
            self.question = None
            self._policy.answers.put(None)

    def _wait(self) -> None:
        """Wait for the next question, or for the end; raise what went wrong in the world."""
        question = self._policy.questions.get()
        self.question = None if isinstance(question, BaseException) else question
        if isinstance(question, BaseException):
            raise question


def _simulate(world: World, policy: _AskedPolicy) -> None:
    try:
        world.run()
    except _Stop:
        return
    except BaseException as error:
        policy.questions.put(error)
    else:
        policy.questions.put(None)
