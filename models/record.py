"""A session's record, whole: what happened, to whom, how it was judged, and the seals that let anybody check it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from models.activity import TECHNICAL, Activity
from models.activity import view as activity_view
from models.chain import RECORD_FORMAT, SEAL_FORMAT, Json
from models.database import Database, Stored
from models.fields import Document, Id, Instant, format_instant, now
from models.lifecycle import Status, is_over
from models.log import ActivityLog
from models.organisations import OrganisationName
from models.seal import plain, seal_view, sealed_fields, state_of
from models.sealing import Seals
from models.session import REPLAY_AFTER_END, LedgerItem, UserName
from models.summary import SEVERITIES, Counts, Verdict
from models.users import ExamTitle

Hex = Annotated[str, Field(pattern="^[0-9a-f]+$")]

_ALL: Final = 2**31
_NOT_SEALED: Final = {"salt": None, "dataHash": None, "link": None}


class SealedState(Document):
    """The session as it was sealed."""

    id: Id
    exam_id: Id
    user_id: Id
    organisation_id: Id
    status: Status
    start_time: Instant
    activated_at: Instant | None
    end_time: Instant | None


class RecordedSession(SealedState):
    time_ledger: list[LedgerItem]


class RecordedActivity(Activity):
    """`data` and `salt` are null where the data was erased; `salt`, `dataHash` and `link` where it is not sealed."""

    data: dict[str, str | int | bool | None] | None  # type: ignore[assignment] # what is erased is null
    salt: Hex | None
    data_hash: Hex | None
    link: Hex | None


class Link(Document):
    offset: int
    link: Hex


class Seal(Document):
    """Signed over its canonical JSON (RFC 8785) without `signature`, `chain` and `detailsSalt`."""

    format: Literal["proctoring-seal/1"] = SEAL_FORMAT
    number: int
    previous: Annotated[Hex | None, Field(description="the head of the seal before it")]
    sealed_at: Instant
    session: SealedState
    details_hash: Annotated[Hex, Field(description="of exam, user, organisation and timeLedger, salted")]
    details_salt: Hex | None
    count: int
    first_offset: int
    last_offset: int
    head: Annotated[Hex, Field(description="the last link")]
    chain_hash: Annotated[Hex, Field(description="of `chain`")]
    chain: list[Link]
    public_key: Annotated[Hex, Field(description="Ed25519")]
    signature: Hex


class Record(Document):
    """`seals`: none where nothing is sealed yet. `note`: what is not sealed, and when it will be; null where all is."""

    format: Literal["proctoring-record/1"] = RECORD_FORMAT
    session: RecordedSession
    exam: ExamTitle | None
    user: UserName
    organisation: OrganisationName | None
    verdict: Verdict
    counts: Counts
    activities: list[RecordedActivity]
    seals: list[Seal]
    note: str | None


class Records:
    """Puts records together."""

    def __init__(self, database: Database, log: ActivityLog, seals: Seals) -> None:
        self._database = database
        self._log = log
        self._seals = seals

    async def of(self, session: Stored) -> Json:
        """A Record, as it is in JSON."""
        seals = await self._seals.of(session["_id"])
        records = await self._log.read_session(session["examId"], session["_id"], 0, None, _ALL)
        activities = _sealed([plain(activity_view(record)) for record in records], seals)
        note = self._note(session, all_sealed=bool(seals) and all(one["link"] for one in activities))
        # Once all is sealed, a record says what the seal said: who is renamed later had this name.
        kept = seals[-1]["details"] if seals and note is None else None
        details = dict(kept or await self._seals.details_of(session))
        summary = self._log.of(session["examId"]).summary(session["_id"])
        return {
            "format": RECORD_FORMAT,
            "session": state_of(session) | {"timeLedger": details.pop("timeLedger")},
            **details,
            "verdict": verdict_of(activities) or summary.verdict,
            "counts": counts_of(activities),
            "activities": activities,
            "seals": [seal_view(seal, last=seal is seals[-1]) for seal in seals],
            "note": note,
        }

    def _note(self, session: Stored, *, all_sealed: bool) -> str | None:
        if not is_over(session):
            return "Will be sealed 24 hours after the session's end."
        if all_sealed:
            return None
        self._seals.expect(session)  # also where a crash has let it be forgotten
        due = session["endTime"] + REPLAY_AFTER_END
        return "Will be sealed within minutes." if due <= now() else f"Will be sealed after {format_instant(due)}."


def verdict_of(activities: Iterable[Mapping[str, Any]]) -> str | None:
    """What the last review said; None where that was erased."""
    verdict: str | None = "UNREVIEWED"
    for one in activities:
        if one["type"] == "reviewed":
            verdict = (one["data"] or {}).get("verdict")
    return verdict


def counts_of(activities: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many there are of each severity, without those that count against nobody."""
    counts = dict.fromkeys(SEVERITIES, 0)
    for one in activities:
        if one["type"] not in TECHNICAL:
            counts[one["severity"]] += 1
    return counts


def _sealed(activities: list[Json], seals: list[Stored]) -> list[Json]:
    """The activities with what the seals say of each."""
    fields = {offset: one for seal in seals for offset, one in sealed_fields(seal)}
    for activity in activities:
        activity.update(fields.get(activity["offset"], _NOT_SEALED))
        if activity["link"] and not activity["salt"]:
            activity["data"] = None
    return activities
