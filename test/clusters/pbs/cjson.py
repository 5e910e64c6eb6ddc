"""Prints JSON as OpenPBS 23.06 does: by the library cJSON, tabs and all.

Traps, recorded or from the sources (pbs_cjson.c):
- A value that is valid JSON as a whole is printed as that: a job named `007` becomes the number 7, one named `1e9`
  becomes 1000000000, one named `true` a boolean.
- A number is printed with 15 digits where that gives back the same double, else with 17: recorded
  `1.79524945856701e+15` beside `1795249458541448`.
"""

import json
import math
import re

_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def parsed(value: str) -> object:
    """What cJSON makes of an attribute's text."""
    text = value.strip(" \t\r\n")
    if _NUMBER.fullmatch(text):
        return float(text)
    if text in ("null", "true", "false") or text[:1] in ('"', "[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return value
    return value


def printed(value: object, depth: int = 0) -> str:
    """JSON text of dictionaries, lists, strings, numbers, booleans and None."""
    if isinstance(value, dict):
        tabs = "\t" * (depth + 1)
        lines = [f"{tabs}{_string(key)}:\t{printed(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + ("\n" if lines else "") + "\t" * depth + "}"
    if isinstance(value, list):
        return "[" + ", ".join(printed(item, depth + 1) for item in value) + "]"
    if isinstance(value, str):
        return _string(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _number(float(value))  # type: ignore[arg-type]


def _number(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        return "null"
    if value == int(value) and abs(value) < 2**31:
        return str(int(value))
    short = f"{value:.15g}"
    near = abs(float(short) - value) <= max(abs(float(short)), abs(value)) * 2.220446049250313e-16
    return short if near else f"{value:.17g}"


def _string(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(c) or (c if c >= " " else f"\\u{ord(c):04x}") for c in text) + '"'
