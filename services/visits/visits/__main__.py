"""`python -m visits api|worker|all`."""

from chassis.service import main
from visits.settings import Settings

if __name__ == "__main__":
    main("visits", Settings, "visits.app:app", "visits.worker:worker")
