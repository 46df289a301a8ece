"""The local stack: Prefect, MLflow and Argilla on one machine, without containers.

`lifecycle.Stack` starts, heals, watches and stops it. The processes themselves are kept alive by supervisor
(https://supervisord.org); this package writes its configuration and talks to it.
"""
