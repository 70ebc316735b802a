"""Who is still there: that nobody is found in one frame does not mean that nobody is there.

Somebody stays until they were last seen on their feet at the image's edge or in a door, or where
they were last seen the picture is the empty room's again. In the dark a picture tells little: there
whoever was never seen going stays, and as long as nobody was ever seen, somebody may be there.
"""

from har_stream.recognition.person.key_points import Box

COMES = 0.5
"""Probability of somebody from which a decision speaks for one ..."""
N_COMES = 2
"""... and so many of them in a row say that somebody has come."""
N_GOES = 5
"""Decisions without anybody before somebody has gone."""
EDGE = 0.04
"""Share of the image's width or height that is its edge."""


class Presence:
    """Whether somebody is in front of one camera.

    Attributes:
        is_there: Somebody was seen, and not seen going.
        box: Where they were seen last.
        n_missed: Decisions in a row that saw nobody.
    """

    def __init__(self) -> None:
        self.is_there = False
        self.box: Box | None = None
        self._lies = False
        self._stands = False
        self._in_door = False
        self._is_known_empty = False
        self._n_seen = 0
        self.n_missed = 0

    def observe(
        self,
        somebody: float,
        *,
        box: Box | None,
        lies: bool = False,
        stands: bool = False,
        in_door: bool = False,
    ) -> None:
        """Take in one decision.

        Args:
            somebody: Probability that anybody is seen.
            box: Where; none: the key points are not sure of it.
            lies: Whether somebody seen here most likely lies ...
            stands: ... or is on their feet.
            in_door: Whether that is in a door that somebody has drawn.
        """
        if somebody < COMES:
            self._n_seen = 0
            self.n_missed += 1
            return
        self._n_seen += 1
        self.n_missed = 0
        self.is_there = self.is_there or self._n_seen >= N_COMES
        self._lies, self._stands = lies, stands
        if box is not None:
            self.box, self._in_door = box, in_door

    def leave(self, *, is_empty: bool, is_dark: bool) -> None:
        """Let go of somebody who has gone.

        Args:
            is_empty: Whether the picture of `box` is the empty room's.
            is_dark: Whether it is night: a picture then says little of somebody under a blanket.
        """
        if self.n_missed < N_GOES:
            return
        if self.is_there:
            at_exit = self.box is not None and (self._in_door or _is_at_edge(self.box))
            moved_on = self._stands or not (is_dark or self._lies)
            went = (at_exit and moved_on) or (is_empty and (self._stands or not is_dark))
            if went:
                self.is_there, self.box = False, None
            self._is_known_empty = went
        elif not is_dark:
            self._is_known_empty = True

    def may_be_there(self, *, is_dark: bool) -> bool:
        """Whether somebody is there, or may be without having been seen."""
        return self.is_there or (is_dark and not self._is_known_empty)


def _is_at_edge(box: Box) -> bool:
    left, _, right, bottom = box
    return left < EDGE or right > 1 - EDGE or bottom > 1 - EDGE
