"""`python -m gateway`"""

from chassis.service import main
from gateway.app import app
from gateway.settings import GatewaySettings

main("gateway", GatewaySettings, app)
