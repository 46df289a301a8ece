"""Builds layouts and states for the tests of the stack."""

from tuneloop.stack.layout import Layout
from tuneloop.stack.state import StackState


def layout_in(folder):
    layout = Layout(root=folder, workspace=folder / ".tuneloop")
    layout.create()
    return layout


def state(**changes):
    values = {
        "prefect_auth": "tuneloop:prefect-secret",
        "argilla_username": "owner",
        "argilla_password": "argilla-secret",
        "argilla_api_key": "key-secret",
        "webhook_secret": "hook-secret",
        "mlflow_password": "mlflow-secret",
        "ports": {"prefect": 20001, "mlflow": 20002, "argilla": 20003, "argilla-valkey": 20004, "webhooks": 20005},
    }
    return StackState(**{**values, **changes})
