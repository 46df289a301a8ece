"""Deployments as code: prefect.yaml, automations, recipes."""
