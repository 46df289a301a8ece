"""Whether records are completed, counted again at every start.

Argilla stores an answer in one transaction and the record's status in a second one, or a whole dataset's in a job that
is queued after the first. A kill in between leaves records that stay pending, or completed, for ever.
"""

import logging

from argilla_server.database import AsyncSessionLocal
from argilla_server.enums import DatasetStatus, RecordStatus, ResponseStatus
from argilla_server.models import Dataset, Record, Response
from sqlalchemy import case, func, literal, select, update

_LOGGER = logging.getLogger(__name__)


async def recount() -> None:
    """Give every record the status that its submitted answers and its dataset's wish for answers come to."""
    async with AsyncSessionLocal() as db:
        datasets = (await db.scalars(select(Dataset).where(Dataset.status == DatasetStatus.ready))).all()
        mended = 0
        for dataset in datasets:
            right = _status(int(dataset.distribution["min_submitted"]))
            result = await db.execute(
                update(Record)
                .where(Record.dataset_id == dataset.id, Record.status != right)
                .values(status=right, updated_at=Record.updated_at)  # the text has not changed, so nothing to index
                .execution_options(synchronize_session=False)
            )
            mended += result.rowcount
        await db.commit()
    if mended:
        _LOGGER.warning("corrected the status of %s records", mended)


def _status(min_submitted: int):  # noqa: ANN202  an SQL expression, whose type says nothing to a reader
    submitted = (
        select(func.count())
        .where(Response.record_id == Record.id, Response.status == ResponseStatus.submitted)
        .correlate(Record)
        .scalar_subquery()
    )
    # With the column's type: Postgres compares its enum with nothing else.
    completed, pending = (literal(one, Record.status.type) for one in (RecordStatus.completed, RecordStatus.pending))
    return case((submitted >= min_submitted, completed), else_=pending)
