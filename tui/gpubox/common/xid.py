"""What each Xid means, whose fault it is, and what to do: our words for NVIDIA's catalog.

Codes that the catalog calls unused on new cards have their meaning on older ones. Where the driver itself
says what to do, by Xid 154, that wins over this table.
"""

from __future__ import annotations

from typing import Dict, Iterable, Literal, NamedTuple, Optional, Tuple

Step = Literal[
    "none", "app", "reset", "reset later", "reboot", "cable", "support", "update", "follow", "driver",
    "look up",
]  # fmt: skip
"""What to do after it, in a word: a key of `STEPS`."""
RESET = "sudo nvidia-smi --gpu-reset -i INDEX"
"""Resets a card; INDEX stands for its number."""
STEPS: Dict[Step, str] = {
    "none": "Nothing has to be done",
    "app": "Start the program again; if it comes again with other programs, too, suspect the card",
    "reset": f"Stop what uses the card, then {RESET}; or reboot the box",
    "reset later": "Reset the card, or reboot, when no job runs",
    "reboot": "Reboot the box. If it comes again, check the card's seat, riser, power cables and heat",
    "cable": "Switch the box off, and check the power cables of the card",
    "support": "Reboot; if it comes again, the maker has to look at the card: sudo nvidia-bug-report.sh",
    "update": "Update the driver, so that host and guest fit",
    "follow": "Look at the other codes of this card: this one follows from them",
    "driver": "Look at GPU Recovery Action in `nvidia-smi -q`",
    "look up": "Look it up in NVIDIA's list of Xid errors",
}
"""What to do, in words."""
GRAVE: Tuple[Step, ...] = ("reset", "reboot", "cable", "support")
"""Steps of codes after which the card is not to be trusted until they are done."""

Fault = Literal["program", "card", "driver", "link", "power", "other"]
"""Where the cause usually is; `other`: in another code, a tool, or nowhere."""
_WHOSE: Dict[Fault, str] = {
    "program": "your program",
    "card": "this card",
    "driver": "the driver",
    "link": "the link",
    "power": "its power",
}


class Meaning(NamedTuple):
    """What one code means."""

    text: str
    fault: Fault
    step: Step

    @property
    def words(self) -> str:
        """What it means, with where the cause usually is in parentheses."""
        whose = _WHOSE.get(self.fault)
        return f"{self.text} ({whose})" if whose else self.text

    def what_to_do(self, index: Optional[int]) -> str:
        """Return what to do on the card of that number."""
        return STEPS[self.step].replace("INDEX", "INDEX" if index is None else str(index))


