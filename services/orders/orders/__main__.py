"""`python -m orders api|worker|all`."""

from chassis.service import main
from orders.app import app
from orders.settings import Settings
from orders.worker import worker

if __name__ == "__main__":
    main("orders", Settings, app, worker)
