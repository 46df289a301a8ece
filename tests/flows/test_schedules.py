"""Prefect's server plans ahead the runs of a schedule, with the database library that we install beside it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from prefect.server import models, schemas
from prefect.server.database import provide_database_interface

pytestmark = pytest.mark.flow


def test_a_deployment_with_a_schedule_gets_runs() -> None:
    """With SQLAlchemy 2.1 the server only wrote an error into its log: no nightly cycle, no sweep, no drift watch."""

    async def planned() -> int:
        database = provide_database_interface()
        await database.create_db()
        hourly = schemas.schedules.IntervalSchedule(interval=timedelta(hours=1))
        async with database.session_context(begin_transaction=True) as session:
            flow = await models.flows.create_flow(session=session, flow=schemas.core.Flow(name="scheduled"))
            deployment = schemas.core.Deployment(
                name="hourly",
                flow_id=flow.id,
                schedules=[schemas.core.DeploymentSchedule(schedule=hourly, active=True)],
            )
            made = await models.deployments.create_deployment(session=session, deployment=deployment)
            assert made is not None
            return len(await models.deployments.schedule_runs(session, made.id))

    assert asyncio.run(planned()) > 0
