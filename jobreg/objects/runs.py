"""Runs as they may be shown, as programs see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..codec import run_object
from ..redaction import all_shown

if TYPE_CHECKING:
    from ..client import Client
    from ..lifecycle import RunRecord


def shown(client: Client, records: Sequence[RunRecord]) -> list[RunRecord]:
    """Runs as they may be shown: without what their jobs and ``JOBREG_REDACT`` hide."""
    known = client.store.catalogue.known({record.job_name for record in records})
    return all_shown(records, known, client.settings.redact)


def run_objects(client: Client, records: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Runs as they may be shown, as JSON, with why each waits that does."""
    waits = client.waiting_on(records)
    return [run_object(each, waits[each.run_id]) for each in shown(client, records)]
