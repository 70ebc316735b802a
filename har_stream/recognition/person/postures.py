"""From postures, which a head tells apart, to the activities that are said: the one label map.

| posture | activity |
|---|---|
| nobody | idle |
| upright | walking or standing, told apart by how fast the hips move |
| sitting | sitting |
| lying_bed, lying_floor | lying; the fall rule makes it fallen, a bed's region sleeping |
| bending (crouching, kneeling, getting up or down) | bending |
| anything else that a head was taught | the same |
"""

from collections.abc import Iterable, Mapping

from har_stream.core.activity import IDLE, LYING

NOBODY, UPRIGHT, SITTING, BENDING = "nobody", "upright", "sitting", "bending"
ON_BED, ON_FLOOR = "lying_bed", "lying_floor"
POSTURES = (NOBODY, UPRIGHT, SITTING, ON_BED, ON_FLOOR, BENDING)
WALKING, STANDING = "walking", "standing"
_SAID = {
    NOBODY: (IDLE,),
    UPRIGHT: (WALKING, STANDING),
    ON_BED: (LYING,),
    ON_FLOOR: (LYING,),
}


def labels_of(outputs: Iterable[str]) -> tuple[str, ...]:
    """Return the activities that a head's outputs may become, each once, in order."""
    return tuple(dict.fromkeys(name for each in outputs for name in _SAID.get(each, (each,))))


def activities_of(outputs: Mapping[str, float], *, walks: bool) -> dict[str, float]:
    """Return the probability of every activity.

    Args:
        outputs: Probability of each of a head's outputs.
        walks: Whether somebody upright walks.
    """
    said = dict.fromkeys(labels_of(outputs), 0.0)
    for name, probability in outputs.items():
        if name == UPRIGHT:
            said[WALKING if walks else STANDING] += probability
        else:
            said[_SAID.get(name, (name,))[0]] += probability
    return said


def share_out_nobody(outputs: Mapping[str, float], lay: float) -> dict[str, float]:
    """Share out the probability of nobody where somebody is there who is not seen.

    Args:
        outputs: Probability of each of a head's outputs.
        lay: Probability that they lay when they were last seen.
    """
    said = dict(outputs)
    nobody = said.pop(NOBODY, 0.0)
    for name in said:
        said[name] += nobody * (1.0 - lay) / len(said)
    said[ON_BED] = said.get(ON_BED, 0.0) + nobody * lay
    return {NOBODY: 0.0, **said}


def doubt_sitting(outputs: Mapping[str, float]) -> dict[str, float]:
    """Share out the probability of sitting where it is too dark to tell it from lying."""
    said = dict(outputs)
    if ON_BED in said:
        half = said.get(SITTING, 0.0) / 2
        said[SITTING], said[ON_BED] = half, said[ON_BED] + half
    return said
