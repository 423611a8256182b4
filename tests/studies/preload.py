"""Imported once by the process from which test processes are forked, so that each starts fast."""

import alembic.command
import optuna.storages._rdb.storage
import psycopg

import studies.storage

__all__ = ["alembic", "optuna", "psycopg", "studies"]
