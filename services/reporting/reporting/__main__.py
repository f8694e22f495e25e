"""`python -m reporting api|worker|all`."""

from chassis.service import main
from reporting.settings import Settings

if __name__ == "__main__":
    main("reporting", Settings, "reporting.app:app", "reporting.worker:worker")
