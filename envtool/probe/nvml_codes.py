"""NVML's return codes in plain words."""

from __future__ import annotations

# code: (one of machine.NVML_STATES, the meaning)
_CODES: dict[int, tuple[str, str]] = {
    1: ("other", "NVML was asked before it was started"),
    2: ("other", "NVML did not accept the question (invalid argument)"),
    3: ("other", "not supported here"),
    4: ("no-permission", "this user may not talk to the NVIDIA driver"),
    5: ("other", "NVML was started twice"),
    6: ("other", "NVML knows of no such thing"),
    7: ("other", "NVML's answer did not fit into the space it was given"),
    8: ("no-power", "a GPU's power cable is missing or not properly connected"),
    9: ("driver-not-loaded", "the NVIDIA kernel driver is not loaded"),
    10: ("timeout", "the driver did not answer within its own time limit"),
    11: ("irq-issue", "the kernel reports a problem with a GPU's interrupts"),
    12: ("library-not-found", "NVIDIA's library NVML is not installed or can't be loaded"),
    13: ("function-not-found", "the driver is too old to know the question"),
    14: ("other", "the GPU's info ROM is corrupted"),
    15: ("gpu-lost", "the GPU has fallen off the bus or can't be reached any more"),
    16: ("reset-required", "the GPU must be reset before it can be used again"),
    17: ("operating-system", "the operating system or a cgroup blocked the request"),
    18: ("library-mismatch", "NVIDIA's library and the loaded kernel driver have different versions"),
    19: ("in-use", "the GPU is in use by something that excludes others"),
    20: ("memory", "the driver could not get enough memory"),
    21: ("other", "the driver has no data on this"),
    22: ("other", "this virtual GPU has no ECC"),
    23: ("other", "the GPU has not enough resources left"),
    24: ("other", "the GPU does not support this frequency"),
    25: ("argument-version-mismatch", "the driver and pynvml disagree on the form of the question"),
    26: ("other", "the driver no longer answers this question"),
    27: ("other", "the system is not ready yet"),
    28: ("gpu-not-found", "the driver finds no such GPU"),
    29: ("other", "the GPU is in a state that does not allow this"),
    30: ("other", "the GPU does not support this kind of reset"),
    999: ("unknown-error", "the driver failed and can't say why (unknown error)"),
}

NOT_SUPPORTED = 3
GPU_LOST = 15
RESET_REQUIRED = 16


def state_of(code: int) -> str:
    """The word in NVML_STATES for a return code; "other" for a number that nobody has told us of."""
    return "ok" if code == 0 else _CODES.get(code, ("other", ""))[0]


def meaning_of(code: int, words: str | None = None) -> str:
    """The code in plain words, with the number; NVML's own words where the number is new to us."""
    known = _CODES.get(code)
    if known is not None:
        return f"{known[1]} (NVML error {code})"
    return f"{words or 'no meaning is known'} (NVML error {code})"
