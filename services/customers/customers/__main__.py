"""`python -m customers api|worker|all`."""

from chassis.service import main
from customers.app import app
from customers.settings import Settings
from customers.worker import worker

if __name__ == "__main__":
    main("customers", Settings, app, worker)
