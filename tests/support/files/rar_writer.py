"""Writes small RAR 5 archives, stored: no free program does (format: rarlab.com/technote.htm)."""

import zlib
from collections.abc import Mapping

_MAIN, _FILE, _END = 1, 2, 5
_HAS_DATA, _HAS_CRC, _UNIX = 0x02, 0x04, 1


def rar(files: Mapping[str, bytes], *, method: int = 0, mode: int = 0o100644) -> bytes:
    """Return an archive of these files.

    Args:
        files: Contents by name, with slashes.
        method: 0 stores; any other only says that the content is compressed.
        mode: What kind of file each is, and who may use it (Unix).
    """
    blocks = [b"Rar!\x1a\x07\x01\x00", _block(_MAIN, 0, _vint(0))]
    for name, content in files.items():
        head = _vint(len(content)) + _vint(_HAS_CRC) + _vint(len(content)) + _vint(mode)
        head += zlib.crc32(content).to_bytes(4, "little") + _vint(method << 7) + _vint(_UNIX)
        head += _vint(len(name.encode())) + name.encode()
        blocks += [_block(_FILE, _HAS_DATA, head), content]
    return b"".join([*blocks, _block(_END, 0, _vint(0))])


def _block(kind: int, flags: int, rest: bytes) -> bytes:
    body = _vint(kind) + _vint(flags) + rest
    sized = _vint(len(body)) + body
    return zlib.crc32(sized).to_bytes(4, "little") + sized


def _vint(number: int) -> bytes:
    """Seven bits a byte, the least first; the eighth says that more follow."""
    made = bytearray()
    while number >= 0x80:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])
