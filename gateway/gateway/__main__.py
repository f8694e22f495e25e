"""`python -m gateway`."""

from chassis.service import main
from gateway.app import app
from gateway.settings import GatewaySettings

if __name__ == "__main__":
    main("gateway", GatewaySettings, app)
