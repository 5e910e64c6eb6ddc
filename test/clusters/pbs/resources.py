"""Amounts and selections as `qsub -l` takes them."""

import re

from errors import BAD_VALUE, UNKNOWN_RESOURCE, PbsError

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+)(?:\.\d+)?")
_SIZE = re.compile(r"(\d+)([kmgtp]?)([bw]?)", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}

COUNTS = ("ncpus", "ngpus", "mpiprocs", "ompthreads")
CONSUMED = ("ncpus", "ngpus", "mem")


def seconds(text: str, about: str) -> int:
    match = _TIME.fullmatch(text)
    if match is None:
        raise PbsError(BAD_VALUE, about)
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest


def clock(total: float) -> str:
    whole = int(total)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def kilobytes(text: str, about: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise PbsError(BAD_VALUE, about)
    size = int(match[1]) * 1024 ** _POWERS[match[2].lower()] * (8 if match[3].lower() == "w" else 1)
    return -(-size // 1024)


def amount(name: str, text: str, about: str) -> int:
    """A consumable amount as a number: kilobytes for memory."""
    if name == "mem":
        return kilobytes(text, about)
    if not text.isdigit():
        raise PbsError(BAD_VALUE, about)
    return int(text)


def shown(name: str, value: int) -> object:
    return f"{value}kb" if name == "mem" else value


class Request:
    """What a job asks for: `chunks` to place, and the attribute Resource_List that tells it."""

    def __init__(self, options: dict, known: set, defaults: dict):
        where = "Resource_List"
        for name in options:
            if name not in known:
                raise PbsError(UNKNOWN_RESOURCE, f"{where}.{name}")
        listed = {**defaults, **options}
        select = listed.pop("select", None) or self._select_of(listed)
        self.chunks = _chunks(select, known)
        self.walltime = None
        attribute: dict = {"place": "free", "select": select, "nodect": len(self.chunks)}
        for name, value in listed.items():
            if name == "walltime":
                self.walltime = seconds(value, f"{where}.walltime")
                attribute[name] = clock(self.walltime)
            elif name not in CONSUMED:
                attribute[name] = value
        for name in CONSUMED:
            if name == "ncpus" or any(name in chunk for chunk in self.chunks):
                attribute[name] = shown(name, sum(chunk.get(name, 0) for chunk in self.chunks))
        self.attribute = {name: attribute[name] for name in sorted(attribute)}

    @staticmethod
    def _select_of(listed: dict) -> str:
        named = [(name, listed.pop(name)) for name in CONSUMED if name in listed]
        for name, value in named:
            amount(name, value, f"Resource_List.{name}")
        parts = dict(named)
        parts.setdefault("ncpus", "1")
        return ":".join(["1", *(f"{name}={value}" for name, value in parts.items())])


def _chunks(select: str, known: set) -> list:
    """`2:ncpus=4:ngpus=1+1:ncpus=1` as one dictionary of amounts for each chunk."""
    chunks: list = []
    for part in select.split("+"):
        fields = part.split(":")
        count = int(fields.pop(0)) if fields[0].isdigit() else 1
        chunk = {"ncpus": 1}
        for field in fields:
            name, equals, value = field.partition("=")
            if not equals:
                raise PbsError(BAD_VALUE, "Resource_List.select")
            if name not in known and name not in COUNTS:
                raise PbsError(UNKNOWN_RESOURCE, f"Resource_List.{name}")
            if name in CONSUMED or name in COUNTS:
                chunk[name] = amount(name, value, "Resource_List.select")
        chunks += [dict(chunk) for _ in range(count)]
    if not chunks:
        raise PbsError(BAD_VALUE, "Resource_List.select")
    return chunks
