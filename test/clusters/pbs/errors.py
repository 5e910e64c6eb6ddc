"""The errors of OpenPBS 23.06: numbers and texts as its commands print them.

A command exits with the last byte of the number: 15001 is exit 153. Recorded: 15001, 15014, 15018, 15139. The others
are from the sources (pbs_error.h, pbs_messages.c).
"""

TEXTS = {
    15001: "Unknown Job Id",
    15004: "Invalid request",
    15013: "Unknown/illegal signal name",
    15014: "Illegal attribute or resource value",
    15016: "Request invalid for state of job",
    15018: "Unknown queue",
    15021: "Queue is not enabled",
    15029: "No support for requested service",
    15035: "Unknown resource",
    15036: "Job violates queue and/or server resource limits",
    15054: "Invalid Job Dependency",
    15062: "Unknown node ",
    15107: "Array job exceeds server or queue size limit",
    15139: "Job has finished",
    15140: "PBS is not configured to maintain job history",
    15142: "would exceed complex's per-user limit",
    15159: "Request invalid for finished array subjob",
}

UNKNOWN_JOB = 15001
INVALID_REQUEST = 15004
UNKNOWN_SIGNAL = 15013
BAD_VALUE = 15014
BAD_STATE = 15016
UNKNOWN_QUEUE = 15018
QUEUE_DISABLED = 15021
NOT_SUPPORTED = 15029
UNKNOWN_RESOURCE = 15035
OVER_LIMITS = 15036
BAD_DEPENDENCY = 15054
UNKNOWN_NODE = 15062
ARRAY_TOO_LARGE = 15107
FINISHED = 15139
NO_HISTORY = 15140
TOO_MANY_JOBS = 15142
FINISHED_MEMBER = 15159


class PbsError(Exception):
    """The server refuses a request. `about` names the attribute or resource, where there is one."""

    def __init__(self, number: int, about: str = ""):
        super().__init__(number, about)
        self.number = number
        self.text = f"{TEXTS[number]} {about}".rstrip() if about else TEXTS[number]
        self.exit = number & 0xFF


class CommandError(Exception):
    """A command ends before the server is asked: `text` goes to stderr as it is."""

    def __init__(self, text: str, exit_status: int):
        super().__init__(text)
        self.text = text
        self.exit = exit_status


class NotImitated(CommandError):
    """What the real command can and this one cannot. It must never look like an answer of PBS."""

    def __init__(self, what: str):
        super().__init__(f"This stand-in for OpenPBS does not imitate {what}.\n", 99)
