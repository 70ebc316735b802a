"""Damages what is valid, in ways that strangers and bad disks do."""

import random

ODD = (
    *(b"1e309", b"-1", b"0", b"1e-320", b"99999999999999999999", b"null", b"[]", b"{}", b'""'),
    *(b"NaN", b"\x00", b"\xff\xfe", b"../..", b"\n", b",", b'"', b"&a [*a]", b"\xe2\x80\xa8"),
)


def mutate(content: bytes, seed: int) -> bytes:
    """Return content with one to three random damages, the same ones for the same seed."""
    draw = random.Random(seed)
    for _ in range(draw.randint(1, 3)):
        content = draw.choice(_DAMAGES)(content, draw)
    return content


def _change_bytes(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 4, 64)) if content else 0):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randint(0, len(content))]


def _drop(content: bytes, draw: random.Random) -> bytes:
    start = draw.randint(0, len(content))
    return content[:start] + content[start + draw.randint(1, 200) :]


def _repeat(content: bytes, draw: random.Random) -> bytes:
    start = draw.randint(0, len(content))
    part = content[start : start + draw.randint(1, 200)]
    return content[:start] + part * draw.choice((2, 3, 500)) + content[start:]


def _insert(content: bytes, draw: random.Random) -> bytes:
    start = draw.randint(0, len(content))
    return content[:start] + draw.choice(ODD) + content[start:]


def _replace_number(content: bytes, draw: random.Random) -> bytes:
    """Put something odd in a number's place."""
    digits = [n for n, byte in enumerate(content) if 48 <= byte <= 57]
    if not digits:
        return content
    start = end = draw.choice(digits)
    while end < len(content) and (48 <= content[end] <= 57 or content[end] == 46):
        end += 1
    return content[:start] + draw.choice(ODD) + content[end:]


_DAMAGES = (_change_bytes, _cut, _drop, _repeat, _insert, _replace_number)
