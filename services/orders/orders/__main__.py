"""`python -m orders api|worker|all`."""

from chassis.service import main
from orders.settings import Settings

if __name__ == "__main__":
    main("orders", Settings, "orders.app:app", "orders.worker:worker")
