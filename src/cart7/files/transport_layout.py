"""How a SAS transport file is laid out: where its parts stand, and whether they fit each other.

Here: headers, the members, the widths of the columns and the place of the rows, of version 5 and 8. A
damaged file is refused here, before a reader that trusts its numbers opens it. Not here: the rows.
"""

import struct
from dataclasses import dataclass

from cart7.errors import Problem
from cart7.files.tables import UnreadableFileError, empty_file

RECORD = 80
_HEADER = b"HEADER RECORD*******"
_LIBRARIES = (_HEADER + b"LIBRARY HEADER", _HEADER + b"LIBV8   HEADER")
_MEMBERS = (_HEADER + b"MEMBER  HEADER", _HEADER + b"MEMBV8  HEADER")
_COLUMNS = (_HEADER + b"NAMESTR HEADER", _HEADER + b"NAMSTV8 HEADER")
_ROWS = (_HEADER + b"OBS     HEADER", _HEADER + b"OBSV8   HEADER")
_WIDTHS = (b"0140", b"0136")
_NUMBER, _TEXT = 1, 2
_WIDEST_TEXT = (200, 32_767)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the rows of a transport file stand."""

    version: int
    widths: tuple[int, ...]
    words_only: bool
    begin: int
    n_bytes: int
    n_told: int | None

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return sum(self.widths)

    @property
    def n_whole(self) -> int:
        """Rows of which every byte is there."""
        return self.n_bytes // self.width


def layout(raw: bytes, file: str) -> Layout:
    """Layout of the bytes of `file`; `UnreadableFileError` where they are no sound transport file."""
    if not raw:
        raise empty_file(file)
    if not raw.startswith(_LIBRARIES):
        looks = "; it looks like CSV" if b"," in raw[:200] else ""
        raise UnreadableFileError("FILE-BINARY", f"{file} is no SAS transport file{looks}")
    members = _members(raw)
    if len(members) > 1:
        raise UnreadableFileError("XPT-MEMBERS", f"{file} holds more than one dataset: {', '.join(members)}",
                                  fix="write one file per dataset")  # fmt: skip
    modern = raw.startswith(_LIBRARIES[1])
    member = _record(raw, 3 * RECORD, file)
    if not member.startswith(_MEMBERS):
        raise _damaged(file, "it holds no dataset")
    entry = int(member[74:78]) if member[74:78] in _WIDTHS else 140
    names = _record(raw, 7 * RECORD, file)
    if not names.startswith(_COLUMNS) or not names[54:58].isdigit() or not int(names[54:58]):
        raise _damaged(file, "it does not say how many columns it has")
    n_columns = int(names[54:58])
    widths, words_only = _columns(raw, 8 * RECORD, n_columns, entry, _WIDEST_TEXT[modern], file)
    begin = _begin(raw, 8 * RECORD + n_columns * entry, file)
    head = raw[begin - RECORD : begin]
    told = head[48:63].strip()
    n_told = int(told) if head.startswith(_ROWS[1]) and told.isdigit() else None
    return Layout(version=8 if modern else 5, widths=widths, words_only=words_only, begin=begin,
                  n_bytes=len(raw) - begin, n_told=n_told)  # fmt: skip


def cut_off(raw: bytes, found: Layout, name: str, file: str) -> list[Problem]:
    """A warning when the end of the file is missing, as far as its bytes can tell."""
    rest = raw[found.begin + found.n_whole * found.width :]
    if len(raw) % RECORD:
        message = f"the length of {file} is no multiple of {RECORD} bytes: it was cut off and rows are lost"
    elif found.n_told is not None and found.n_told > found.n_whole:
        message = f"{file} tells of {found.n_told} rows and holds {found.n_whole}: it was cut off"
    elif rest.strip(b" \x00"):
        message = f"the last row of {file} is incomplete: it was cut off and rows are lost"
    else:
        return []
    return [
        Problem(
            table=name, severity="warning", rule="XPT-TRUNCATED", message=message, fix="transfer it again"
        )
    ]


def _members(raw: bytes) -> list[str]:
    """Names of the datasets: two records after each member header, in its second word."""
    names = []
    place = raw.find(_HEADER + b"MEMB")
    while place >= 0:
        if place % RECORD == 0 and raw.startswith(_MEMBERS, place):
            wide = raw.startswith(_MEMBERS[1], place)
            word = raw[place + 2 * RECORD + 8 : place + 2 * RECORD + (40 if wide else 16)]
            names.append(word.decode("ascii", "replace").strip())
        place = raw.find(_HEADER + b"MEMB", place + 1)
    return names


def _columns(
    raw: bytes, begin: int, n_columns: int, entry: int, widest: int, file: str
) -> tuple[tuple[int, ...], bool]:
    """Widths of the columns, which follow each other without a gap, and whether all hold words."""
    if len(raw) < begin + n_columns * entry:
        raise _damaged(file, "it was cut off inside its list of columns")
    widths, words_only, place = [], True, 0
    for number in range(n_columns):
        described = raw[begin + number * entry : begin + (number + 1) * entry]
        kind, _, width = struct.unpack(">hhh", described[:6])
        (position,) = struct.unpack(">i", described[84:88])
        sound = 2 <= width <= 8 if kind == _NUMBER else 1 <= width <= widest
        if kind not in (_NUMBER, _TEXT) or not sound or position != place or not described[8:16].strip():
            raise _damaged(file, f"the description of column {number + 1} makes no sense")
        widths.append(width)
        words_only = words_only and kind == _TEXT
        place += width
    return tuple(widths), words_only


def _begin(raw: bytes, after: int, file: str) -> int:
    """Where the rows begin: behind their header, which long labels may precede."""
    place = min((found for found in (raw.find(head, after) for head in _ROWS) if found >= 0), default=-1)
    if place < 0 or place % RECORD:
        raise _damaged(file, "it was cut off before its rows")
    return place + RECORD


def _record(raw: bytes, place: int, file: str) -> bytes:
    record = raw[place : place + RECORD]
    if len(record) < RECORD:
        raise _damaged(file, "it was cut off inside its header")
    return record


def _damaged(file: str, why: str) -> UnreadableFileError:
    return UnreadableFileError("XPT-DAMAGED", f"{file} is damaged: {why}", fix="transfer or export it again")