_ROWS: Tuple[Tuple[Iterable[int], str, Fault, Step], ...] = (
    ((1, 2, 3, 4, 6, 7), "garbled commands reached the GPU", "driver", "support"),
    ((8,), "the GPU stopped working on a program's commands", "program", "app"),
    ((9, 12, 16, 18, 19, 26), "an error of the driver or the display", "driver", "reboot"),
    ((11, 25), "a program sent invalid commands", "program", "app"),
    ((13,), "a program's kernel failed: bad address or instruction", "program", "app"),
    ((20, 21, 22), "garbled commands reached the video engine", "driver", "support"),
    ((24, 30), "an error with a semaphore of the GPU", "driver", "support"),
    ((27, 28, 29, 34, 35, 36, 42), "an error of the video engine", "driver", "reboot"),
    ((31,), "a program used memory that it does not have", "program", "app"),
    ((32,), "the GPU could not fetch its commands", "driver", "app"),
    ((33, 59), "an internal controller failed", "driver", "reboot"),
    ((37, 38), "the firmware that switches contexts failed", "driver", "none"),
    ((*range(39, 42), *range(70, 73), 75, 76, 77, 85), "an error of a copy engine", "driver", "app"),
    (range(126, 136), "an error of a copy engine", "driver", "app"),
    ((43,), "a program's channel was ended after its own fault", "program", "none"),
    ((44,), "an error while contexts were switched", "driver", "none"),
    ((45,), "a program's channel was ended because of something else", "other", "follow"),
    ((46,), "the whole GPU stopped", "card", "reset"),
    ((47, 65, 73, 142), "an error of the video encoder", "card", "support"),
    ((48,), "an error in memory that ECC could not correct", "card", "reset"),
    ((*range(49, 54), 55), "the card slowed itself down for heat or power", "power", "support"),
    ((54,), "a power plug of the card is missing", "power", "cable"),
    ((56, *range(111, 119)), "an error of the display engine", "driver", "support"),
    ((57, 58), "the link to the card's memory is unstable", "card", "support"),
    ((60,), "an error of the security or video controller", "driver", "app"),
    ((61,), "an internal controller reports a fault", "card", "reboot"),
    ((62,), "an internal controller halted", "card", "reset"),
    ((63,), "bad memory was found, and is taken out of use", "card", "reset later"),
    ((64,), "bad memory could not be taken out of use", "card", "support"),
    ((66, 67), "a register was used that is forbidden", "program", "none"),
    ((68, 83, 84, 88, 89, 96, 97, 98), "an error of the video decoder", "driver", "app"),
    ((69,), "a program sent a wrong command to the graphics engine", "program", "app"),
    ((74,), "an error of NVLink", "link", "reset"),
    ((78,), "a virtual GPU could not start", "driver", "update"),
    ((79,), "the card fell off the PCIe bus", "card", "reboot"),
    ((80,), "commands arrived damaged", "link", "app"),
    ((81,), "the VGA part of the card failed", "card", "support"),
    ((82, *range(99, 106)), "an error of the JPEG engine", "driver", "app"),
    ((86, 139), "an error of the optical flow engine", "driver", "app"),
    ((87, 90, 91, 106, 107), "a notice of the driver", "other", "none"),
    ((92,), "many memory errors that ECC corrected", "card", "none"),
    ((93,), "the card's own settings were written too often", "other", "none"),
    ((94,), "an error in memory that was contained to one program", "card", "reset later"),
    ((95,), "an error in memory that was not contained", "card", "reset"),
    ((108, 137), "a program used memory of another GPU that it does not have", "program", "none"),
    ((109,), "a switch between programs took too long", "card", "reset"),
    ((110,), "a security fault", "card", "reset"),
    ((119, 120), "the GPU's own firmware (GSP) does not answer", "driver", "reset"),
    ((121, 159, 173), "an error of the link to the processor", "link", "reset later"),
    (range(122, 126), "the card's flash memory failed", "card", "support"),
    ((136,), "an NVLink could not be started", "link", "reset"),
    ((138, 152, 153), "an error of the deep learning accelerator", "driver", "none"),
    ((140,), "an error in memory that ECC let through", "card", "reset"),
    ((141,), "an error on a fast path of CUDA", "program", "none"),
    ((143,), "the GPU could not be initialized", "card", "reset"),
    ((144, 145, 146, 150), "an error of NVLink", "link", "reset"),
    ((147, 148), "the control of NVLink reports something", "link", "none"),
    ((149,), "an NVLink went down or has errors", "link", "reset"),
    ((151,), "a key could not be renewed", "driver", "none"),
    ((154,), "the driver says what to do", "other", "driver"),
    ((155,), "software reset an NVLink", "link", "reset"),
    ((156,), "a part of the chip was taken out of use", "card", "reset later"),
    ((157,), "a part of the chip could not be taken out of use", "card", "none"),
    ((158,), "the GPU did not answer in time", "card", "reset"),
    ((160, 161), "a memory channel was taken out of use", "card", "reset later"),
    ((162, 164, 165), "the card's power smoothing reports something", "card", "none"),
    ((163, 167, 169), "a part of the card or of its link stopped", "card", "reboot"),
    ((166, 170), "an error of confidential computing", "driver", "none"),
    ((168,), "a part of the memory is bad, and lost", "card", "support"),
    ((171, 172), "an error in memory that ECC could not correct", "card", "reset"),
    ((174,), "a program was ended after its channel was reset", "program", "none"),
)
"""Codes with what they mean."""
XIDS = {code: Meaning(text, fault, step) for codes, text, fault, step in _ROWS for code in codes}
"""Every code that is known here."""
UNLISTED = Meaning("a code that is not in our table", "other", "look up")
"""Stands for every other code."""
HARMLESS_SWITCH_CODES = frozenset(
    (
        *(11004, 11012, 11021, 11022, 11023, 12021, 12023, 12028, 15008, 15011, 19049, 19055, 19057, 19059),
        *(19062, 19065, 19068, 19071, 19084, 20001, 20009, 20012, 22013, 24001, 24002, 24003, 10005),
    )
)
"""Codes of NVSwitches that are not fatal: corrected errors and replays."""
