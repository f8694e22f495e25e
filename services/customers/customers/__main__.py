"""`python -m customers api|worker|all`."""

from chassis.service import main
from customers.settings import Settings

if __name__ == "__main__":
    main("customers", Settings, "customers.app:app", "customers.worker:worker")
