"""`python -m visits api|worker|all`."""

from chassis.service import main
from visits.app import app
from visits.settings import Settings
from visits.worker import worker

if __name__ == "__main__":
    main("visits", Settings, app, worker)
