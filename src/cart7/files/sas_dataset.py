"""SAS datasets (.sas7bdat), read with pyreadstat where it is installed.

Here: the check that a file is one, as far as its first bytes tell. Not here: cells and dates, which are
those of a transport file (`files.transport`).
"""

import struct
from pathlib import Path

from cart7.files.tables import FileTable, UnreadableFileError
from cart7.files.transport import read_with_pyreadstat, sas_table

_MAGIC = bytes.fromhex("000000000000000000000000c2ea8160b31411cfbd92080009c7318c181f1011")
_SHORTEST = 288


def read_sas_dataset(path: Path, name: str, encoding: str | None) -> FileTable:
    """Cells of a SAS dataset; UTF-8 when no encoding is named."""
    with path.open("rb") as opened:
        head = opened.read(_SHORTEST)
    _check(head, path.stat().st_size, path.name)
    frame, meta = read_with_pyreadstat("read_sas7bdat", path)
    return sas_table(frame, meta, name=name, file=path.name, encoding=encoding, problems=())


def _check(head: bytes, size: int, file: str) -> None:
    """Refuse what is no SAS dataset, or does not hold the pages of which its header tells."""
    if len(head) < _SHORTEST or not head.startswith(_MAGIC):
        raise UnreadableFileError("FILE-BINARY", f"{file} is no SAS dataset")
    wide, shift = head[32:33] == b"3", 4 if head[35:36] == b"3" else 0
    order = "<" if head[37:38] == b"\x01" else ">"
    header, page = struct.unpack(f"{order}ii", head[196 + shift : 204 + shift])
    (pages,) = struct.unpack(
        f"{order}{'q' if wide else 'i'}", head[204 + shift : 204 + shift + (8 if wide else 4)]
    )
    if header <= 0 or page <= 0 or pages < 0 or header + page * pages > size:
        raise UnreadableFileError("FILE-BINARY", f"{file} is damaged: its pages are not all there",
                                  fix="transfer or export it again")  # fmt: skip
