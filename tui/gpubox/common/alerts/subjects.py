"""The subjects of a sample, as the rules with a memory read them."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Tuple

from gpubox.common.metrics import DISK, GPU, HOST, LINK, field
from gpubox.common.rules.alerts.alert_rule import Memory, Moment, Observation
from gpubox.common.rules.alerts.xid import remember_xid
from gpubox.common.rules.driver import DRIVER, fault_record, without_gpus
from gpubox.common.rules.rule import Limits, Reading

Groups = Dict[str, Dict[str, List[Observation]]]
"""Views by the kind of their subject, and by what they are about."""
_CARDS = 256
"""GPUs that are remembered."""


def sample_groups(sample: object, limits: Limits, box: Memory, moment: Moment) -> Groups:
    """Return the views of a sample, and remember in `box` which GPUs there are."""
    groups: Groups = {}
    for subject, record in (*_records(sample), *_absent(sample, box)):
        view = Observation(Reading(subject, record, limits), record, sample, box, moment)
        groups.setdefault(subject, {}).setdefault(view.about, []).append(view)
        if subject == GPU:
            remember_xid(view)
    return groups


def link_group(record: object, limits: Limits, box: Memory, moment: Moment) -> Groups:
    """Return the view of a link."""
    view = Observation(Reading(LINK, record, limits), record, {}, box, moment)
    return {LINK: {view.about: [view]}}


def _records(sample: object) -> Iterator[Tuple[str, object]]:
    gpuless = without_gpus(sample)
    host = field(sample, "host")
    faults = field(sample, "faults") or ()
    for fault in faults:
        yield DRIVER, fault_record(fault, gpuless=gpuless)
    if not faults:
        yield DRIVER, None  # clears what a fault raised
    for gpu in field(sample, "gpus") or ():
        yield GPU, gpu
    yield HOST, host
    for disk in field(host, "disks") or ():
        yield DISK, disk


def _absent(sample: object, box: Memory) -> Iterator[Tuple[str, object]]:
    """Yield a record without readings for each GPU that was there before."""
    known: Dict[str, Any] = box.setdefault("gpus", {})
    here = {str(field(gpu, "uuid")): gpu for gpu in field(sample, "gpus") or () if field(gpu, "uuid")}
    for uuid, gpu in here.items():
        if uuid in known or len(known) < _CARDS:
            known[uuid] = [field(gpu, "index"), field(gpu, "name") or "the card"]
    for uuid, (index, name) in known.items():
        if uuid not in here:
            yield GPU, {"index": index, "uuid": uuid, "name": name, "absent": True}
