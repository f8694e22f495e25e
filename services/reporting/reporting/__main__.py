"""`python -m reporting api|worker|all`."""

from chassis.service import main
from reporting.app import app
from reporting.settings import Settings
from reporting.worker import worker

if __name__ == "__main__":
    main("reporting", Settings, app, worker)
